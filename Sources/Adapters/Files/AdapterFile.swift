public import TensorCore
import Weights

/// A file of adapters as it is stored: tensors by the names of their grammar, no model in mind.
public struct AdapterFile: Sendable {
    /// The tensors under one name.
    public struct Layer: Sendable {
        /// Nil where the grammar does not tell which part of the model is meant.
        public var part: String?
        public var name: String
        /// Whether the name has underscores for dots.
        public var isFlat: Bool
        public var format: String
        public var tensors: [AdapterRole: Tensor]
        public var keys: [String]
    }

    public let path: String
    public let metadata: [String: String]
    /// In the order of their names.
    public let layers: [Layer]
    /// Keys that no grammar has a meaning for.
    public let foreignKeys: [String]
    let configuration: PEFTConfiguration?

    /// Reads a safetensors file, or one that torch saved, without running anything in it.
    ///
    /// - Throws: the errors of the file's format; `AdapterError` when nothing in it belongs to an adapter.
    public init(path: String) throws {
        let file = try TensorFile(path: path)
        try self.init(
            path: path, source: Self.withAlphas(file.source, file.numbers, path), metadata: file.metadata,
            configuration: PEFTConfiguration(file.metadata, path: path) ?? PEFTConfiguration(beside: path))
    }

    init(
        path: String, source: any WeightSource, metadata: [String: String], configuration: PEFTConfiguration? = nil
    ) throws {
        self.path = path
        self.metadata = metadata
        self.configuration = configuration
        var layers: [String: Layer] = [:]
        var foreign: [String] = []
        for key in source.keys.sorted() {
            guard let (format, meaning) = Self.meaning(of: key),
                let tensor = try source.tensor(key, shape: nil, initial: nil)
            else {
                foreign.append(key)
                continue
            }
            // Some trainers keep alpha as a whole number.
            let isNumber = meaning.role == .alpha ? tensor.dtype != .bool : tensor.dtype.isFloatingPoint
            guard isNumber else {
                throw AdapterError("\(path): \(key)", expected: "floating-point numbers", found: tensor.dtype.rawValue)
            }
            // No layer is as wide as the limit; products of sizes below it cannot overflow.
            guard tensor.count > 0, tensor.shape.allSatisfy({ $0 <= 1 << 24 }) else {
                throw AdapterError("\(path): \(key)", expected: "sizes of a layer", found: "\(tensor.shape)")
            }
            let id = "\(meaning.part ?? "") \(meaning.isFlat) \(meaning.name)"
            var layer =
                layers[id]
                ?? Layer(
                    part: meaning.part, name: meaning.name, isFlat: meaning.isFlat, format: format, tensors: [:],
                    keys: [])
            guard layer.tensors.updateValue(tensor, forKey: meaning.role) == nil else {
                throw AdapterError("\(path): \(key)", expected: "one tensor of its kind for its layer", found: "two")
            }
            layer.keys.append(key)
            layers[id] = layer
        }
        let hasFactors = layers.values.contains { !Set($0.tensors.keys).isSubset(of: [.alpha]) }
        guard hasFactors else {
            throw AdapterError(
                path, expected: "an adapter's tensors, such as lora_unet_....lora_down.weight",
                found: foreign.isEmpty
                    ? "none" : "\(foreign.count) other tensors (\(listed(foreign, limit: 2))): a whole model?")
        }
        self.layers = layers.values.sorted { $0.keys[0] < $1.keys[0] }
        foreignKeys = foreign
    }

    /// A file's tensors, and each alpha that is a number of Python's as a tensor of one number.
    static func withAlphas(
        _ source: any WeightSource, _ numbers: [String: Double], _ path: String
    ) -> any WeightSource {
        let alphas = numbers.filter { !source.keys.contains($0.key) && meaning(of: $0.key)?.1.role == .alpha }
        guard !alphas.isEmpty else { return source }
        return LayeredSource([
            source, DictionarySource(alphas.mapValues { Tensor(scalar: Float($0)) }, name: path),
        ])
    }

    private static func meaning(of key: String) -> (String, AdapterKey)? {
        for format in AdapterFormat.all {
            if let meaning = format.parse(key) { return (format.name, meaning) }
        }
        return nil
    }

    /// The grammar that most layers have.
    public var format: String {
        let counts = Dictionary(grouping: layers, by: \.format).mapValues(\.count)
        return AdapterFormat.all.map(\.name).max { (counts[$0] ?? 0) < (counts[$1] ?? 0) } ?? "kohya"
    }
}
