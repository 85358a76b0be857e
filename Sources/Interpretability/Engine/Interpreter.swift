internal import Layers
internal import Synchronization
internal import TensorCore

/// Runs a program: answers the visits of each pass, and computes what is needed when it is needed.
final class Interpreter<Model: TraceableModel>: Sendable {
    private struct Key: Hashable {
        var node: Int
        /// -1 for a node that has one value in the whole run.
        var step: Int
    }

    private struct State {
        var values: [Key: Tensor] = [:]
        /// Rows at which gradients are wanted, by `get`.
        var leaves: [Int: Tensor] = [:]
        /// What did not fit in a step whose shapes only the step itself knows.
        var failure: TraceError?
    }

    private let program: TraceProgram
    private let model: Model
    private let earlier: [TraceResult]
    private let state = Mutex(State())

    init(_ program: TraceProgram, _ model: Model, earlier: [TraceResult]) {
        self.program = program
        self.model = model
        self.earlier = earlier
    }

    func run() throws -> TraceResult {
        var tokens = [[Int]](repeating: [], count: program.graph.prompts.count)
        for pass in 0..<program.passes {
            let rows = program.rows[pass]
            guard !rows.isEmpty else { continue }
            let gradients = program.graph.nodes.indices.filter {
                program.graph.nodes[$0].operation == .gradient && program.nodes[$0].isLive
                    && program.nodes[$0].pass == pass
            }
            let stations = stations(pass)
            let added = try model.run(
                rows.map { program.graph.prompts[$0] }, steps: program.graph.steps, lastOnly: program.lastOnly
            ) { context in
                plan(stations, rows, context, tracks: !gradients.isEmpty)
            }
            for (row, prompt) in rows.enumerated() { tokens[prompt] = added[row] }
            try state.withLock { state in
                if let failure = state.failure { throw failure }
                differentiate(gradients, &state)
                state.leaves = [:]
                state.values = state.values.mapValues(\.detached)
            }
        }
        return try state.withLock { state in
            let result = result(tokens, &state)
            if let failure = state.failure { throw failure }
            return result
        }
    }

    private func result(_ tokens: [[Int]], _ state: inout State) -> TraceResult {
        var saved: [String: [Tensor]] = [:]
        for (name, id) in program.graph.saves {
            let node = program.nodes[id]
            let steps =
                node.isStepwise
                ? node.steps.from..<min(node.steps.to ?? program.graph.steps, program.graph.steps) : 0..<1
            saved[name] = steps.map { value(id, step: $0, &state).detached.contiguous() }
        }
        return TraceResult(values: saved, tokens: tokens, passes: program.passes)
    }

    // MARK: - Visits

    /// The nodes of each site that act in a pass, in their order.
    private func stations(_ pass: Int) -> [[Int]] {
        let rows = Set(program.rows[pass])
        var bySite: [Int: [Int]] = [:]
        for (id, node) in program.graph.nodes.enumerated() {
            let plan = program.nodes[id]
            guard plan.isLive, let entry = plan.entry, rows.contains(node.prompt ?? -1) else { continue }
            guard node.operation == .set ? plan.pass <= pass : plan.pass == pass else { continue }
            bySite[entry.order, default: []].append(id)
        }
        return bySite.sorted { $0.key < $1.key }.map(\.value)
    }

    private func plan(_ stations: [[Int]], _ rows: [Int], _ context: StepContext, tracks: Bool) -> SitePlan {
        var plan = SitePlan()
        let places = Dictionary(uniqueKeysWithValues: rows.enumerated().map { ($1, $0) })
        for station in stations {
            let acting = station.filter { program.nodes[$0].steps.contains(context.step) }
            guard let first = acting.first, let entry = program.nodes[first].entry else { continue }
            plan.add(
                .replace { [self] value in
                    state.withLock { visit(value, entry, acting, places, context, tracks, &$0) }
                }, at: entry.site, entry.port)
        }
        return plan
    }

    private func visit(
        _ value: Tensor, _ entry: SiteScan.Entry, _ acting: [Int], _ places: [Int: Int], _ context: StepContext,
        _ tracks: Bool, _ state: inout State
    ) -> Tensor {
        let batch = RowBatch(value, entry, context)
        var edited: [Int: Tensor] = [:]
        for id in acting {
            let (node, planned) = (program.graph.nodes[id], program.nodes[id])
            let place = places[node.prompt ?? 0] ?? 0
            var row = edited[place] ?? batch.row(place)
            guard let box = box(id, of: row.shape, entry, &state) else { continue }
            if node.operation == .get {
                if tracks && planned.isLeaf {
                    if !row.isTracked { row = row.tracked() }
                    edited[place] = row
                    state.leaves[id] = row
                }
                let part = row.selected(box)
                state.values[Key(node: id, step: planned.isStepwise ? context.step : -1)] =
                    tracks ? part : part.detached
            } else if let input = node.inputs?.first {
                let new = self.value(input, step: context.step, &state)
                let shape = box.shape(of: row.shape)
                guard ShapeRule.broadcast(new.shape, shape) == shape else {
                    fail(
                        TraceError(.shape, planned.place, expected: "a value for \(shape)", found: "\(new.shape)"),
                        &state)
                    continue
                }
                edited[place] = row.replacing(box, with: new)
            }
        }
        return batch.replacing(edited)
    }

    /// The part that a node reads or writes; nil, and a value of zeros, where a step has no such part.
    private func box(_ id: Int, of shape: [Int], _ entry: SiteScan.Entry, _ state: inout State) -> Box? {
        let (node, planned) = (program.graph.nodes[id], program.nodes[id])
        do {
            let box = try ShapeRule.box(node.selection ?? [], of: shape, planned.place) { entry.axis($0) }
            guard box.shape(of: shape).contains(0) else { return box }
            throw TraceError(.selection, planned.place, expected: "places of shape \(shape)", found: "none")
        } catch {
            fail(error as? TraceError, &state)
            // Whatever needs the value goes on with this, until the run is over and the error is thrown.
            for step in [-1] + Array(0..<program.graph.steps) where state.values[Key(node: id, step: step)] == nil {
                state.values[Key(node: id, step: step)] = Tensor.zeros(planned.shape)
            }
            return nil
        }
    }

    /// Keeps the first error of a run, which is thrown after it: a visit cannot throw.
    private func fail(_ error: TraceError?, _ state: inout State) { state.failure = state.failure ?? error }

    // MARK: - Values

    /// The value of a node, computed now if it is not there yet.
    private func value(_ id: Int, step: Int, _ state: inout State) -> Tensor {
        var pending = [id]
        while let next = pending.last {
            let key = key(next, step)
            guard state.values[key] == nil else {
                pending.removeLast()
                continue
            }
            let node = program.graph.nodes[next]
            let inputs = node.operation == .gradient ? [] : node.inputs ?? []
            let missing = inputs.filter { state.values[self.key($0, step)] == nil }
            guard missing.isEmpty else {
                pending += missing
                continue
            }
            let known = inputs.compactMap { state.values[self.key($0, step)] }
            state.values[key] = checked(next, node, known, &state)
            pending.removeLast()
        }
        guard let value = state.values[key(id, step)] else {
            preconditionFailure("\(program.nodes[id].place): no value")
        }
        return value
    }

    private func key(_ id: Int, _ step: Int) -> Key { Key(node: id, step: program.nodes[id].isStepwise ? step : -1) }

    /// The value of a node; zeros, and an error, where the shapes of a further step do not fit.
    private func checked(_ id: Int, _ node: Node, _ inputs: [Tensor], _ state: inout State) -> Tensor {
        guard program.graph.steps > 1, !inputs.isEmpty else { return computed(id, node, inputs) }
        let planned = program.nodes[id]
        if node.operation == .unembed {
            if model.unembeddedShape(inputs[0].shape) != nil { return computed(id, node, inputs) }
            fail(TraceError(.shape, planned.place, expected: "residuals", found: "\(inputs[0].shape)"), &state)
            return Tensor.zeros(planned.shape)
        }
        do {
            _ = try ShapeRule.shape(node, inputs.map(\.shape), planned.place)
            return computed(id, node, inputs)
        } catch {
            fail(error as? TraceError, &state)
            return Tensor.zeros(planned.shape)
        }
    }

    private func computed(_ id: Int, _ node: Node, _ inputs: [Tensor]) -> Tensor {
        switch node.operation {
        case .unembed: return model.unembedded(inputs[0])
        case .saved:
            guard let graph = node.graph, let name = node.name, let value = earlier[graph][name] else { break }
            return value
        case .get, .set, .gradient: break
        default: return node.value(inputs)
        }
        preconditionFailure("\(program.nodes[id].place): asked for before it is there")
    }

    /// One backward pass for each number that is differentiated.
    private func differentiate(_ gradientNodes: [Int], _ state: inout State) {
        let byLoss = Dictionary(grouping: gradientNodes) { program.graph.nodes[$0].inputs?.first ?? 0 }
        for (loss, ids) in byLoss.sorted(by: { $0.key < $1.key }) {
            let output = value(loss, step: 0, &state)
            let sites = ids.compactMap { program.graph.nodes[$0].inputs?.last }
            let slopes = gradients(
                of: output, seed: Tensor.ones(output.shape), retaining: sites.compactMap { state.leaves[$0] })
            for (id, site) in zip(ids, sites) {
                guard let leaf = state.leaves[site], let entry = program.nodes[site].entry else { continue }
                let slope = slopes[leaf] ?? Tensor.zeros(leaf.shape)
                let box = program.graph.nodes[site].box(of: leaf.shape) { entry.axis($0) }
                state.values[Key(node: id, step: -1)] = slope.selected(box)
            }
        }
    }
}
