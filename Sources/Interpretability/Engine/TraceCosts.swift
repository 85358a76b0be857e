/// Refuses graphs whose values would not fit, from their shapes, before any of them is made.
struct TraceCosts {
    let limits: TraceLimits
    /// Sites that are computed for the last token alone.
    var lastOnly: Set<String> = []
    /// Bytes of what earlier graphs of the session save, which is kept.
    var earlierBytes = 0

    /// - Parameters:
    ///   - rows: the prompts of each pass.
    ///   - tokens: of each prompt.
    func check(
        _ graph: InterventionGraph, _ nodes: [PlannedNode], _ sizes: StepSizes, rows: [[Int]], tokens: [Int]
    ) throws {
        for prompts in rows where !prompts.isEmpty {
            let longest = prompts.map { tokens[$0] }.max() ?? 1
            let known = Set(prompts)
            for (id, node) in graph.nodes.enumerated() where nodes[id].isLive {
                guard let entry = nodes[id].entry, let prompt = node.prompt, known.contains(prompt) else { continue }
                let own = lastOnly.contains(entry.path) ? 1 : longest
                let last = min(nodes[id].steps.to ?? graph.steps, graph.steps) - 1
                for step in Set([nodes[id].steps.from, last]) {
                    try checkSite(entry.shape(tokens: own, step: step), prompts.count, nodes[id].place)
                }
            }
        }
        try checkHeld(graph, nodes, sizes)
    }

    /// A part of a site is read from the whole, which exists for all prompts of a pass at once.
    private func checkSite(_ shape: [Int], _ prompts: Int, _ place: String) throws {
        let whole = [prompts] + shape
        guard let elements = TensorLiteral.count(whole), elements <= limits.siteBytes / 4 else {
            throw TraceError(
                .limit, place,
                expected: "a site whose value for all prompts side by side has at most"
                    + " \(limits.siteBytes) bytes", found: "shape \(whole)",
                advice: "run fewer prompts at once, shorter ones or smaller latents")
        }
    }

    /// What is saved is there until the session is over.
    ///
    /// - Returns: bytes of the graph's own saved values.
    func savedBytes(_ graph: InterventionGraph, _ sizes: StepSizes) throws -> Int {
        var total = 0
        for (name, id) in graph.saves.sorted(by: { $0.key < $1.key }) {
            let sum = total.plus(sizes.bytes(id))
            guard sum <= limits.savedBytes - earlierBytes else {
                let before = earlierBytes > 0 ? " beside \(earlierBytes) of earlier graphs" : ""
                throw TraceError(
                    .limit, "save \"\(name)\"", expected: "at most \(limits.savedBytes) bytes of saved values",
                    found: "\(sum) and more\(before)",
                    advice: "save a selection or a sum" + (graph.steps > 1 ? ", or in fewer steps" : ""))
            }
            total = sum
        }
        return total
    }

    /// Everything that the graph computes is there until the run is over.
    private func checkHeld(_ graph: InterventionGraph, _ nodes: [PlannedNode], _ sizes: StepSizes) throws {
        var total = earlierBytes
        for (id, node) in graph.nodes.enumerated() where nodes[id].isLive && node.operation.hasValue {
            guard sizes.valueBytes(id) <= limits.valueBytes else {
                throw TraceError(
                    .limit, nodes[id].place, expected: "a value of at most \(limits.valueBytes) bytes in each step",
                    found: "\(sizes.valueBytes(id)) in the last", advice: "select tokens, heads or channels")
            }
            let sum = total.plus(sizes.bytes(id))
            guard sum <= limits.heldBytes else {
                throw TraceError(
                    .limit, nodes[id].place, expected: "at most \(limits.heldBytes) bytes of all values together",
                    found: "\(sum) and more",
                    advice: "select tokens, heads or channels, or run several graphs")
            }
            total = sum
        }
    }
}
