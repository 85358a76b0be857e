public import Adapters
import Foundation
import Weights

/// A style as users name it: an adapter file with a branch of guidance of its own.
public struct StyleUse: Sendable, Hashable {
    public var path: String
    /// The strength of its guidance; nil takes the file's own.
    public var strength: Double?
    /// The share of the noise from which on it acts; nil takes the file's own, or the beginning.
    public var start: Double?
    /// What follows the prompt in its branch; nil takes the file's own.
    public var phrase: String?
    /// The weight of the adapter in its branch.
    public var adapterScale: Double
    /// How it goes together with the other styles; nil adds it to them.
    public var combine: CombineRule?
    /// Who asks for it, for messages; nil for the file itself.
    var named: String?

    public init(
        path: String, strength: Double? = nil, start: Double? = nil, phrase: String? = nil, adapterScale: Double = 1
    ) {
        self.path = path
        self.strength = strength
        self.start = start
        self.phrase = phrase
        self.adapterScale = adapterScale
    }

    /// The adapter, confined to the rows of a branch, and the guidance of those rows.
    ///
    /// - Throws: the errors of the file; `GenerationError` for one that holds a pair's content or a slider.
    public func resolved(branch: Int) throws -> (adapter: AdapterUse, guidance: StyleGuidance) {
        var adapter = try AdapterUse(path: path, weight: adapterScale)
        adapter.styleBranch = branch
        adapter.named.text = named
        let metadata = try TensorFile(path: path).metadata
        let note = StyleNote(metadata)
        // Files that say nothing of themselves may be either.
        if note == nil, let slider = SliderNote(metadata) {
            throw GenerationError(
                named.map { "\($0): \(path)" } ?? path, expected: "a style",
                found: "a slider, which --slider \(slider.name), or sliders in a list or stack, uses")
        }
        if note?.role == .content {
            throw GenerationError(
                named.map { "\($0): \(path)" } ?? path, expected: "a style",
                found: "the content of a pair, which no picture is drawn with")
        }
        var guidance = StyleGuidance(
            note?.name ?? adapter.name, branch: branch, strength: strength ?? note?.strength ?? 3,
            start: start ?? note?.start ?? 1, phrase: phrase ?? note?.phrase ?? "")
        guidance.combine = combine
        do {
            try guidance.validate()
        } catch let error as GenerationError {
            guard let named else { throw error }
            throw GenerationError("\(named): \(error.subject)", expected: error.expected, found: error.found)
        }
        return (adapter, guidance)
    }
}
