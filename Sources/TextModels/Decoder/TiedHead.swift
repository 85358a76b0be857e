internal import Layers
internal import TensorCore
internal import Weights

extension Linear {
    /// The output's matrix: the table of tokens itself where the two are tied.
    init(reading table: Embedding, isTied: Bool, initial: Initialization, _ weights: ScopedWeights) throws {
        if isTied {
            self.init(weight: table.weight, site: weights.site)
            // Some files hold the table a second time.
            _ = try weights.optionalTensor("weight", shape: table.weight.shape)
        } else {
            try self.init(
                table.weight.size(1), table.weight.size(0), hasBias: false, initialWeight: initial, weights)
        }
    }

    /// `mapParameters` for an output's matrix, which has no parameters of its own where it is tied.
    mutating func mapHead(tiedTo table: Embedding?, _ transform: (Tensor) -> Tensor) {
        if let table {
            self = Linear(weight: table.weight, site: site)
        } else {
            mapParameters(transform)
        }
    }
}
