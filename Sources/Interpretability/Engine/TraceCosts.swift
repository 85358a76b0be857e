/// Refuses graphs whose values would not fit, from their shapes, before any of them is made.
struct TraceCosts {
    let limits: TraceLimits
    /// Sites that are computed for the last token alone.
    var lastOnly: Set<String> = []

    /// - Parameters:
    ///   - rows: the prompts of each pass.
    ///   - tokens: of each prompt.
    func check(_ graph: InterventionGraph, _ nodes: [PlannedNode], rows: [[Int]], tokens: [Int]) throws {
        for prompts in rows where !prompts.isEmpty {
            let longest = prompts.map { tokens[$0] }.max() ?? 1
            let known = Set(prompts)
            for (id, node) in graph.nodes.enumerated() where nodes[id].isLive {
                guard let entry = nodes[id].entry, let prompt = node.prompt, known.contains(prompt) else { continue }
                let shape = entry.shape(
                    tokens: lastOnly.contains(entry.path) ? 1 : longest, step: nodes[id].steps.from)
                try checkSite(shape, prompts.count, nodes[id].place)
            }
        }
        try checkHeld(graph, nodes)
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

    /// Everything that the graph computes is there until the run is over.
    private func checkHeld(_ graph: InterventionGraph, _ nodes: [PlannedNode]) throws {
        var total = 0
        for (id, node) in graph.nodes.enumerated() where nodes[id].isLive && node.operation.hasValue {
            let steps = nodes[id].isStepwise ? graph.steps : 1
            total += 4 * (TensorLiteral.count(nodes[id].shape) ?? 0) * steps
            guard total <= limits.heldBytes else {
                throw TraceError(
                    .limit, nodes[id].place, expected: "at most \(limits.heldBytes) bytes of all values together",
                    found: "\(total) and more", advice: "select tokens, heads or channels, or run several graphs")
            }
        }
    }
}
