internal import Layers
internal import TensorCore
internal import Weights

/// How GGUF files spell the models of one family: names, metadata, and tensors that lie otherwise than in checkpoints.
///
/// Follows llama.cpp's conversion scripts, which write these files.
struct GGUFGrammar: Sendable {
    /// The values of `general.architecture`.
    let architectures: [String]
    /// Names outside of the layers and their keys.
    let names: [String: String]
    /// Names within layer N after `blk.N.`, and what they are called within the layer.
    let layerNames: [String: String]
    /// What a layer's keys begin with, before its number.
    let layerPrefix: String
    var ignored: Set<String> = []
    let configuration: @Sendable (GGUFMetadata) throws -> any LanguageModelConfiguration
    /// A tensor as the checkpoint has it; the first argument as the file has it.
    var translate: @Sendable (Tensor, String, any LanguageModelConfiguration) throws -> Tensor = { tensor, _, _ in
        tensor
    }

    static let all: [GGUFGrammar] = [llama, gemma, gpt2, gptNeoX, mamba]

    /// The checkpoint's key of a name, or nil for a name that the family does not have.
    func key(of name: String) -> String? {
        for suffix in [".weight", ".bias", ""] where name.hasSuffix(suffix) {
            let stem = String(name.dropLast(suffix.count))
            if let whole = names[stem] { return whole + suffix }
            let parts = stem.split(separator: ".", maxSplits: 2, omittingEmptySubsequences: false)
            guard parts.count == 3, parts[0] == "blk", let number = Int(parts[1]), "\(number)" == parts[1] else {
                continue
            }
            if let inner = layerNames[String(parts[2])] { return "\(layerPrefix).\(number).\(inner)\(suffix)" }
        }
        return nil
    }

    func translated(
        _ tensor: Tensor, _ key: String, _ configuration: any LanguageModelConfiguration, path: String
    ) throws -> Tensor {
        try translate(tensor, key, configuration)
    }
}

extension Tensor {
    /// The rows of a matrix, or elements of a vector, in another order; as it is where the count does not fit, which
    /// building the model then reports.
    func inOrder(_ order: [Int]) -> Tensor {
        guard size(0) == order.count else { return self }
        if rank == 2 { return withRows(order) }
        return rank == 1 ? embedding(Tensor(order.map(Int64.init)), self).frozen() : self
    }
}
