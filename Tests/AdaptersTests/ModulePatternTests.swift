@testable import Adapters
import Foundation
import TensorCore
import TestSupport
import Testing

/// PEFT's patterns of ranks and alphas: Python's expressions, matched as PEFT matches them.
@Suite struct ModulePatternTests {
    /// What `re.match(rf"(.*\.)?({pattern})$", name)` says in Python 3.
    @Test(arguments: [
        ("conv1", "down_blocks.0.resnets.1.conv1", true), ("conv1", "down_blocks.0.resnets.1.xconv1", false),
        ("conv.", "a.conv1", true), ("resnets\\.\\d+\\.conv[12]", "down_blocks.0.resnets.11.conv2", true),
        (".*\\.to_q", "mid.attn1.to_q", true), (".*\\.to_q", "to_q", false), ("attn1|attn2", "x.attn2", true),
        ("attn1|attn2", "x.attn2.to_q", false), ("^attn1", "attn1", true), ("^attn1", "x.attn1", false),
        ("attn(?:1|2)\\.to_(q|k)$", "x.attn2.to_k", true), ("blocks\\.[^0]\\.ff", "up.blocks.1.ff", true),
        ("blocks\\.[^0]\\.ff", "up.blocks.0.ff", false), ("a{2,3}", "x.aaa", true), ("a{2,3}", "x.aaaa", false),
        ("a{,2}b", "b", true), ("a{x}", "a{x}", true), ("(?P<n>to)_v?", "m.to_", true), ("\\bto\\b", "m.to", true),
        ("[\\w.]*q", "a.b.q", true), ("", "x.", true), ("", "x", false), ("[]a-c-]+", "x.]b-", true),
        ("\\W", "x.-", true), ("x+?y??", "xx", true), ("(a|b)*", "c.abba", true), ("(a*)*b", "aab", true),
    ])
    func `expressions match as in Python`(_ pattern: String, _ name: String, _ matches: Bool) throws {
        #expect(try ModulePattern(pattern).matches(name) == matches)
    }

    @Test(arguments: [
        "(", "[a", "a**", "*a", "\\1", "(?=a)", "a++", "a{3,2}", ")", "\\", "(?i)a", "a|*", "[b-a]", "\\q",
        "((((a{999}){999}){999}){999})", String(repeating: "(", count: 200) + String(repeating: ")", count: 200),
        String(repeating: "x|", count: 900),
    ])
    func `what is no expression, or too large a one, is refused`(_ pattern: String) {
        #expect(throws: PatternFlaw.self) { try ModulePattern(pattern) }
    }

    /// Backtracking would take 2^60 steps.
    @Test(arguments: ["(a+)+b", "(a|aa)+b", "(a*)*b", "(.*)*(.*)*(.*)*x"])
    func `hostile expressions take no longer than others`(_ pattern: String) throws {
        let expression = try ModulePattern(pattern)
        let start = ContinuousClock.now
        #expect(!expression.matches(String(repeating: "a", count: 200)))
        #expect(ContinuousClock.now - start < .seconds(2))
    }

    private func inCopy(
        _ patterns: (rank: String, alpha: String), _ body: (String) throws -> Void
    ) throws {
        try inTemporaryFolder { folder in
            let golden = Fixtures.path("adapters/peft-lora")
            try FileManager.default.copyItem(
                atPath: "\(golden)/adapter_model.safetensors", toPath: "\(folder.path)/adapter_model.safetensors")
            let configuration = """
                {"r": 4, "lora_alpha": 3, "rank_pattern": \(patterns.rank), "alpha_pattern": \(patterns.alpha)}
                """
            try Data(configuration.utf8).write(to: URL(filePath: "\(folder.path)/adapter_config.json"))
            try body("\(folder.path)/adapter_model.safetensors")
        }
    }

    @Test func `files with expressions are read as PEFT reads them`() throws {
        let unet = try AdaptedUNet()
        let golden = try unet.adapter("peft-lora/adapter_model.safetensors")
        func scales(_ adapter: Adapter) -> [String: Double] { adapter.layers.compactMapValues { $0.delta?.scale } }
        #expect(Set(scales(golden).values) == [0.75, 1.5, 1.25])
        let same = ("{\"(resnets|unused)\\\\.\\\\d\\\\.conv[0-9]\": 2}", "{\"attn[1]\\\\.to_q\": 5}")
        try inCopy(same) { path in
            let found = try Adapter(path: path, modules: unet.modules)
            #expect(scales(found) == scales(golden))
        }
        // The first that matches counts, however long it is, in the order of the file.
        for (patterns, scale) in [("\"to_.*\": 6, \"attn1.to_q\": 5", 1.5), ("\"attn1.to_q\": 5, \"to_.*\": 6", 1.25)] {
            try inCopy(("{\"conv1\": 2}", "{\(patterns)}")) { path in
                let found = scales(try Adapter(path: path, modules: unet.modules))
                #expect(found.first { $0.key.hasSuffix("attn1.to_q") }?.value == scale)
            }
        }
        for (patterns, words) in [
            ("{\"(conv\": 2}", "'(conv': a ( without its )"), ("{\"conv1\": \"two\"}", "something else for 'conv1'"),
        ] {
            try inCopy((patterns, "{}")) { path in
                let error = #expect(throws: AdapterError.self) { try Adapter(path: path, modules: unet.modules) }
                #expect(error?.description.contains("rank_pattern") == true, "\(error?.description ?? "")")
                #expect(error?.description.contains(words) == true, "\(error?.description ?? "")")
            }
        }
    }

    @Test func `keys come in the order of the text`() {
        let text = #"{"b": [{"x": {"q": 1}}], "p": {"z\"": 1, "\u0061": {"no": 2}, "m": "k"}, "last": {"n": 3}}"#
        #expect(orderedKeys(of: "p", in: Array(text.utf8)) == ["z\"", "a", "m"])
        #expect(orderedKeys(of: "x", in: Array(text.utf8)) == [])
    }
}
