import Synchronization

/// One step of the history of a tensor: the nodes of its inputs, and the function that turns the gradient of the
/// output into the gradients of those inputs.
///
/// Nodes are immutable and belong to the tensors that hold them: there is no tape. `sequence` grows with creation, so
/// a node always comes after its inputs.
final class GradientNode: Sendable {
    typealias Pullback = @Sendable (Tensor) -> [Tensor?]

    let sequence: UInt64
    let pullback: Pullback?
    /// Written once more only by `deinit`, when nothing else can see the node.
    nonisolated(unsafe) private(set) var inputs: [GradientNode?]

    private static let counter = Atomic<UInt64>(0)

    init(inputs: [GradientNode?], pullback: Pullback?) {
        self.inputs = inputs
        self.pullback = pullback
        sequence = GradientNode.counter.wrappingAdd(1, ordering: .relaxed).newValue
    }

    static func leaf() -> GradientNode { GradientNode(inputs: [], pullback: nil) }

    /// Frees long chains with a loop: releasing them recursively would overflow the stack.
    deinit {
        var pending = inputs.compactMap { $0 }
        inputs = []
        while var node = pending.popLast() {
            if isKnownUniquelyReferenced(&node) {
                pending.append(contentsOf: node.inputs.compactMap { $0 })
                node.inputs = []
            }
        }
    }
}

extension Tensor {
    /// Attaches the history of an operation to its result, unless no input is tracked.
    ///
    /// - Parameter pullback: from the gradient of the result to the gradient of each input; it must capture detached
    ///   tensors only, and may return nil for an input that is not tracked.
    func recorded(from inputs: [Tensor], pullback: @escaping GradientNode.Pullback) -> Tensor {
        guard inputs.contains(where: \.isTracked) else { return self }
        let node = GradientNode(inputs: inputs.map(\.node), pullback: pullback)
        return Tensor(storage: storage, dtype: dtype, layout: layout, node: node)
    }
}
