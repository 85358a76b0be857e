internal import Recipes
import TensorCore

/// What an adapter file is: its grammar, kinds, ranks, types, and what of it a model knows.
public struct AdapterInspection: Codable, Sendable, Equatable {
    public var path: String
    /// The grammar that most keys have.
    public var format: String
    /// The model or architecture that the layers were looked up in; nil when none that was tried fits.
    public var model: String?
    public var layers: Int
    public var parameters: Int
    /// Layers of each kind, such as `lora` or `dora over lora, rows`.
    public var kinds: [String: Int]
    /// Layers of each part of the model.
    public var parts: [String: Int]
    /// Layers of each rank.
    public var ranks: [String: Int]
    /// Layers of each factor, alpha over rank.
    public var scales: [String: Int]
    /// Numbers of each type.
    public var types: [String: Int]
    /// Keys that belong to no layer of the model.
    public var unmatched: [String]
    /// The Euclidean norm of all changes; nil where a layer needs the base weights or no model is known.
    public var norm: Double?
    public var sha256: String
    public var metadata: [String: String]

    /// - Parameters:
    ///   - modules: of the model, or nil where none fits.
    ///   - model: its name.
    public init(_ file: AdapterFile, modules: ModuleTable?, model: String?) throws {
        path = file.path
        format = file.format
        metadata = file.metadata
        sha256 = try sha256Hex(ofFile: file.path)
        let stored = file.layers.flatMap { $0.tensors.filter { $0.key != .alpha }.values }
        parameters = stored.reduce(0) { $0 + $1.count }
        types = stored.reduce(into: [:]) { $0[$1.dtype.rawValue, default: 0] += $1.count }
        guard let modules else {
            self.model = nil
            layers = file.layers.count
            kinds = [:]
            parts = [:]
            ranks = [:]
            scales = [:]
            unmatched = file.foreignKeys
            norm = nil
            return
        }
        let adapter = try Adapter(file, modules: modules, allowsUnmatched: true)
        let all = adapter.sortedLayers
        self.model = model
        layers = all.count
        func count(_ names: [String]) -> [String: Int] { names.reduce(into: [:]) { $0[$1, default: 0] += 1 } }
        kinds = count(all.map(\.kind))
        parts = count(all.map(\.module.part))
        ranks = count(all.compactMap { layer in layer.delta?.rank.map { "\($0)" } })
        scales = count(all.compactMap { layer in layer.delta.map { "\(Float($0.scale))" } })
        unmatched = file.matches(modules).unmatched
        norm = try? adapter.norm()
    }
}
