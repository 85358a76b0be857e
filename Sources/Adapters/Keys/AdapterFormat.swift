/// A way of spelling an adapter's keys: one row of `all`, in a file of its own.
public struct AdapterFormat: Sendable {
    /// As the command line calls it.
    public let name: String
    /// The meaning of a key, or nil when it is of another grammar.
    public let parse: @Sendable (String) -> AdapterKey?
    /// The key of a module's tensor, or nil when the grammar has none for it. The last argument tells whether the model
    /// has two text encoders.
    public let spell: @Sendable (AdaptableModule, AdapterRole, Bool) -> String?
    /// Whether files have alpha as a tensor beside the factors; where not, it is multiplied into them.
    public let storesAlpha: Bool

    init(
        _ name: String, storesAlpha: Bool, parse: @escaping @Sendable (String) -> AdapterKey?,
        spell: @escaping @Sendable (AdaptableModule, AdapterRole, Bool) -> String?
    ) {
        self.name = name
        self.storesAlpha = storesAlpha
        self.parse = parse
        self.spell = spell
    }

    /// Every grammar, in the order in which keys are tried.
    public static let all: [AdapterFormat] = [.kohya, .sliders, .peft, .diffusers, .processors]

    public static func find(_ name: String) throws(AdapterError) -> AdapterFormat {
        guard let format = all.first(where: { $0.name == name }) else {
            throw AdapterError(
                "format", expected: "any of \(all.map(\.name).joined(separator: ", "))", found: "'\(name)'")
        }
        return format
    }
}

extension String {
    /// The rest after a prefix, or nil when the text does not begin with it.
    func dropping(prefix: String) -> String? { hasPrefix(prefix) ? String(dropFirst(prefix.count)) : nil }

    /// What is before an ending, or nil when the text does not end with it.
    func dropping(suffix: String) -> String? { hasSuffix(suffix) ? String(dropLast(suffix.count)) : nil }
}

/// A dotted name with the part that it begins with: `unet.conv_in` is `conv_in` of `unet`.
func partAndName(_ path: String) -> (part: String?, name: String) {
    let path = path.dropping(prefix: "base_model.model.") ?? path
    for (prefix, part) in [
        ("unet.", "unet"), ("text_encoder_2.", "text_encoder_2"), ("text_encoder.", "text_encoder"),
        ("diffusion_model.", "unet"),
    ] {
        if let name = path.dropping(prefix: prefix) { return (part, name) }
    }
    return (nil, path)
}
