public import Adapters

/// The model whose layers an adapter file means.
public struct AdapterBase: Sendable {
    /// A path, or the name of an architecture.
    public let name: String
    public let modules: ModuleTable

    public init(name: String, modules: ModuleTable) {
        self.name = name
        self.modules = modules
    }

    public init(_ architecture: StandardArchitecture) throws {
        self.init(name: architecture.rawValue, modules: try architecture.modules())
    }

    /// The first of several models that has every layer of a file in the right shape.
    ///
    /// - Parameter allowsUnmatched: whether the one that has most of them will do.
    /// - Throws: `AdapterError` of the model that comes nearest, when none has.
    public static func of(
        _ file: AdapterFile, among candidates: [AdapterBase], allowsUnmatched: Bool = false
    ) throws -> AdapterBase {
        var nearest: (base: AdapterBase, unmatched: Int, flaw: (any Error)?)?
        for base in candidates {
            let unmatched = file.matches(base.modules).unmatched.count
            var flaw: (any Error)?
            do { _ = try Adapter(file, modules: base.modules, allowsUnmatched: allowsUnmatched) } catch { flaw = error }
            if unmatched == 0 && flaw == nil { return base }
            // One that can be read comes before one that cannot; then the one with fewer keys left over.
            let isNearer = nearest.map { (flaw == nil ? 0 : 1, unmatched) < ($0.flaw == nil ? 0 : 1, $0.unmatched) }
            if isNearer ?? true { nearest = (base, unmatched, flaw) }
        }
        guard let nearest else {
            throw GenerationError(file.path, expected: "a model to look layers up in", found: "none")
        }
        guard let flaw = nearest.flaw else { return nearest.base }
        guard nearest.unmatched > 0 else { throw flaw }
        let unmatched = file.matches(nearest.base.modules).unmatched
        throw AdapterError(
            file.path,
            expected: "an adapter for \(candidates.map(\.name).joined(separator: ", ")), or --model to say what for",
            found: "\(unmatched.count) keys that \(nearest.base.name), the nearest, has no layers for, such as "
                + unmatched.prefix(2).joined(separator: ", "))
    }
}
