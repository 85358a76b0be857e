public import Foundation

extension ConfigurationError {
    /// What a decoder found wrong in a JSON file, in one sentence with the file and the key.
    ///
    ///     facts.json: [3].subject: expected a value, found none
    ///     config.json: expected JSON, found something else at line 2, column 14
    ///
    /// - Parameter json: the bytes of the file, in which the place of broken JSON is looked for.
    public init(path: String, _ error: DecodingError, in json: Data) {
        switch error {
        case .typeMismatch(let type, let context), .valueNotFound(let type, let context):
            self.init(
                path: path, key: Self.key(context.codingPath), expected: "\(type)", found: context.debugDescription)
        case .keyNotFound(let missing, let context):
            self.init(path: path, key: Self.key(context.codingPath + [missing]), expected: "a value", found: "none")
        case .dataCorrupted(let context):
            let key = Self.key(context.codingPath)
            guard key.isEmpty, let flaw = Self.flaw(in: json) else {
                self.init(path: path, key: key, expected: "valid JSON", found: context.debugDescription)
                return
            }
            self.init(path: path, key: "", expected: "JSON", found: flaw)
        @unknown default:
            self.init(path: path, key: "", expected: "valid JSON", found: "\(error)")
        }
    }

    /// `layers.[3].name`.
    private static func key(_ path: [any CodingKey]) -> String {
        path.map { $0.intValue.map { "[\($0)]" } ?? $0.stringValue }.joined(separator: ".")
    }

    /// Where a text stops being JSON; nil for a text that is JSON.
    private static func flaw(in json: Data) -> String? {
        do {
            _ = try JSONSerialization.jsonObject(with: json, options: .fragmentsAllowed)
            return nil
        } catch {
            // The only thing that Foundation tells of the place: `Invalid value around character 11.`
            let said = (error as NSError).userInfo["NSDebugDescription"] as? String ?? ""
            let digits = said.filter { ("0"..."9").contains($0) }
            guard let place = Int(digits), place <= json.count else {
                return json.isEmpty ? "an empty file" : "text that ends too early or is none"
            }
            let before = json.prefix(place)
            let lines = before.split(separator: UInt8(ascii: "\n"), omittingEmptySubsequences: false)
            return "something else at line \(lines.count), column \((lines.last?.count ?? 0) + 1)"
        }
    }
}
