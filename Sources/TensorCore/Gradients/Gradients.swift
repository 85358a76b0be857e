/// The gradients of one scalar (or seeded) output with respect to the leaves that it depends on.
public struct Gradients: Sendable {
    private let entries: [ObjectIdentifier: (node: GradientNode, gradient: Tensor)]

    init(_ entries: [ObjectIdentifier: (node: GradientNode, gradient: Tensor)]) {
        self.entries = entries
    }

    /// The gradient of a leaf, or nil when the output does not depend on it.
    public subscript(leaf: Tensor) -> Tensor? {
        guard let node = leaf.node else { return nil }
        return entries[ObjectIdentifier(node)]?.gradient
    }
}

/// Differentiates `output` with respect to every leaf in its history.
///
///     gradient(leaf) = seed · ∂output/∂leaf
///
/// Gradients are float32 for leaves of every type, so sums over many uses of a 16-bit leaf lose nothing.
///
/// - Parameters:
///   - seed: the gradient of `output` itself, of its shape; ones when nil, which needs a single element.
///   - retaining: further tensors, not leaves, whose gradients are wanted too.
/// - Returns: a value to subscript by leaf. Nothing is stored in the tensors.
public func gradients(of output: Tensor, seed: Tensor? = nil, retaining: [Tensor] = []) -> Gradients {
    guard let root = output.node else { return Gradients([:]) }
    precondition(seed != nil || output.count == 1, "gradients: \(output.shape) is not a scalar and has no seed")
    let seed = (seed?.detached.converted(to: .float32) ?? Tensor.full(1, shape: output.shape))
        .moved(to: output.backend)
    precondition(seed.shape == output.shape, "gradients: seed of shape \(seed.shape) for an output of \(output.shape)")

    let retained = Set(retaining.compactMap { $0.node.map(ObjectIdentifier.init) })
    var pending: [ObjectIdentifier: (node: GradientNode, gradient: Tensor)] = [:]
    var results: [ObjectIdentifier: (node: GradientNode, gradient: Tensor)] = [:]
    var queue = NodeQueue()

    func add(_ gradient: Tensor, to node: GradientNode) {
        let key = ObjectIdentifier(node)
        if let sum = pending[key]?.gradient {
            pending[key] = (node, sharedBackend(sum, gradient).binary(.add, sum, gradient))
        } else {
            pending[key] = (node, gradient)
            queue.push(node)
        }
    }

    add(seed, to: root)
    while let node = queue.pop() {
        guard let (_, gradient) = pending.removeValue(forKey: ObjectIdentifier(node)) else { continue }
        if node.pullback == nil || retained.contains(ObjectIdentifier(node)) {
            results[ObjectIdentifier(node)] = (node, gradient)
        }
        guard let pullback = node.pullback else { continue }
        let inputGradients = pullback(gradient)
        for (input, inputGradient) in zip(node.inputs, inputGradients) {
            if let input, let inputGradient { add(inputGradient.detached, to: input) }
        }
    }
    return Gradients(results)
}

/// A binary heap of nodes, latest first: a node is taken only after everything that was computed from it.
private struct NodeQueue {
    private var heap: [GradientNode] = []

    mutating func push(_ node: GradientNode) {
        heap.append(node)
        var child = heap.count - 1
        while child > 0 {
            let parent = (child - 1) / 2
            guard heap[parent].sequence < heap[child].sequence else { break }
            heap.swapAt(parent, child)
            child = parent
        }
    }

    mutating func pop() -> GradientNode? {
        guard let last = heap.popLast() else { return nil }
        guard let first = heap.first else { return last }
        heap[0] = last
        var parent = 0
        while true {
            var largest = parent
            for child in [2 * parent + 1, 2 * parent + 2] where child < heap.count {
                if heap[child].sequence > heap[largest].sequence { largest = child }
            }
            guard largest != parent else { break }
            heap.swapAt(parent, largest)
            parent = largest
        }
        return first
    }
}
