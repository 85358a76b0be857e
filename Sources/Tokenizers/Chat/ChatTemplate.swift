/// One turn of a conversation.
public struct ChatMessage: Sendable, Equatable {
    /// `system`, `user` or `assistant`.
    public var role: String
    public var content: String

    public init(role: String, content: String) {
        self.role = role
        self.content = content
    }
}

/// A template that is not understood, or that refuses a conversation.
public struct ChatTemplateError: Error, Equatable, Sendable, CustomStringConvertible {
    public let description: String

    init(_ description: String) { self.description = "chat template: \(description)" }
}

/// How a conversation is written for a model: the small part of Jinja that templates of the supported models use.
///
/// Statements `for`, `if`, `set`; expressions of literals, names, attributes, indexing, slices, comparison, arithmetic,
/// `in`, `is defined`, `and`, `or`, `not`, conditionals, the filters `trim`, `length`, `upper`, `lower`, `first`, `last`,
/// `default` and `tojson` of text, the methods `strip`, `startswith`, `endswith`, `split`, and `raise_exception`. What is
/// not among these is refused when the template is read, or when it is reached.
public struct ChatTemplate: Sendable {
    private let nodes: [JinjaNode]

    public init(_ text: String) throws {
        guard text.utf8.count <= 1 << 18 else { throw ChatTemplateError("expected at most 256 KiB of template") }
        var parser = JinjaParser(try JinjaLexer.parts(of: text))
        nodes = try parser.template()
    }

    /// - Parameters:
    ///   - addsPrompt: whether the text ends where the assistant begins to speak.
    ///   - tokens: texts by name, such as `bos_token`.
    public func render(
        _ messages: [ChatMessage], addsPrompt: Bool = true, tokens: [String: String] = [:]
    ) throws -> String {
        var values: [String: JinjaValue] = tokens.mapValues { .string($0) }
        values["messages"] = .list(
            messages.map { .object(["role": .string($0.role), "content": .string($0.content)]) })
        values["add_generation_prompt"] = .boolean(addsPrompt)
        var run = JinjaRun(scope: values)
        try run.execute(nodes)
        return run.output
    }
}
