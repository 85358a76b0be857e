import TensorCore

extension Adapter {
    /// Reads an adapter for a model.
    ///
    /// - Parameters:
    ///   - modules: those of the model; every name of the file is looked up among them.
    ///   - allowsUnmatched: whether keys that mean nothing to the model are left out instead of refused.
    /// - Throws: the errors of the file's format; `AdapterError` that names the keys without a module, the tensor that
    ///   does not fit its layer, or the layer with numbers that are not finite.
    public init(path: String, modules: ModuleTable, allowsUnmatched: Bool = false) throws {
        try self.init(AdapterFile(path: path), modules: modules, allowsUnmatched: allowsUnmatched)
    }

    public init(_ file: AdapterFile, modules: ModuleTable, allowsUnmatched: Bool = false) throws {
        let (matches, unmatched) = file.matches(modules)
        guard !matches.isEmpty else {
            throw AdapterError(
                file.path, expected: "an adapter for this model",
                found: "one of other layers: \(listed(unmatched, limit: 3))")
        }
        let biases = unmatched.filter { $0.hasSuffix(".bias") && $0.contains(".lora_") }
        if !allowsUnmatched, !biases.isEmpty {
            throw AdapterError(
                file.path, expected: "keys of the model's layers (--allow-unmatched goes on without the others)",
                found: "a bias, which no adapter kind here has: \(listed(biases, limit: 3))")
        }
        if !allowsUnmatched, !unmatched.isEmpty {
            throw AdapterError(
                file.path, expected: "keys of the model's layers (--allow-unmatched goes on without the others)",
                found: "\(unmatched.count) of other layers or kinds: \(listed(unmatched, limit: 3))")
        }
        var layers: [LayerAdapter] = []
        for (module, layer) in matches {
            do {
                layers.append(try LayerAdapter(layer, module, file.configuration))
            } catch let error as AdapterError {
                throw AdapterError("\(file.path): \(error.subject)", expected: error.expected, found: error.found)
            }
        }
        self.init(
            name: file.path, layers: layers, metadata: file.metadata,
            isXL: modules.parts.contains("text_encoder_2"))
    }
}

extension AdapterFile {
    /// The layers with the modules that they change, and the keys that change none.
    ///
    /// Where a file names a module in both spellings, the model's own counts and the other is left out, as in diffusers.
    public func matches(_ modules: ModuleTable) -> (layers: [(AdaptableModule, Layer)], unmatched: [String]) {
        var found: [String: (AdaptableModule, Layer, isAlias: Bool)] = [:]
        var unmatched = foreignKeys
        for layer in layers {
            guard let (module, isAlias) = modules.module(part: layer.part, name: layer.name, isFlat: layer.isFlat)
            else {
                unmatched += layer.keys
                continue
            }
            if let other = found[module.path], isAlias || !other.isAlias { continue }
            found[module.path] = (module, layer, isAlias)
        }
        return (found.sorted { $0.key < $1.key }.map { ($0.value.0, $0.value.1) }, unmatched.sorted())
    }
}

extension LayerAdapter {
    fileprivate init(
        _ layer: AdapterFile.Layer, _ module: AdaptableModule, _ configuration: PEFTConfiguration?
    ) throws {
        for (role, tensor) in layer.tensors where !tensor.isFinite {
            throw AdapterError(
                "\(module.path).\(role.rawValue)", expected: "finite numbers", found: "an infinity or NaN")
        }
        var scale = StoredScale.alpha(nil)
        if let alpha = layer.tensors[.alpha] {
            guard alpha.count == 1 else {
                throw AdapterError("\(module.path).alpha", expected: "one number", found: "\(alpha.shape)")
            }
            scale = .alpha(Double(alpha.converted(to: .float32).item))
        } else if let factor = configuration?.factor(part: module.part, name: module.name) {
            scale = .factor(factor)
        }
        try self.init(layer.tensors, scale: scale, module: module)
    }
}
