public import TensorCore

/// The weights of one layer and everything below it, under the layer's path.
///
///     let weights = ScopedWeights(source, root: "unet")
///     let query = weights.scope("mid_block.attentions.0").scope("to_q")
///     let weight = try query.tensor("weight", shape: [320, 320], initial: .kaimingUniform(fanIn: 320))
///
/// A path is the root's name and the key in the file: `unet.mid_block.attentions.0.to_q.weight` is read from the key
/// `mid_block.attentions.0.to_q.weight`. It names the layer everywhere else, too.
public struct ScopedWeights: Sendable {
    /// The layer's identity, `unet.mid_block.attentions.0`.
    public let path: String
    /// The layer's number in `sites`.
    public let site: Int
    /// The numbers of all layers built from these weights.
    public let sites: SiteIndex

    private let key: String
    private let source: any WeightSource
    private let recorder: LoadRecorder
    /// Whether flaws are recorded, to be reported together, instead of thrown at once.
    private let collectsFlaws: Bool

    /// - Parameters:
    ///   - root: the first component of every path; it is not part of the keys.
    ///   - keyPrefix: the first components of every key; they are not part of the paths.
    ///   - sites: shared by models that one pass visits together.
    public init(
        _ source: any WeightSource, root: String = "", keyPrefix: String = "", sites: SiteIndex = SiteIndex()
    ) {
        self.init(
            source, path: root, key: keyPrefix, sites: sites, recorder: LoadRecorder(), collectsFlaws: false)
    }

    private init(
        _ source: any WeightSource, path: String, key: String, sites: SiteIndex, recorder: LoadRecorder,
        collectsFlaws: Bool
    ) {
        self.source = source
        self.path = path
        self.key = key
        self.sites = sites
        self.recorder = recorder
        self.collectsFlaws = collectsFlaws
        site = sites.register(path)
    }

    /// The weights of a part: one component, or several joined by dots.
    public func scope(_ name: String) -> ScopedWeights {
        ScopedWeights(
            source, path: joined(path, name), key: joined(key, name), sites: sites, recorder: recorder,
            collectsFlaws: collectsFlaws)
    }

    /// The weights of a part that files know under another name: the path gets `name`, the key gets `storedName`,
    /// which may be empty or several components.
    public func scope(_ name: String, storedAs storedName: String) -> ScopedWeights {
        ScopedWeights(
            source, path: joined(path, name), key: joined(key, storedName), sites: sites, recorder: recorder,
            collectsFlaws: collectsFlaws)
    }

    /// The weights of an element of a list: `scope("resnets", 0)` is `scope("resnets.0")`.
    public func scope(_ name: String, _ index: Int) -> ScopedWeights { scope("\(name).\(index)") }

    /// Whether the source holds `name` under this path.
    public func contains(_ name: String) -> Bool { source.keys.contains(joined(key, name)) }

    /// A parameter that the layer needs.
    ///
    /// - Throws: `WeightsError` when it is missing, has another shape or holds no numbers with a fraction, as
    ///   `unet.conv_in.weight: expected [320, 4, 3, 3], found [320, 9, 3, 3] in model.safetensors`.
    public func tensor(_ name: String, shape: [Int], initial: Initialization) throws -> Tensor {
        if let tensor = try optionalTensor(name, shape: shape, initial: initial) { return tensor }
        let error = WeightsError(
            joined(path, name), expected: "\(shape)",
            found: "no such tensor in \(source.origin(of: joined(key, name)))")
        guard collectsFlaws else { throw error }
        recorder.miss(joined(path, name), error)
        return placeholder(shape)
    }

    /// A parameter that the layer can do without, or nil when the source has none.
    ///
    /// - Parameters:
    ///   - shape: the shape that it must have when it is there; nil accepts any.
    ///   - initial: the values to begin training with; with nil, a model that starts from scratch goes without.
    public func optionalTensor(_ name: String, shape: [Int]? = nil, initial: Initialization? = nil) throws -> Tensor? {
        let key = joined(key, name)
        guard let tensor = try source.tensor(key, shape: shape, initial: initial) else { return nil }
        recorder.use(key)
        let expected: String
        let found: String
        if !tensor.dtype.isFloatingPoint {
            (expected, found) = ("a floating-point type", "\(tensor.dtype)")
        } else if let shape, tensor.shape != shape {
            (expected, found) = ("\(shape)", "\(tensor.shape)")
        } else {
            return tensor
        }
        let error = WeightsError(
            joined(path, name), expected: expected, found: "\(found) in \(source.origin(of: key))")
        guard collectsFlaws else { throw error }
        recorder.mismatch(error)
        return placeholder(shape ?? tensor.shape)
    }

    /// What was used and what was not so far.
    ///
    /// - Parameter ignoring: patterns of keys that may stay unused: `*.position_ids`.
    public func report(ignoring patterns: [String] = []) -> LoadReport {
        let prefix = key.isEmpty ? "" : key + "."
        return recorder.report(keys: source.keys.filter { $0.hasPrefix(prefix) }, ignoring: patterns)
    }

    /// Builds a model from all of a source's weights, strictly.
    ///
    /// The whole model is tried before anything is thrown, so that one error names every missing or misshapen tensor.
    ///
    /// - Parameters:
    ///   - ignoring: patterns of keys that may stay unused.
    ///   - build: makes the model; it must compute nothing from the numbers of the weights.
    /// - Returns: the model, and a report whose `unused` the caller shows to the user.
    /// - Throws: `WeightsError` when a tensor is missing, or has the wrong shape or type; whatever `build` throws.
    public static func load<Model>(
        _ source: any WeightSource, root: String, keyPrefix: String = "", sites: SiteIndex = SiteIndex(),
        ignoring patterns: [String] = [], build: (ScopedWeights) throws -> Model
    ) throws -> (model: Model, report: LoadReport) {
        let weights = ScopedWeights(
            source, path: root, key: keyPrefix, sites: sites, recorder: LoadRecorder(), collectsFlaws: true)
        let model = try build(weights)
        let flaws = weights.recorder.flaws
        if let first = flaws.first {
            guard flaws.count > 1 else { throw first }
            throw WeightsError(
                first.subject, expected: first.expected,
                found: "\(first.found); also wrong or missing: \(listed(flaws.dropFirst().map(\.subject)))")
        }
        return (model, weights.report(ignoring: patterns))
    }

    /// Stands for a tensor whose flaw is on record; takes no memory.
    private func placeholder(_ shape: [Int]) -> Tensor { Tensor(scalar: 0).expanded(to: shape) }
}

/// Two parts of a path; an empty one adds nothing.
private func joined(_ path: String, _ name: String) -> String {
    path.isEmpty ? name : name.isEmpty ? path : "\(path).\(name)"
}
