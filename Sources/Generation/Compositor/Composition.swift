/// Everything that options, stacks and tags in prompts add to a picture's request.
public struct Composition: Sendable {
    /// The prompt without its tags.
    public var prompt: String
    public var adapters: [AdapterUse]
    public var styles: [StyleGuidance]
    public var directions: [ConceptDirection]

    public init(
        prompt: String, adapters: [AdapterUse] = [], styles: [StyleGuidance] = [],
        directions: [ConceptDirection] = []
    ) {
        self.prompt = prompt
        self.adapters = adapters
        self.styles = styles
        self.directions = directions
    }

    /// Adds a style with the next branch.
    public mutating func add(_ style: StyleUse) throws {
        let (adapter, guidance) = try style.resolved(branch: (styles.map(\.branch).max() ?? -1) + 1)
        adapters.append(adapter)
        styles.append(guidance)
    }

    /// Checks what the files say of the model that they were made for.
    ///
    /// - Returns: what the user is to be told of those that fit, but were made for another model.
    /// - Throws: `GenerationError` for a file of another family.
    public func remarks(on model: ModelIdentity) throws -> [String] {
        var known: Set<String> = []
        return try adapters.filter { known.insert($0.file.path).inserted }.compactMap { try $0.remark(on: model) }
    }

    /// Puts the prompt and the rules of guidance into a request; the adapters go into the pass.
    public func apply(to request: inout GenerationRequest) {
        request.prompt = prompt
        request.styles = styles.isEmpty ? nil : styles
        request.directions = directions.isEmpty ? nil : directions
    }
}
