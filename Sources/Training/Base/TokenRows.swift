import TensorCore
import Tokenizers

extension CLIPTokenizer {
    /// Texts as the encoder's input: `[texts, modelMaxLength]`, int64.
    func rows(of texts: [String]) -> Tensor {
        Tensor(texts.flatMap { tokens(for: $0).map(Int64.init) }, shape: [texts.count, modelMaxLength])
    }
}
