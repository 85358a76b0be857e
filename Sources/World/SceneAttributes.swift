/// A scene's attribute that cannot be read: which, what it takes, and what was given.
public struct SceneAttributeError: Error, Sendable, Equatable, CustomStringConvertible {
    public let subject: String
    public let expected: String
    public let found: String

    public init(subject: String, expected: String, found: String) {
        self.subject = subject
        self.expected = expected
        self.found = found
    }

    public var description: String { "\(subject): expected \(expected), found \(found)" }
}

extension Scene {
    /// One attribute that a scene can be asked for by name.
    public struct AttributeInfo: Sendable, Hashable {
        public let family: String
        public let name: String
        /// The values it takes, such as `0 to 1` or `man, woman`.
        public let expected: String
    }

    /// Every attribute of both families, in the order of their fields.
    public static var attributes: [AttributeInfo] {
        Portrait.fields.map { AttributeInfo(family: "portrait", name: $0.name, expected: $0.expected) }
            + Landscape.fields.map { AttributeInfo(family: "landscape", name: $0.name, expected: $0.expected) }
    }

    /// The scene of a list such as `family=portrait,age=0.8,hair_color=red`; what is not named stays as it is in a
    /// plain portrait or landscape.
    ///
    /// - Parameter detailSeed: seeds what no attribute names, unless `detail_seed` does.
    public init(attributes list: String, detailSeed: UInt64 = 0) throws {
        try self.init(attributes: Self.attributes(in: list), detailSeed: detailSeed)
    }

    /// The names and values of a list such as `family=portrait,age=0.8`.
    public static func attributes(in list: String) throws -> [(name: String, value: String)] {
        try list.split(separator: ",").map { item in
            let parts = item.split(separator: "=", omittingEmptySubsequences: false).map(trimmed)
            guard parts.count == 2 else {
                throw SceneAttributeError(subject: "attributes", expected: "name=value", found: "'\(trimmed(item))'")
            }
            return (parts[0], parts[1])
        }
    }

    /// The scene of names and values; a name given twice takes the last value.
    public init(attributes values: [(name: String, value: String)], detailSeed: UInt64 = 0) throws {
        let family = values.last { $0.name == "family" }?.value
        let rest = values.filter { $0.name != "family" }
        switch family {
        case "portrait":
            self = .portrait(try filled(Portrait(detailSeed: detailSeed), Portrait.fields, rest, family: "portrait"))
        case "landscape":
            self = .landscape(
                try filled(Landscape(detailSeed: detailSeed), Landscape.fields, rest, family: "landscape"))
        default:
            throw SceneAttributeError(
                subject: "family", expected: "portrait or landscape", found: family.map { "'\($0)'" } ?? "nothing")
        }
    }
}

extension Scene {
    /// The same scene with other values of some attributes; a name given twice takes the last value.
    ///
    /// - Throws: `SceneAttributeError` for a name that the scene's family has not, or a value that it does not take.
    public func setting(_ values: [(name: String, value: String)]) throws -> Scene {
        switch self {
        case .portrait(let portrait):
            .portrait(try filled(portrait, Portrait.fields, values, family: "portrait"))
        case .landscape(let landscape):
            .landscape(try filled(landscape, Landscape.fields, values, family: "landscape"))
        }
    }
}

/// How one attribute is read from text; `set` is false for a value that it does not take.
private struct Field<Subject> {
    let name: String
    let expected: String
    let set: (inout Subject, String) -> Bool

    static func number(
        _ name: String, _ path: WritableKeyPath<Subject, Double>, _ range: ClosedRange<Double>
    ) -> Field {
        Field(name: name, expected: "\(short(range.lowerBound)) to \(short(range.upperBound))") { subject, text in
            guard let value = Double(text), range.contains(value) else { return false }
            subject[keyPath: path] = value
            return true
        }
    }

    static func choice<Value: RawRepresentable & CaseIterable>(
        _ name: String, _ path: WritableKeyPath<Subject, Value>
    ) -> Field where Value.RawValue == String {
        Field(name: name, expected: Value.allCases.map(\.rawValue).joined(separator: ", ")) { subject, text in
            guard let value = Value(rawValue: text) else { return false }
            subject[keyPath: path] = value
            return true
        }
    }

    static func flag(_ name: String, _ path: WritableKeyPath<Subject, Bool>) -> Field {
        Field(name: name, expected: "yes, no") { subject, text in
            guard let value = ["yes": true, "true": true, "1": true, "no": false, "false": false, "0": false][text]
            else { return false }
            subject[keyPath: path] = value
            return true
        }
    }

    static func seed(_ path: WritableKeyPath<Subject, UInt64>) -> Field {
        Field(name: "detail_seed", expected: "a whole number from 0") { subject, text in
            guard let value = UInt64(text) else { return false }
            subject[keyPath: path] = value
            return true
        }
    }

    private static func short(_ value: Double) -> String { value == value.rounded() ? "\(Int(value))" : "\(value)" }
}

extension Portrait {
    fileprivate static var fields: [Field<Portrait>] {
        [
            .choice("presentation", \.presentation), .number("age", \.age, 0...1), .number("smile", \.smile, -1...1),
            .number("eye_size", \.eyeSize, 0...1), .number("eye_openness", \.eyeOpenness, 0...1),
            .number("head_turn", \.headTurn, -1...1), .number("skin_tone", \.skinTone, 0...1),
            .choice("hair_color", \.hairColor), .number("hair_grey", \.hairGrey, 0...1),
            .number("hair_length", \.hairLength, 0...1), .number("hair_curl", \.hairCurl, 0...1),
            .number("beard", \.beard, 0...1), .flag("glasses", \.glasses), .choice("hat", \.hat),
            .choice("hat_color", \.hatColor), .choice("clothing", \.clothing), .choice("background", \.background),
            .number("light_direction", \.lightDirection, -1...1), .number("light_warmth", \.lightWarmth, -1...1),
            .seed(\.detailSeed),
        ]
    }
}

extension Landscape {
    fileprivate static var fields: [Field<Landscape>] {
        [
            .number("hour_of_day", \.hourOfDay, 0...24), .choice("weather", \.weather),
            .number("cloud_cover", \.cloudCover, 0...1), .number("weather_intensity", \.weatherIntensity, 0...1),
            .number("season", \.season, 0...4), .choice("terrain", \.terrain), .number("trees", \.trees, 0...1),
            .flag("house", \.house), .seed(\.detailSeed),
        ]
    }
}

private func filled<Subject>(
    _ start: Subject, _ fields: [Field<Subject>], _ values: [(name: String, value: String)], family: String
) throws -> Subject {
    var subject = start
    for (name, value) in values {
        guard let field = fields.first(where: { $0.name == name }) else {
            throw SceneAttributeError(
                subject: "attributes of a \(family)",
                expected: "one of family, \(fields.map(\.name).joined(separator: ", "))", found: "'\(name)'")
        }
        guard field.set(&subject, value) else {
            throw SceneAttributeError(subject: name, expected: field.expected, found: "'\(value)'")
        }
    }
    return subject
}

private func trimmed(_ text: Substring) -> String {
    var text = text
    while text.first?.isWhitespace == true { text.removeFirst() }
    while text.last?.isWhitespace == true { text.removeLast() }
    return String(text)
}
