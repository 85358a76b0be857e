import Foundation

/// Reads JSON that somebody may have written by hand: what is wrong is said with its place, and a key that means nothing is
/// an error, for a misspelt one would else do nothing, or too much.
///
/// - Parameters:
///   - place: what the data are, `graph`.
///   - expected: `the JSON of a graph`.
/// - Throws: `TraceError`.
func decodeStrictly<Value: Codable>(
    _ type: Value.Type, _ json: Data, _ place: String, expected: String
) throws(TraceError) -> Value {
    do {
        let value = try JSONDecoder().decode(type, from: json)
        let given = try JSONSerialization.jsonObject(with: json)
        let meant = try JSONSerialization.jsonObject(with: JSONEncoder().encode(value))
        if let key = foreignKey(given, meant, place) {
            throw TraceError(.format, key, expected: "a key of \(expected)", found: "one that means nothing")
        }
        return value
    } catch let error as TraceError {
        throw error
    } catch {
        if let given = try? JSONSerialization.jsonObject(with: json), let wrong = foreignNumber(given, place) {
            throw wrong
        }
        throw TraceError(.format, place, expected: expected, found: sentence(error))
    }
}

/// The first key that was given and is not among those that were understood; null stands for a key that is left out.
private func foreignKey(_ given: Any, _ meant: Any?, _ place: String) -> String? {
    if let given = given as? [String: Any] {
        let meant = meant as? [String: Any] ?? [:]
        for (key, value) in given.sorted(by: { $0.key < $1.key }) where !(value is NSNull) {
            guard let own = meant[key] else { return "\(place).\(key)" }
            if let found = foreignKey(value, own, "\(place).\(key)") { return found }
        }
    } else if let given = given as? [Any], let meant = meant as? [Any], given.count == meant.count {
        for (index, pair) in zip(given, meant).enumerated() {
            if let found = foreignKey(pair.0, pair.1, "\(place)[\(index)]") { return found }
        }
    }
    return nil
}

/// The first number that the type of its key does not have; of one that is too large or negative the decoder says that it is no
/// JSON.
///
/// - Parameters:
///   - key: whose value it is, or the elements of whose array.
///   - owner: the key of the object around it.
private func foreignNumber(_ given: Any, _ place: String, key: String = "", owner: String = "") -> TraceError? {
    if let given = given as? [String: Any] {
        return given.sorted { $0.key < $1.key }.lazy
            .compactMap { foreignNumber($0.value, "\(place).\($0.key)", key: $0.key, owner: key) }.first
    }
    if let given = given as? [Any] {
        return given.enumerated().lazy
            .compactMap { foreignNumber($0.element, "\(place)[\($0.offset)]", key: key, owner: owner) }.first
    }
    let isReal = ["number", "timestep", "sizes"].contains(key) && owner != "saves"
    guard let number = given as? NSNumber, !isReal, key != "drops" else { return nil }
    let isSeed = key == "seed" && owner != "saves"
    guard isSeed ? UInt64("\(number)") == nil : Int("\(number)") == nil else { return nil }
    return TraceError(
        .format, place,
        expected: isSeed ? "a whole number of 0 to \(UInt64.max)" : "a whole number of \(Int.min) to \(Int.max)",
        found: "\(number)")
}

/// What a decoder found, in words.
private func sentence(_ error: any Error) -> String {
    func path(_ context: DecodingError.Context, _ key: (any CodingKey)? = nil) -> String {
        (context.codingPath + [key].compactMap { $0 }).map { part in
            part.intValue.map { "[\($0)]" } ?? ".\(part.stringValue)"
        }.joined()
    }
    switch error as? DecodingError {
    case .keyNotFound(let key, let context): return "no \(path(context, key).drop { $0 == "." })"
    case .typeMismatch(let type, let context), .valueNotFound(let type, let context):
        return "another value than \(type) at \(path(context).drop { $0 == "." })"
    case .dataCorrupted(let context):
        let place = path(context).drop { $0 == "." }
        return place.isEmpty ? "what is no JSON" : "at \(place): \(context.debugDescription)"
    default: return "\(error)"
    }
}
