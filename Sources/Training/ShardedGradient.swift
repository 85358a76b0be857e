import TensorCore

/// The gradient of a batch that is taken in equal parts (shards), side by side where there are threads for it.
///
///     loss = mean over shards of loss(shard), and so its gradient
///
/// How many parts there are is the recipe's choice, not the machine's: the same recipe gives the same bits on any number
/// of threads.
struct ShardedGradient {
    /// What the shards reported, averaged; `loss` is always there.
    let values: [String: Double]
    let gradients: [String: Tensor]

    /// What one shard's loss comes to.
    struct Loss {
        let total: Tensor
        var values: [String: Double] = [:]
    }

    /// - Parameters:
    ///   - parameters: the leaves' values.
    ///   - batch: rows of the batch, a multiple of `shards`.
    ///   - loss: the mean loss of some rows under tracked parameters; it must not depend on the other rows.
    init(
        of parameters: [String: Tensor], batch: Int, shards: Int,
        loss: @Sendable (_ rows: Range<Int>, _ parameters: ParameterSet) throws -> Loss
    ) throws {
        precondition(shards > 0 && batch % shards == 0, "\(batch) rows in \(shards) shards")
        let share = batch / shards
        let parts = try ComputeThread.shared.concurrently(shards) { shard -> Part in
            let tracked = ParameterSet(parameters).tracked()
            let loss = try loss(shard * share..<(shard + 1) * share, tracked)
            var values = loss.values
            values["loss"] = Double(loss.total.item)
            return Part(values: values, gradients: tracked.gradients(TensorCore.gradients(of: loss.total)))
        }
        guard shards > 1 else {
            (values, gradients) = (parts[0].values, parts[0].gradients)
            return
        }
        let scale = 1 / Double(shards)
        values = parts[0].values.mapValues { _ in 0 }
            .merging(parts.flatMap(\.values)) { $0 + $1 }.mapValues { $0 * scale }
        var sums = parts[0].gradients
        for part in parts.dropFirst() {
            for (path, gradient) in part.gradients { sums[path] = sums[path].map { $0 + gradient } ?? gradient }
        }
        gradients = sums.mapValues { $0 * scale }
    }

    private struct Part: Sendable {
        let values: [String: Double]
        let gradients: [String: Tensor]
    }
}
