import Adapters
import TensorCore

/// The first factors of several adapters: different rows of one orthonormal basis for each width of input.
///
///     A_content = Q[0..<r],  A_style = Q[r..<r + s],  so  A_style A_contentᵀ = 0  and  A Aᵀ = I
///
/// What one adapter reads is zero to the other, at every layer and whatever their second factors learn. All layers of a
/// width share the rows. `Q` comes from the QR factorisation of normal numbers, seeded anew for each width. Files carry
/// the rows, so nothing depends on making them again.
/// Follows Pair Customization (arXiv 2405.01536, section 3.3).
struct DisjointRows {
    let seed: UInt64
    /// The ranks of the adapters, in the order in which they take rows.
    let ranks: [Int]

    /// An adapter that changes nothing yet, for one of the ranks: frozen rows, a zero second factor, scale 1.
    ///
    /// - Throws: `TrainingError` when a layer is too narrow for all ranks.
    func adapter(_ number: Int, name: String, modules: [AdaptableModule], isXL: Bool) throws -> Adapter {
        var rows: [Int: Tensor] = [:]
        let layers = try modules.map { module in
            let width = module.inputs
            let own = try rows[width] ?? self.rows(number, width: width, layer: module.path)
            rows[width] = own
            let up = Tensor.zeros([module.outputs, ranks[number]]).frozen()
            return LayerAdapter(module, LowRankDelta(down: own, up: up))
        }
        return Adapter(name: name, layers: layers, isXL: isXL)
    }

    /// `[rank, width]`.
    private func rows(_ number: Int, width: Int, layer: String) throws -> Tensor {
        let total = ranks.reduce(0, +)
        guard total <= width else {
            throw TrainingError.invalidRecipe(
                key: "network", expected: "ranks of at most \(width) together, the width of \(layer)",
                found: ranks.map(String.init).joined(separator: " + "))
        }
        var random = TorchGenerator(seed: seed)
        let basis = try qrFactorization(random.normal([total, width]).transposed(0, 1)).q
        let first = ranks.prefix(number).reduce(0, +)
        return basis.transposed(0, 1).narrowed(0, start: first, count: ranks[number]).contiguous().frozen()
    }
}
