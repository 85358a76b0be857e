internal import Synchronization
internal import TensorCore

/// One backward pass through the visited sites: what arrives at them, and what is put in its place.
///
/// The hooks of all forward passes ask here, and are answered by the edits of the walk that is under way.
final class BackwardWalk: Sendable {
    /// What one walk does.
    struct Task: Sendable {
        /// The `setGradient` nodes that act.
        var edits: Set<Int>
        /// Values of the nodes that do not wait for gradients.
        var known: [Int: Tensor]
    }

    /// Where a hook is: a site in a forward pass.
    struct Place: Sendable {
        var pass: Int
        var entry: SiteScan.Entry
        /// The nodes of gradients there, in their order.
        var nodes: [Int]
        /// The places of prompts among the rows.
        var rows: [Int: Int]
        var context: StepContext
    }

    private struct Key: Hashable {
        var pass: Int
        var node: Int
    }

    private struct State {
        var task: Task?
        var arrived: [Key: Tensor] = [:]
    }

    private let program: TraceProgram
    private let compute: @Sendable (Node, [Tensor]) -> Tensor
    private let state = Mutex(State())

    /// - Parameter compute: the value of a node from those of its inputs.
    init(_ program: TraceProgram, compute: @escaping @Sendable (Node, [Tensor]) -> Tensor) {
        self.program = program
        self.compute = compute
    }

    /// Lets `body` walk back under the edits of a task.
    func run<Result>(_ task: Task, _ body: () -> Result) -> Result {
        state.withLock { $0 = State(task: task) }
        defer { state.withLock { $0 = State() } }
        return body()
    }

    /// The gradient that goes on from a site, for all rows.
    func edited(_ gradient: Tensor, _ place: Place) -> Tensor {
        state.withLock { state in
            guard let task = state.task else { return gradient }
            let batch = RowBatch(gradient, place.entry, place.context)
            var rows: [Int: Tensor] = [:]
            for id in place.nodes {
                let node = program.graph.nodes[id]
                guard let position = place.rows[node.prompt ?? 0] else { continue }
                let row = rows[position] ?? batch.row(position)
                let box = node.box(of: row.shape) { place.entry.axis($0) }
                if node.operation == .arrivingGradient {
                    state.arrived[Key(pass: place.pass, node: id)] = row.selected(box)
                } else if task.edits.contains(id), let input = node.inputs?.first {
                    rows[position] = row.replacing(box, with: value(input, place.pass, task, state.arrived))
                }
            }
            return batch.replacing(rows)
        }
    }

    /// The value of a node; what has not arrived is zero.
    private func value(_ id: Int, _ pass: Int, _ task: Task, _ arrived: [Key: Tensor]) -> Tensor {
        var values: [Int: Tensor] = [:]
        var pending = [id]
        while let next = pending.last {
            if values[next] != nil {
                pending.removeLast()
                continue
            }
            let node = program.graph.nodes[next]
            if let known = task.known[next] {
                values[next] = known
            } else if node.operation == .arrivingGradient {
                values[next] = arrived[Key(pass: pass, node: next)] ?? Tensor.zeros(program.nodes[next].shape)
            } else {
                let inputs = node.inputs ?? []
                let missing = inputs.filter { values[$0] == nil }
                pending += missing
                if missing.isEmpty { values[next] = compute(node, inputs.compactMap { values[$0] }) }
            }
        }
        guard let value = values[id] else { preconditionFailure("\(program.nodes[id].place): no value") }
        return value
    }
}
