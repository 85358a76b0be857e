import TensorCore
public import Weights

/// The modules of a model that adapters can change, found by any of their names.
///
/// Names with underscores for dots are ambiguous, so they are never taken apart: each is looked up among the flattened
/// names of the modules that there are. Text encoders are found with and without `text_model.`, which transformers 5
/// left out.
public struct ModuleTable: Sendable {
    public let modules: [AdaptableModule]
    private let dotted: [Key: Entry]
    private let flat: [Key: Entry]

    private struct Key: Hashable {
        var part: String
        var name: String
    }

    private struct Entry {
        var module: Int
        var isAlias: Bool
    }

    public init(_ modules: [AdaptableModule]) {
        self.modules = modules
        var dotted: [Key: Entry] = [:]
        var flat: [Key: Entry] = [:]
        for isAlias in [true, false] {
            for (index, module) in modules.enumerated() {
                guard let name = isAlias ? module.alias ?? module.bareName : module.name else { continue }
                let entry = Entry(module: index, isAlias: isAlias)
                dotted[Key(part: module.part, name: name)] = entry
                flat[Key(part: module.part, name: flattened(name))] = entry
            }
        }
        self.dotted = dotted
        self.flat = flat
    }

    /// The modules of a part, from the names and shapes of its weights.
    ///
    /// - Parameter alias: the latent-diffusion code's name of a module, where it has one.
    public init(part: String, source: any WeightSource, alias: (String) -> String? = { _ in nil }) throws {
        var modules: [AdaptableModule] = []
        for key in source.keys.sorted() where key.hasSuffix(".weight") {
            let name = String(key.dropLast(".weight".count))
            guard !name.hasSuffix("token_embedding"), !name.hasSuffix("position_embedding"),
                let shape = try source.tensor(key, shape: nil, initial: nil)?.shape, [2, 4].contains(shape.count)
            else { continue }
            modules.append(AdaptableModule(part: part, name: name, shape: shape, alias: alias(name)))
        }
        self.init(modules)
    }

    public static func + (a: ModuleTable, b: ModuleTable) -> ModuleTable { ModuleTable(a.modules + b.modules) }

    public var parts: [String] { Set(modules.map(\.part)).sorted() }

    public subscript(path: String) -> AdaptableModule? {
        guard let dot = path.firstIndex(of: ".") else { return nil }
        return module(part: String(path[..<dot]), name: String(path[path.index(after: dot)...]), isFlat: false)?.module
    }

    /// The module of a name, and whether the name is another one than its own: the latent-diffusion code's, or
    /// transformers 5's.
    ///
    /// - Parameter part: nil looks in every part, and finds nothing where two have the name.
    func module(part: String?, name: String, isFlat: Bool) -> (module: AdaptableModule, isAlias: Bool)? {
        let table = isFlat ? flat : dotted
        let found = (part.map { [$0] } ?? parts).compactMap { table[Key(part: $0, name: name)] }
        guard found.count == 1 else { return nil }
        return (modules[found[0].module], found[0].isAlias)
    }
}

/// A path with underscores for its dots.
func flattened(_ path: String) -> String { String(path.map { $0 == "." ? "_" : $0 }) }
