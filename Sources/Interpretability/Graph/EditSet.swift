public import Foundation

/// Interventions that stay: each edit is a graph, and what it does to its first prompt is done to every prompt of the
/// graphs that run under it.
///
///     var edits = EditSet()
///     edits.add(.written { t in t.prompt([0]).skip(layer: 3) })
///     try model.run(edits.applied(to: graph))
///
/// An edit acts in every step, but for what says its own `steps` or names a token of the prompt by its place.
///
/// What an edit reads is the model's own value, with the edits before it and without what the graph sets; what it writes, the
/// graph reads. The model stays as it is: edits are a value that can be stacked, stored as JSON and left out again.
public struct EditSet: Codable, Sendable, Hashable {
    public private(set) var edits: [InterventionGraph]

    public init(_ edits: [InterventionGraph] = []) { self.edits = edits }

    /// Reads a set, or a single graph as a set of one.
    ///
    /// - Throws: `TraceError` where the data are neither.
    public init(json: Data) throws {
        struct Keys: Decodable { let edits: [Empty] }
        struct Empty: Decodable {}
        if (try? JSONDecoder().decode(Keys.self, from: json)) != nil {
            self = try decodeStrictly(EditSet.self, json, "edits", expected: "the JSON of edits")
        } else {
            self.init([try InterventionGraph(json: json)])
        }
        try check()
    }

    /// Each edit acts on the first of its prompts, and names nothing that it does not have.
    func check() throws {
        for (index, edit) in edits.enumerated() {
            guard !edit.prompts.isEmpty, edit.version == 1 else {
                throw TraceError(
                    .format, "edit \(index)", expected: "a graph of version 1 with a prompt that stands for all",
                    found: "version \(edit.version), \(edit.prompts.count) prompts")
            }
            guard edit.steps >= 1 else {
                throw TraceError(.format, "edit \(index)", expected: "1 step or more", found: "\(edit.steps)")
            }
            try edit.checkNumbers("edit \(index), ")
        }
    }

    /// Puts an edit after those that are there.
    public mutating func add(_ edit: InterventionGraph) { edits.append(edit) }

    /// The graph with all edits before its own nodes, in their order.
    ///
    /// Further prompts of an edit run beside the graph's. What an edit saves is not kept.
    ///
    /// - Throws: `TraceError` for an edit or a graph that names what it does not have, by the numbers that it has itself.
    public func applied(to graph: InterventionGraph) throws -> InterventionGraph {
        try check()
        if !edits.isEmpty { try graph.checkNumbers() }
        var result = graph
        result.nodes = []
        for edit in edits {
            let helpers = result.prompts.count
            result.prompts += edit.prompts.dropFirst()
            for prompt in graph.prompts.indices {
                let start = result.nodes.count
                result.nodes += edit.nodes.map { node in
                    var node = node.moved(by: start)
                    if node.prompt == 0 && node.mayStay { node.steps = .each }
                    node.prompt = node.prompt.map { $0 == 0 ? prompt : helpers + $0 - 1 }
                    return node
                }
            }
        }
        let start = result.nodes.count
        result.nodes += graph.nodes.map { $0.moved(by: start) }
        result.saves = graph.saves.mapValues { $0 + start }
        return result
    }
}

extension Node {
    /// Whether it may act in further steps, which have one token, too.
    fileprivate var mayStay: Bool {
        let places = (selection ?? []).filter { $0.axis == "token" || $0.axis == "key" }
        return (operation == .get || operation == .set) && steps == nil && places.allSatisfy { $0.start < 0 }
    }

    /// The same node with all nodes before it moved on.
    func moved(by count: Int) -> Node {
        var node = self
        node.inputs = inputs?.map { $0 &+ count }
        return node
    }
}
