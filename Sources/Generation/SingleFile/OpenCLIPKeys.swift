import Weights

/// The text encoder of OpenCLIP under transformers' names.
///
/// OpenCLIP keeps queries, keys and values in one matrix, and its projection transposed.
enum OpenCLIPKeys {
    private static let modules = KeyTable([
        ("token_embedding", "text_model.embeddings.token_embedding"), ("ln_final", "text_model.final_layer_norm"),
    ])
    private static let layer = KeyTable([
        ("ln_1", "layer_norm1"), ("ln_2", "layer_norm2"), ("mlp.c_fc", "mlp.fc1"), ("mlp.c_proj", "mlp.fc2"),
        ("attn.out_proj", "self_attn.out_proj"),
    ])

    /// The parameters that a stored one holds; none for keys that are not the text encoder's.
    static func parameters(of stored: String) -> [(key: String, part: StoredTensor.Form)] {
        switch stored {
        case "positional_embedding": return [("text_model.embeddings.position_embedding.weight", .same)]
        case "text_projection": return [("text_projection.weight", .transposed)]
        default: break
        }
        if let key = modules.translated(stored) { return [(key, .same)] }
        guard let rest = stored.dropping(prefix: "transformer.resblocks."), let dot = rest.firstIndex(of: "."),
            let index = Int(rest[..<dot])
        else { return [] }
        let path = "text_model.encoder.layers.\(index)."
        let name = String(rest[rest.index(after: dot)...])
        for kind in ["weight", "bias"] where name == "attn.in_proj_\(kind)" {
            return ["q", "k", "v"].enumerated().map { third, letter in
                ("\(path)self_attn.\(letter)_proj.\(kind)", .third(third))
            }
        }
        return layer.translated(name).map { [(path + $0, .same)] } ?? []
    }

    /// The stored key of a parameter that is stored alone.
    static func storedName(of key: String) throws -> String {
        switch key {
        case "text_model.embeddings.position_embedding.weight": return "positional_embedding"
        case "text_projection.weight": return "text_projection"
        default: break
        }
        if let name = modules.inverse.translated(key) { return name }
        if let rest = key.dropping(prefix: "text_model.encoder.layers."), let dot = rest.firstIndex(of: "."),
            let name = layer.inverse.translated(String(rest[rest.index(after: dot)...]))
        {
            return "transformer.resblocks.\(rest[..<dot]).\(name)"
        }
        throw GenerationError(key, expected: "a parameter that OpenCLIP has a name for", found: "none")
    }

    /// The number of layers that a stored key belongs to, or nil.
    static func layerIndex(of stored: String) -> Int? {
        stored.dropping(prefix: "transformer.resblocks.").flatMap { Int($0.prefix { $0 != "." }) }
    }
}

extension String {
    /// The rest after a prefix, or nil when the text does not begin with it.
    func dropping(prefix: String) -> String? { hasPrefix(prefix) ? String(dropFirst(prefix.count)) : nil }
}
