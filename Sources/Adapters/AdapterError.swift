/// An adapter that cannot be read, does not fit a model, or cannot be written in a format.
///
///     age.safetensors: unet.conv_in: expected lora_down [rank, 4, 3, 3], found [4, 9, 3, 3]
public struct AdapterError: Error, Equatable, Sendable, CustomStringConvertible {
    public let subject: String
    public let expected: String
    public let found: String

    public init(_ subject: String, expected: String, found: String) {
        self.subject = subject
        self.expected = expected
        self.found = found
    }

    public var description: String { "\(subject): expected \(expected), found \(found)" }
}

/// The first few names and how many more there are.
func listed(_ names: [String], limit: Int = 6) -> String {
    let shown = names.prefix(limit).joined(separator: ", ")
    return names.count > limit ? "\(shown) and \(names.count - limit) more" : shown
}
