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
        /// Rows at which gradients are wanted, by `get`: one for each pass whose history is there.
        var leaves: [Int: [Tensor]] = [:]
        /// What did not fit in a step whose shapes only the step itself knows.
        var failure: TraceError?
    }

    /// One forward pass.
    private struct Run {
        var pass: Int
        /// The places of prompts among the rows.
        var places: [Int: Int]
        /// Whether values keep their history.
        var tracks: Bool
    }

    private let program: TraceProgram
    private let model: Model
    private let earlier: [TraceResult]
    private let walk: BackwardWalk
    private let state = Mutex(State())

    init(_ program: TraceProgram, _ model: Model, earlier: [TraceResult]) {
        self.program = program
        self.model = model
        self.earlier = earlier
        walk = BackwardWalk(program) { node, inputs in
            node.operation == .unembed ? model.unembedded(inputs[0]) : node.value(inputs)
        }
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
            let run = Run(
                pass: pass, places: Dictionary(uniqueKeysWithValues: rows.enumerated().map { ($1, $0) }),
                tracks: program.backward.isTracked(pass))
            let added = try model.run(
                rows.map { program.graph.prompts[$0] }, steps: program.graph.steps, lastOnly: program.lastOnly
            ) { context in
                plan(stations, run, context)
            }
            for (row, prompt) in rows.enumerated() { tokens[prompt] = added[row] }
            try state.withLock { state in
                if let failure = state.failure { throw failure }
                differentiate(gradients, &state)
                guard !program.backward.keepsHistory(after: pass) else { return }
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
            let steps = program.steps(name) ?? 0..<1
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
            let isActing =
                switch node.operation {
                case .set: plan.pass <= pass
                case .get: plan.pass == pass || program.backward.isLeaf(id, in: pass)
                default: program.backward.isTracked(pass)
                }
            guard isActing else { continue }
            bySite[entry.order, default: []].append(id)
        }
        return bySite.sorted { $0.key < $1.key }.map(\.value)
    }

    /// What a step does at each site. In the last step of a pass nothing is wanted after the last value that is read.
    private func plan(_ stations: [[Int]], _ run: Run, _ context: StepContext) -> SitePlan {
        var plan = SitePlan()
        var reads: [SiteScan.Entry] = []
        for station in stations {
            let acting = station.filter { program.nodes[$0].steps.contains(context.step) }
            guard let first = acting.first, let entry = program.nodes[first].entry else { continue }
            plan.add(
                .replace { [self] value in
                    state.withLock { visit(value, entry, acting, run, context, &$0) }
                }, at: entry.site, entry.port)
            if acting.contains(where: { program.graph.nodes[$0].operation == .get }) { reads.append(entry) }
        }
        // Stations come in the order of the model.
        if context.step + 1 == program.graph.steps, let last = reads.last, reads.allSatisfy(\.isVisitedOnce) {
            plan.end(after: last.site, last.port)
        }
        return plan
    }

    private func visit(
        _ value: Tensor, _ entry: SiteScan.Entry, _ acting: [Int], _ run: Run, _ context: StepContext,
        _ state: inout State
    ) -> Tensor {
        let batch = RowBatch(value, entry, context)
        var edited: [Int: Tensor] = [:]
        var hooks: [Int] = []
        for id in acting {
            let (node, planned) = (program.graph.nodes[id], program.nodes[id])
            guard node.operation == .get || node.operation == .set else {
                hooks.append(id)
                continue
            }
            let place = run.places[node.prompt ?? 0] ?? 0
            var row = edited[place] ?? batch.row(place)
            guard let box = box(id, of: row.shape, entry, &state) else { continue }
            if node.operation == .get {
                if program.backward.isLeaf(id, in: run.pass) {
                    if !row.isTracked { row = row.tracked() }
                    edited[place] = row
                    state.leaves[id, default: []].append(row)
                }
                guard planned.pass == run.pass else { continue }
                let part = row.selected(box)
                state.values[Key(node: id, step: planned.isStepwise ? context.step : -1)] =
                    run.tracks ? part : part.detached
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
        guard !hooks.isEmpty else { return batch.replacing(edited) }
        let place = BackwardWalk.Place(
            pass: run.pass, entry: entry, nodes: hooks, rows: run.places, context: context)
        return editingGradient(batch.replacing(edited)) { [walk] in walk.edited($0, place) }
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
        let planned = program.nodes[id]
        if node.operation == .saved {
            // Layers with a window of attention may have kept fewer keys than were foretold.
            let value = computed(id, node, inputs)
            guard value.shape != planned.shape else { return value }
            fail(TraceError(.shape, planned.place, expected: "\(planned.shape)", found: "\(value.shape)"), &state)
            return Tensor.zeros(planned.shape)
        }
        guard program.graph.steps > 1, !inputs.isEmpty else { return computed(id, node, inputs) }
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
            guard let graph = node.graph, let name = node.name, let kept = earlier[graph].values[name] else { break }
            return kept[program.nodes[id].savedPlace]
        case .get, .set, .gradient: break
        default: return node.value(inputs)
        }
        preconditionFailure("\(program.nodes[id].place): asked for before it is there")
    }

    /// One backward pass for each number that is differentiated under the same edits.
    private func differentiate(_ gradientNodes: [Int], _ state: inout State) {
        let groups = Dictionary(grouping: gradientNodes) { id in
            Walk(loss: program.graph.nodes[id].inputs?.first ?? 0, edits: program.backward.edits(of: id))
        }
        // An edit may take a gradient that stands before it.
        for (kind, ids) in groups.sorted(by: { ($0.value.first ?? 0) < ($1.value.first ?? 0) }) {
            let output = value(kind.loss, step: 0, &state)
            let task = BackwardWalk.Task(edits: Set(kind.edits), known: known(kind.edits, &state))
            let sites = ids.compactMap { program.graph.nodes[$0].inputs?.last }
            let slopes = walk.run(task) {
                gradients(
                    of: output, seed: Tensor.ones(output.shape), retaining: sites.flatMap { state.leaves[$0] ?? [] })
            }
            for (id, site) in zip(ids, sites) {
                let parts = (state.leaves[site] ?? []).compactMap { leaf in slopes[leaf].map { part($0, of: site) } }
                let sum = parts.dropFirst().reduce(parts.first) { sum, part in sum.map { $0 + part } }
                state.values[Key(node: id, step: -1)] = sum ?? Tensor.zeros(program.nodes[id].shape)
            }
        }
    }

    /// What backward passes have in common that are one.
    private struct Walk: Hashable {
        var loss: Int
        var edits: [Int]
    }

    /// The part of a site's gradient that a `get` selects.
    private func part(_ gradient: Tensor, of get: Int) -> Tensor {
        guard let entry = program.nodes[get].entry else { return gradient }
        return gradient.selected(program.graph.nodes[get].box(of: gradient.shape) { entry.axis($0) })
    }

    /// Values that edits of gradients need and that do not wait for gradients themselves.
    private func known(_ edits: [Int], _ state: inout State) -> [Int: Tensor] {
        var known: [Int: Tensor] = [:]
        var pending = edits.flatMap { program.graph.nodes[$0].inputs ?? [] }
        var seen: Set<Int> = []
        while let id = pending.popLast() {
            guard seen.insert(id).inserted else { continue }
            if program.nodes[id].isBackward {
                pending += program.graph.nodes[id].inputs ?? []
            } else {
                known[id] = value(id, step: 0, &state).detached
            }
        }
        return known
    }
}
