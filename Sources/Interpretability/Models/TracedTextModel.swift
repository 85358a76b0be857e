internal import Synchronization
public import Layers
public import TensorCore
public import TextModels
public import Tokenizers
public import Weights

/// A language model under the tracing engine.
public struct TracedTextModel: TraceableModel {
    public let model: any LanguageModel
    public let tokenizer: TextTokenizer?
    public let sites: SiteIndex
    public let aliases: SiteAliases
    public let layers: Int
    public let width: Int
    /// Adapters and roles that every run has.
    public let pass: Pass
    private let known: ScanMemory

    public init(_ text: TextModel, pass: Pass = Pass()) throws {
        try self.init(
            text.model, text.configuration, sites: text.sites, tokenizer: text.tokenizer, pass: pass)
    }

    /// - Parameter sites: the index that the model was built with.
    /// - Throws: `TraceError` for a family without a table of names.
    public init(
        _ model: any LanguageModel, _ configuration: any LanguageModelConfiguration, sites: SiteIndex,
        tokenizer: TextTokenizer? = nil, pass: Pass = Pass()
    ) throws {
        self.model = model
        self.sites = sites
        self.tokenizer = tokenizer
        self.pass = pass
        known = ScanMemory()
        aliases =
            type(of: configuration).modelTypes.lazy.map(SiteAliases.family).first { !$0.layerPath.isEmpty } ?? .none
        let scan = try known.scan { try Self.learned(model, sites, pass) }
        layers =
            (0...).first { [aliases] in aliases.target("layers.\($0).resid_post").flatMap { sites[$0.path] } == nil }
            ?? 0
        guard let embed = aliases.target("embed").flatMap({ sites[$0.path] }).flatMap({ scan.entry($0, .output) }),
            case .fixed(let width) = embed.sizes.last
        else {
            throw TraceError(
                .unsupported, "model", expected: "a family with names for its sites",
                found: "\(type(of: configuration))")
        }
        self.width = width
    }

    public func scan(_ prompts: [PromptInput]) throws -> SiteScan {
        try known.scan { try Self.learned(model, sites, pass) }
    }

    private static func learned(_ model: any LanguageModel, _ sites: SiteIndex, _ pass: Pass) throws -> SiteScan {
        SiteScan.learned(sites) { index, plan in
            let rows = ShapeBackend.shared.tensor([2, 2 + index], dtype: .int64)
            var pass = pass
            pass.plan = plan
            ComputeThread.shared.run { _ = model(TokenBatch(rows), pass) }
        }
    }

    /// The tokens of a prompt.
    public func tokens(_ prompt: PromptInput, _ place: String = "prompt") throws -> [Int] {
        var found = prompt.tokens
        if let text = prompt.text {
            guard let tokenizer else {
                throw TraceError(.input, place, expected: "tokens, as the model has no tokenizer", found: "a text")
            }
            found = tokenizer.encode(text).map(\.id)
        }
        guard let ids = found, !ids.isEmpty else {
            throw TraceError(.input, place, expected: "at least one token", found: "none")
        }
        if let wrong = ids.first(where: { !(0..<model.vocabularySize).contains($0) }) {
            throw TraceError(.input, place, expected: "tokens below \(model.vocabularySize)", found: "\(wrong)")
        }
        if let most = model.maximumTokens, ids.count > most {
            throw TraceError(.input, place, expected: "at most \(most) tokens", found: "\(ids.count)")
        }
        return ids
    }

    public func tokenCounts(_ prompts: [PromptInput]) throws -> [Int] {
        try prompts.enumerated().map { try tokens($1, "prompt \($0)").count }
    }

    public func run(
        _ prompts: [PromptInput], steps: Int, lastOnly: Bool, plan: (StepContext) -> SitePlan
    ) throws -> [[Int]] {
        let rows = try prompts.map { try tokens($0) }
        var batch = TokenBatch(rows)
        let padding = batch.padding
        var state = steps > 1 ? DecodingState() : nil
        var past = 0
        var added = [[Int]](repeating: [], count: rows.count)
        for step in 0..<steps {
            var pass = pass
            pass.plan = plan(StepContext(step: step, past: past, count: batch.length, padding: padding))
            let selection = lastOnly ? LogitSelection.last : .all
            let output = model(batch, after: state, logits: selection, pass)
            guard step + 1 < steps else { break }
            state = output.state
            past += batch.length
            let next = argumentMaximum(output.logits.selected(1, -1), axis: 1).integers.map(Int.init)
            for (row, id) in next.enumerated() { added[row].append(id) }
            batch = TokenBatch(next.map { [$0] })
        }
        return added
    }

    public func unembeddedShape(_ shape: [Int]) -> [Int]? {
        shape.last == width ? shape.dropLast() + [model.vocabularySize] : nil
    }

    public func unembedded(_ residual: Tensor) -> Tensor {
        var pass = pass
        pass.plan = nil
        return model.unembedded(residual, pass)
    }

    public var headPaths: Set<String> { ["lm_head", "lm_head.softcap", "embed_out"] }
    public var maximumTokens: Int? { model.maximumTokens }
    public var maximumSteps: Int { model.maximumTokens ?? .max }
}

/// A scan, made once.
final class ScanMemory: Sendable {
    private let state = Mutex<SiteScan?>(nil)

    func scan(_ make: () throws -> SiteScan) rethrows -> SiteScan {
        if let known = state.withLock({ $0 }) { return known }
        let made = try make()
        state.withLock { $0 = made }
        return made
    }
}
