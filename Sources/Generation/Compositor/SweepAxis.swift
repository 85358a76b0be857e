import Foundation

/// One axis of a sweep: what changes from picture to picture, and its values.
///
///     slider:age=-2:2:5      five scales from -2 to 2        start:age=0.5,0.8,1     from which share of the noise on
///     style:ink=0,2,4        three strengths of a style
///     seed=1,2,3             steps=10,20      cfg=2,4,8      sampler=euler,ddim      prompt=cat|dog|bird
///
/// `prompt` replaces its first text, which the prompt must hold, by each of its texts. Adapters that these name act as in
/// any prompt: `<lora:age:0.5>|<lora:age:1>`.
public struct SweepAxis: Sendable, Hashable, Codable {
    public enum Kind: String, Sendable, Hashable, Codable, CaseIterable {
        case slider, style, start, seed, steps, cfg, sampler, prompt
    }

    public var kind: Kind
    /// The slider's or style's name; empty for other kinds.
    public var name: String
    public var values: [String]

    /// - Throws: `GenerationError` for a text that is no axis.
    public init(_ text: String) throws {
        let known = "slider:NAME, style:NAME, start:NAME, seed, steps, cfg, sampler or prompt, then = and values"
        guard let sign = text.firstIndex(of: "=") else {
            throw GenerationError("axis", expected: known, found: "'\(text)'")
        }
        let head = text[..<sign].split(separator: ":", maxSplits: 1, omittingEmptySubsequences: false)
        guard let kind = Kind(rawValue: String(head[0])) else {
            throw GenerationError("axis", expected: known, found: "'\(text)'")
        }
        let needsName = [.slider, .style, .start].contains(kind)
        guard needsName == (head.count == 2), !needsName || !head[1].isEmpty else {
            throw GenerationError(
                "axis \(kind.rawValue)", expected: needsName ? "\(kind.rawValue):NAME=values" : "no name",
                found: "'\(text)'")
        }
        self.kind = kind
        name = head.count == 2 ? String(head[1]) : ""
        let rest = String(text[text.index(after: sign)...])
        values = try Self.values(rest, kind)
        guard (1...100).contains(values.count) else {
            throw GenerationError("axis \(kind.rawValue)", expected: "1 to 100 values", found: "\(values.count)")
        }
    }

    /// A list, or for numbers `first:last:count`.
    private static func values(_ text: String, _ kind: Kind) throws -> [String] {
        func flaw(_ expected: String) -> GenerationError {
            GenerationError("axis \(kind.rawValue)", expected: expected, found: "'\(text)'")
        }
        if kind == .prompt {
            let texts = text.split(separator: "|", omittingEmptySubsequences: false).map(String.init)
            guard let first = texts.first, !first.isEmpty else {
                throw flaw("texts separated by |, the first not empty")
            }
            return texts
        }
        let parts = text.split(separator: ",").map { $0.trimmingCharacters(in: .whitespaces) }
        if kind == .sampler {
            guard !parts.isEmpty else { throw flaw("names separated by commas") }
            return parts
        }
        let range = text.split(separator: ":").map { Double($0) }
        if range.count == 3, let first = range[0], let last = range[1], let count = range[2] {
            guard count >= 2, count <= 100, count == count.rounded(), first.isFinite, last.isFinite else {
                throw flaw("first:last:count with a count of 2 to 100")
            }
            return (0..<Int(count)).map { short(first + (last - first) * Double($0) / (count - 1)) }
        }
        guard !parts.isEmpty, parts.allSatisfy({ Double($0)?.isFinite == true }) else {
            throw flaw("numbers separated by commas, or first:last:count")
        }
        return parts
    }

    private static func short(_ value: Double) -> String {
        let rounded = (value * 1e6).rounded() / 1e6
        return Int(exactly: rounded).map(String.init) ?? String(rounded)
    }

    /// The prompt with the text that this axis has in a place; axes of other kinds leave it alone.
    ///
    /// - Throws: `GenerationError` where the prompt has not the axis's first text.
    fileprivate func replaced(_ prompt: String, with value: String) throws -> String {
        guard kind == .prompt else { return prompt }
        guard prompt.contains(values[0]) else {
            throw GenerationError(
                "axis prompt", expected: "its first text in the prompt '\(prompt)'",
                found: "'\(values[0])', which is not in it")
        }
        return prompt.replacing(values[0], with: value)
    }

    /// Refuses two axes of one slider or style, however they call it, and two of any other kind but prompts.
    ///
    /// - Parameter resolve: the file of a slider's name; a name without one, as a style's own, stands for itself.
    /// - Throws: `GenerationError` that names both.
    public static func checkDistinct(_ axes: [SweepAxis], resolve: (String) throws -> String) throws {
        func subject(_ name: String) -> String {
            let path = name.isEmpty ? nil : try? resolve(name)
            return path.map { URL(filePath: $0).resolvingSymlinksInPath().path } ?? name
        }
        // What a text's tag sets, a slider's axis would set again, and the text would stand over it all the same.
        let tags = axes.filter { $0.kind == .prompt }.flatMap(\.values).flatMap { (try? LoRATags($0).tags) ?? [] }
        let tagged = Set(tags.map { subject($0.name) })
        var known: [String: SweepAxis] = [:]
        for axis in axes where axis.kind != .prompt {
            guard axis.kind != .slider || !tagged.contains(subject(axis.name)) else {
                throw GenerationError(
                    "--axis", expected: "one axis for each adapter",
                    found: "slider:\(axis.name) beside a prompt axis whose texts name it")
            }
            guard let other = known.updateValue(axis, forKey: "\(axis.kind.rawValue) \(subject(axis.name))") else {
                continue
            }
            let names = axis.name.isEmpty ? "" : ": \(other.name) and \(axis.name) are one file"
            throw GenerationError(
                "--axis", expected: "each axis once", found: "\(axis.kind.rawValue) twice\(names)")
        }
    }

    /// What stands over a column or beside a row.
    public func label(_ index: Int) -> String {
        switch kind {
        case .slider, .style: "\(name) \(values[index])"
        case .start: "\(name) from \(values[index])"
        case .prompt: values[index]
        case .seed, .steps, .cfg, .sampler: "\(kind.rawValue) \(values[index])"
        }
    }
}

/// A picture of a sweep: the request and the adapters that its place in the grid asks for.
public struct SweepCell: Sendable {
    public var request: GenerationRequest
    public var adapters: [AdapterUse]
    /// The value of each axis.
    public var values: [String]

    /// Texts take their places in the prompt first, so that what they name acts as in a prompt of its own; then come the
    /// other axes.
    ///
    /// - Parameters:
    ///   - place: the index on each axis.
    ///   - request: with the prompt as the user wrote it, its tags in it.
    ///   - resolve: the file of a slider's name.
    ///   - compose: what the options and a prompt's tags add to a picture.
    /// - Throws: `GenerationError` for values that the request cannot have; the errors of `compose`.
    public init(
        _ axes: [SweepAxis], at place: [Int], from request: GenerationRequest, resolve: (String) throws -> String,
        compose: (String) throws -> Composition
    ) throws {
        values = zip(axes, place).map { $0.values[$1] }
        let prompt = try zip(axes, values).reduce(request.prompt) { try $1.0.replaced($0, with: $1.1) }
        let made = try compose(prompt)
        self.request = request
        made.apply(to: &self.request)
        adapters = made.adapters
        var moved: Set<String> = []
        // Starts come after the sliders that they are of.
        let ordered = zip(axes, values).sorted { $0.0.kind != .start && $1.0.kind == .start }
        for (axis, value) in ordered {
            func whole() throws -> Int {
                guard let number = Int(value), number >= 0 else {
                    throw GenerationError("axis \(axis.kind.rawValue)", expected: "whole numbers from 0", found: value)
                }
                return number
            }
            switch axis.kind {
            case .seed: self.request.seed = UInt64(try whole())
            case .steps: self.request.steps = try whole()
            case .cfg: self.request.guidanceScale = Double(value) ?? 0
            case .sampler: self.request.sampler = value
            case .prompt: continue
            case .style:
                var styles = self.request.styles ?? []
                if !styles.contains(where: { $0.name == axis.name }) {
                    let branch = (styles.map(\.branch).max() ?? -1) + 1
                    var (adapter, style) = try StyleUse(path: resolve(axis.name)).resolved(branch: branch)
                    style.name = axis.name
                    self.adapters.append(adapter)
                    styles.append(style)
                }
                for index in styles.indices where styles[index].name == axis.name {
                    styles[index].strength = Double(value) ?? 0
                }
                self.request.styles = styles
            case .start where self.request.styles?.contains { $0.name == axis.name } ?? false:
                for index in (self.request.styles ?? []).indices where self.request.styles?[index].name == axis.name {
                    self.request.styles?[index].start = Double(value) ?? 1
                }
            case .slider, .start:
                let path = try resolve(axis.name)
                let entries = self.adapters.indices.filter { number in
                    self.adapters[number].name == axis.name || self.adapters[number].isFile(at: path)
                }
                // A scale of 0 for one of two would not turn the slider off.
                guard entries.count < 2 else {
                    throw GenerationError(
                        "axis \(axis.kind.rawValue):\(axis.name)", expected: "one entry of that slider in the stack",
                        found: "\(entries.count)")
                }
                var index = entries.first
                if index == nil {
                    self.adapters.append(try AdapterUse(path: path, weight: 1))
                    index = self.adapters.count - 1
                }
                guard let index, let number = Double(value) else { continue }
                // An option's file may have the name of one axis and be the file of another.
                guard moved.insert("\(axis.kind.rawValue) \(index)").inserted else {
                    throw GenerationError(
                        "axis \(axis.kind.rawValue):\(axis.name)", expected: "a slider that no other axis moves",
                        found: "\(self.adapters[index].file.path), which one does")
                }
                if axis.kind == .slider {
                    self.adapters[index].weight = number
                } else {
                    self.adapters[index].schedule = StackSchedule(start: number)
                }
            }
        }
    }
}
