import Foundation
import Recipes
import Testing

@Suite struct HostileRecipeTests {
    /// Any JSON-like value: nothing in a recipe is refused for its type.
    private indirect enum Anything: Decodable {
        case value(String)
        case list([Anything])
        case table([String: Anything])

        init(from decoder: any Decoder) throws {
            let container = try decoder.singleValueContainer()
            if let list = try? container.decode([Anything].self) {
                self = .list(list)
            } else if let table = try? container.decode([String: Anything].self) {
                self = .table(table)
            } else {
                self = .value((try? container.decode(String.self)) ?? "")
            }
        }
    }

    private func error(_ yaml: String) -> RecipeError? {
        do {
            _ = try decodeRecipe(Anything.self, yaml: yaml)
            return nil
        } catch {
            #expect(error is RecipeError)
            return error as? RecipeError
        }
    }

    @Test(arguments: [
        "a: &x [1, 2]\nb: *x", "a: [&x 1, *x]", "&x a: 1", "{a:&x 1}", "- &0 1", "a: !!str &x b", "? &x a\n: 1",
        "a:\n  &x\n  b: 1", "a: # c\n  &x 1", "[\"#\", &x 1]", "---\n&x a",
    ])
    func anchorsAreRefused(yaml: String) {
        #expect(error(yaml)?.found.hasPrefix("\"&") == true)
    }

    @Test(arguments: ["a: R&B", "a: x & y", "# &x\na: 1", "a: b # &x", "a: '# x & y'", "a: AT&T &", "a: 1&2"])
    func ampersandsInTextsAreFine(yaml: String) {
        #expect(error(yaml) == nil)
    }

    @Test func aliasBombsAreRefusedAtOnce() {
        var bomb = "a0: &a0 [x, x, x, x, x, x, x, x, x]\n"
        for level in 1..<30 {
            let aliases = Array(repeating: "*a\(level - 1)", count: 9).joined(separator: ", ")
            bomb += "a\(level): &a\(level) [\(aliases)]\n"
        }
        // As a key it would be compared and hashed as soon as it is parsed.
        bomb += "? *a29\n: 1\n"
        let clock = ContinuousClock()
        let time = clock.measure { #expect(error(bomb)?.line == 1) }
        #expect(time < .seconds(5))
        #expect(error("a: *x")?.expected == "valid YAML", "an alias without its anchor")
    }

    @Test func deepNestingIsRefused() {
        func nested(_ depth: Int) -> String {
            String(repeating: "[", count: depth) + String(repeating: "]", count: depth)
        }
        #expect(error(nested(60)) == nil)
        for depth in [66, 500, 999, 5000, 500_000] { #expect(error(nested(depth)) != nil) }
        for depth in [70, 5000, 400_000] {
            #expect(error(String(repeating: "- ", count: depth) + "x") != nil)
            #expect(error(String(repeating: "? ", count: depth) + "x") != nil)
            #expect(error(String(repeating: "{a: ", count: depth)) != nil)
        }
        let steps =
            (0..<70).map { String(repeating: " ", count: $0) + "k:\n" }.joined() + String(repeating: " ", count: 70)
            + "x"
        #expect(error(steps)?.expected == "at most 64 levels")
    }

    @Test(arguments: [
        "a: !!binary aGk=", "a: !foo 1", "!!map {a: 1}", "a: !!seq [1]", "a: !!str 1", "a: ! x",
        "a: !<tag:x,2000:y> \"1\"",
    ])
    func tagsAreRefused(yaml: String) {
        #expect(error(yaml)?.expected == "values without tags")
    }

    @Test(arguments: [
        "", "   \n", "# only a comment\n", "---\n", "a: 1\n---\nb: 2\n", "a: 'x", "a: [1", "a: b: c", "\tx: 1",
        "a: 1\n b: 2", "? [1, 2]\n: 3", "? {a: 1}\n: 3", ": 1", "a: \u{0}", "a: \u{7}", "%YAML 3.0\n---\na: 1", "@x",
        "`x`",
        "a: |\n\tx\n y", "...", "a: \"\\q\"",
    ])
    func brokenYAMLIsAnError(yaml: String) {
        #expect(error(yaml) != nil)
    }

    @Test func mutationsNeverCrash() {
        let seed = """
            name: "fox \\u00e9" # text
            list: [1, -2.5e3, {a: 'it''s', b: |
              block
             }]
            ? complex
            : - x
              - >-
                folded
                text
            other: {k: v, "q": ~}
            """
        var generator = SystemRandomNumberGenerator()
        let letters = Array("[]{}:,-?#&*!|>'\"%@` \n\tab0~\\é".unicodeScalars)
        for _ in 0..<1500 {
            var scalars = Array(seed.unicodeScalars)
            for _ in 0..<Int.random(in: 1...4, using: &generator) {
                let at = Int.random(in: 0..<scalars.count, using: &generator)
                switch Int.random(in: 0..<3, using: &generator) {
                case 0: scalars[at] = letters.randomElement(using: &generator) ?? "a"
                case 1: scalars.insert(letters.randomElement(using: &generator) ?? "a", at: at)
                default: scalars.remove(at: at)
                }
            }
            _ = error(String(String.UnicodeScalarView(scalars)))
        }
    }
}
