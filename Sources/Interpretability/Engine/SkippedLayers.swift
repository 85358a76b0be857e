internal import Layers

/// Refuses what a graph does inside a layer that it has passed by: such values lead nowhere, and are none of the model that
/// is left.
///
/// A layer is passed by where its input takes the place of its output.
struct SkippedLayers {
    /// Of each prompt: the paths of the layers, with the steps.
    private var skipped: [Int: [String: StepSelection]] = [:]

    /// - Throws: `TraceError` for the first node at a site within a layer that the nodes before it pass by.
    static func check(_ graph: InterventionGraph, _ nodes: [PlannedNode]) throws {
        var layers = SkippedLayers()
        for (id, node) in graph.nodes.enumerated() {
            guard let entry = nodes[id].entry, let prompt = node.prompt else { continue }
            if let layer = layers.layer(around: entry, prompt, nodes[id].steps) {
                throw TraceError(
                    .order, nodes[id].place, expected: "a site outside of \(layer), which the graph passes by",
                    found: entry.name, advice: "read it before the layer is passed by, or from another prompt")
            }
            if isSkip(id, graph, nodes) { layers.skipped[prompt, default: [:]][entry.path] = nodes[id].steps }
        }
    }

    private static func isSkip(_ id: Int, _ graph: InterventionGraph, _ nodes: [PlannedNode]) -> Bool {
        let node = graph.nodes[id]
        guard node.operation == .set, node.selection == nil, let input = node.inputs?.first,
            let after = nodes[id].entry, let before = nodes[input].entry
        else { return false }
        let source = graph.nodes[input]
        return source.operation == .get && source.selection == nil && source.prompt == node.prompt
            && after.path == before.path && after.port == .output && before.port == .input
    }

    /// The layer that a site is within, if that is passed by in any of some steps.
    private func layer(around entry: SiteScan.Entry, _ prompt: Int, _ steps: StepSelection) -> String? {
        guard let layers = skipped[prompt] else { return nil }
        var path = entry.path[...]
        if entry.port == .input || entry.port == .output { path = path.parent }
        while !path.isEmpty {
            if let other = layers[String(path)], max(steps.from, other.from) < min(steps.to ?? .max, other.to ?? .max) {
                return String(path)
            }
            path = path.parent
        }
        return nil
    }
}

extension Substring {
    /// A path without its last part.
    fileprivate var parent: Substring { lastIndex(of: ".").map { self[..<$0] } ?? "" }
}
