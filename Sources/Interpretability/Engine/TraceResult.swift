public import Foundation
public import TensorCore

/// What a graph kept.
public struct TraceResult: Sendable {
    /// By name; one value for each step in which it was there.
    public let values: [String: [Tensor]]
    /// The tokens that were added to each prompt.
    public let tokens: [[Int]]
    /// Forward passes that were made.
    public let passes: Int

    /// A saved value, of its first step.
    public subscript(name: String) -> Tensor? { values[name]?.first }

    /// - Throws: `TraceError` where nothing of the name was saved.
    public func value(_ name: String) throws -> Tensor {
        guard let value = self[name] else {
            let known = values.keys.sorted().joined(separator: ", ")
            throw TraceError(.operation, "result", expected: "one of \(known)", found: "\"\(name)\"")
        }
        return value
    }
}

/// Graphs that run one after the other; each may use what the ones before saved.
public struct InterventionSession: Codable, Sendable, Hashable {
    public var graphs: [InterventionGraph]

    public init(_ graphs: [InterventionGraph] = []) { self.graphs = graphs }

    /// Reads a session, or a single graph as a session of one.
    ///
    /// - Throws: `TraceError` where the data are neither; an unknown operation is named.
    public init(json: Data) throws {
        let isSession = (try? JSONDecoder().decode(SessionKeys.self, from: json)) != nil
        guard isSession else {
            self.init([try InterventionGraph(json: json)])
            return
        }
        self = try decodeStrictly(InterventionSession.self, json, "session", expected: "the JSON of graphs")
        for (index, graph) in graphs.enumerated() where graph.version != 1 {
            throw TraceError(.format, "graph \(index), version", expected: "1", found: "\(graph.version)")
        }
    }

    /// The session with edits done to every prompt of every graph.
    ///
    /// - Throws: `TraceError` for an edit or a graph that names what it does not have.
    public func edited(by edits: EditSet) throws -> InterventionSession {
        try edits.check()
        return InterventionSession(
            try graphs.enumerated().map { index, graph in
                try Self.within(graphs, index) { try edits.applied(to: graph) }
            })
    }
}

extension InterventionSession {
    /// Says which of several graphs an error is of.
    static func within<Value>(
        _ graphs: [InterventionGraph], _ index: Int, _ body: () throws -> Value
    ) throws -> Value {
        do {
            return try body()
        } catch let error as TraceError where graphs.count > 1 {
            throw TraceError(
                error.kind, "graph \(index), \(error.place)", expected: error.expected, found: error.found,
                advice: error.advice)
        }
    }
}

/// Tells a session from a graph: it has graphs, whatever they are.
private struct SessionKeys: Decodable {
    private enum CodingKeys: String, CodingKey { case graphs }

    init(from decoder: any Decoder) throws {
        let keys = try decoder.container(keyedBy: CodingKeys.self)
        guard keys.contains(.graphs) else {
            throw DecodingError.keyNotFound(CodingKeys.graphs, .init(codingPath: [], debugDescription: "no graphs"))
        }
    }
}

extension TraceableModel {
    /// Checks a graph against the model, without computing anything of it.
    ///
    /// - Throws: `TraceError`: an unknown site (with the name that was probably meant), a shape that does not fit, an
    ///   order that cannot be, or a cost beyond the limits.
    public func program(_ graph: InterventionGraph, limits: TraceLimits = TraceLimits()) throws -> TraceProgram {
        try ComputeThread.shared.run { try TraceCompiler(model: self, limits: limits).program(graph) }
    }

    /// Checks a graph and runs it.
    public func run(_ graph: InterventionGraph, limits: TraceLimits = TraceLimits()) throws -> TraceResult {
        try run(InterventionSession([graph]), limits: limits)[0]
    }

    /// Checks all graphs of a session against the model, without computing anything of them.
    public func programs(
        _ session: InterventionSession, limits: TraceLimits = TraceLimits()
    ) throws -> [TraceProgram] {
        try ComputeThread.shared.run {
            var programs: [TraceProgram] = []
            for (index, graph) in session.graphs.enumerated() {
                let compiler = TraceCompiler(model: self, limits: limits, earlier: programs)
                programs.append(try InterventionSession.within(session.graphs, index) { try compiler.program(graph) })
            }
            return programs
        }
    }

    /// Checks all graphs of a session, then runs them. What they save counts together.
    public func run(_ session: InterventionSession, limits: TraceLimits = TraceLimits()) throws -> [TraceResult] {
        try ComputeThread.shared.run {
            var results: [TraceResult] = []
            for program in try programs(session, limits: limits) {
                results.append(try Interpreter(program, self, earlier: results).run())
            }
            return results
        }
    }

    /// Writes a graph and runs it.
    ///
    ///     let result = try model.trace { t in
    ///         let clean = t.prompt("The Eiffel Tower is in"), other = t.prompt("The Colosseum is in")
    ///         other["layers.5.resid_post", token: -1] = clean["layers.5.resid_post", token: -1]
    ///         t.save("logits", other["logits", token: -1])
    ///     }
    public func trace(limits: TraceLimits = TraceLimits(), _ build: (TraceBuilder) throws -> Void) throws -> TraceResult
    {
        try run(InterventionGraph.written(build), limits: limits)
    }
}
