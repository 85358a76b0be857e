public import Foundation
public import TensorCore

/// One step of a graph: an operation on earlier nodes, with what the operation needs besides.
public struct Node: Codable, Sendable, Hashable {
    public var operation: Operation
    /// Numbers of earlier nodes.
    public var inputs: [Int]?
    /// A site by path and port (`model.layers.3.mlp:output`) or by a paper's name (`layers.3.mlp.out`).
    public var site: String?
    public var prompt: Int?
    public var steps: StepSelection?
    public var selection: [AxisSelection]?
    public var values: TensorLiteral?
    public var number: Double?
    public var seed: UInt64?
    public var axes: [Int]?
    public var shape: [Int]?
    /// Of a saved value: the number of its graph in the session.
    public var graph: Int?
    public var name: String?

    public init(_ operation: Operation, inputs: [Int]? = nil) {
        self.operation = operation
        self.inputs = inputs
    }
}

extension Node {
    /// What the node is called in messages.
    func place(_ index: Int) -> String {
        "node \(index) (\(operation.rawValue)\(site.map { " " + $0 } ?? ""))"
    }
}

/// What a prompt is: tokens or a text for a language model, latents for a UNet.
public struct PromptInput: Codable, Sendable, Hashable {
    public var text: String?
    public var tokens: [Int]?
    /// For a text that is to be drawn: the seed of the noise that its picture begins with. Whoever runs the graph makes
    /// latents and context of both.
    public var seed: UInt64?
    /// `[channels, height, width]`.
    public var latents: TensorLiteral?
    public var timestep: Double?
    /// `[tokens, width]`.
    public var context: TensorLiteral?
    /// The pooled text of a model that reads one (SDXL), `[width]`.
    public var pooledText: TensorLiteral?
    /// The sizes and crops of such a model, in pixels.
    public var sizes: [Double]?

    public init(text: String) { self.text = text }
    public init(tokens: [Int]) { self.tokens = tokens }
    public init(
        latents: Tensor, timestep: Double, context: Tensor, pooledText: Tensor? = nil, sizes: [Double]? = nil
    ) {
        self.latents = TensorLiteral(latents)
        self.timestep = timestep
        self.context = TensorLiteral(context)
        self.pooledText = pooledText.map { TensorLiteral($0) }
        self.sizes = sizes
    }
}

/// Interventions as data: prompts that run side by side, and what is read, changed, computed and kept on the way.
///
/// Nodes stand in the order in which they were written, each after its inputs. A `get` sees the sets of its prompt that
/// stand before it, and no others; where that cannot happen in one forward pass, further passes are made.
public struct InterventionGraph: Codable, Sendable, Hashable {
    public var version = 1
    public var prompts: [PromptInput] = []
    public var nodes: [Node] = []
    /// Names of the values that are kept.
    public var saves: [String: Int] = [:]
    /// How many steps are taken: 1 reads the prompts, each further one continues them by their likeliest token.
    public var steps = 1

    public init() {}

    /// Graphs of one step and without saved values need not say so.
    public init(from decoder: any Decoder) throws {
        let keys = try decoder.container(keyedBy: CodingKeys.self)
        version = try keys.decode(Int.self, forKey: .version)
        prompts = try keys.decode([PromptInput].self, forKey: .prompts)
        nodes = try keys.decode([Node].self, forKey: .nodes)
        saves = try keys.decodeIfPresent([String: Int].self, forKey: .saves) ?? [:]
        steps = try keys.decodeIfPresent(Int.self, forKey: .steps) ?? 1
    }

    /// - Throws: `TraceError` where the data are no graph; an unknown operation and a key that means nothing are named.
    public init(json: Data) throws {
        self = try decodeStrictly(InterventionGraph.self, json, "graph", expected: "the JSON of a graph")
        guard version == 1 else { throw TraceError(.format, "graph.version", expected: "1", found: "\(version)") }
    }

    /// Checks that prompts, inputs and saved values are the graph's own, so that it may be put behind or before others.
    ///
    /// - Parameter place: what the graph is, for messages.
    /// - Throws: `TraceError`.
    func checkNumbers(_ place: String = "") throws {
        for (index, node) in nodes.enumerated() {
            if let prompt = node.prompt, !prompts.indices.contains(prompt) {
                throw TraceError(
                    .operation, place + node.place(index),
                    expected: prompts.count == 1 ? "prompt 0, the only one" : "a prompt of 0 to \(prompts.count - 1)",
                    found: "prompt \(prompt)")
            }
            if let wrong = node.inputs?.first(where: { !(0..<index).contains($0) }) {
                throw TraceError(
                    .order, place + node.place(index), expected: "inputs among the values before it",
                    found: "node \(wrong)")
            }
        }
        for (name, id) in saves.sorted(by: { $0.key < $1.key }) where !nodes.indices.contains(id) {
            throw TraceError(
                .operation, "\(place)save \"\(name)\"", expected: "the number of a value", found: "\(id)")
        }
    }

    /// Canonical JSON: the same graph gives the same bytes.
    public func json() throws -> Data {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        return try encoder.encode(self)
    }
}
