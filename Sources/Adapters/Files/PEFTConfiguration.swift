internal import Foundation

/// Rank and alpha of PEFT's adapters, which their tensors do not tell.
///
/// diffusers keeps it in the file's metadata under `lora_adapter_metadata`, with the part of the model before each name;
/// PEFT in `adapter_config.json` beside `adapter_model.safetensors`.
struct PEFTConfiguration: Sendable {
    /// By the part of the model; an empty name is for all.
    private var parts: [String: Part] = [:]

    /// More than the largest model has layers.
    private static let mostPatterns = 4096

    private struct Part: Sendable {
        var rank: Double?
        var alpha: Double?
        var rankPattern: [(pattern: ModulePattern, value: Double)] = []
        var alphaPattern: [(pattern: ModulePattern, value: Double)] = []
        var usesRootOfRank = false
    }

    /// The configuration in a file's metadata, or nil when there is none.
    ///
    /// - Parameter path: of the file, for messages.
    /// - Throws: `AdapterError` for text that is no JSON or has no rank, and that names the pattern that is none.
    init?(_ metadata: [String: String], path: String) throws {
        guard let text = metadata["lora_adapter_metadata"] else { return nil }
        func flaw(_ found: String) -> AdapterError {
            AdapterError("\(path): lora_adapter_metadata", expected: "a JSON object with the rank `r`", found: found)
        }
        guard let fields = try? JSONSerialization.jsonObject(with: Data(text.utf8)) as? [String: Any] else {
            throw flaw("'\(text.prefix(60))'")
        }
        try self.init(fields: fields, text: Array(text.utf8), path: path)
        guard parts.values.contains(where: { $0.rank ?? 0 > 0 }) else {
            throw flaw("none above 0 among \(listed(fields.keys.sorted(), limit: 4))")
        }
    }

    /// The configuration in the folder of a file that PEFT wrote, or nil when there is none.
    init?(beside path: String) throws {
        let file = URL(filePath: path)
        let own = file.deletingLastPathComponent().appending(path: "adapter_config.json")
        guard file.lastPathComponent.hasPrefix("adapter_model."),
            let size = try? FileManager.default.attributesOfItem(atPath: own.path)[.size] as? Int, size < 1 << 22,
            let data = try? Data(contentsOf: own),
            let fields = try? JSONSerialization.jsonObject(with: data) as? [String: Any]
        else { return nil }
        try self.init(fields: fields, text: Array(data), path: own.path)
    }

    private init(fields: [String: Any], text: [UInt8], path: String) throws {
        var size = 0
        for (key, value) in fields.sorted(by: { $0.key < $1.key }) {
            let (part, name) = partAndName(key)
            var entry = parts[part ?? ""] ?? Part()
            func patterns() throws -> [(pattern: ModulePattern, value: Double)] {
                guard let table = value as? [String: Any], !table.isEmpty else { return [] }
                // The first that matches counts, so their order matters, which the dictionary has lost.
                let expressions = orderedKeys(of: key, in: text).filter { table[$0] != nil }
                guard expressions.count <= Self.mostPatterns else {
                    throw AdapterError(
                        "\(path): \(key)", expected: "at most \(Self.mostPatterns) patterns",
                        found: "\(expressions.count)")
                }
                return try expressions.map { expression in
                    guard let number = table[expression] as? Double, number.isFinite else {
                        throw AdapterError(
                            "\(path): \(key)", expected: "a number for each pattern",
                            found: "something else for '\(expression.prefix(80))'")
                    }
                    do {
                        let pattern = try ModulePattern(expression)
                        size += pattern.size
                        guard size <= ModulePattern.largestSize else {
                            throw PatternFlaw(
                                reason: "with those before it more than \(ModulePattern.largestSize) states")
                        }
                        return (pattern, number)
                    } catch let flaw as PatternFlaw {
                        throw AdapterError(
                            "\(path): \(key)", expected: "regular expressions for names of modules",
                            found: "'\(expression.prefix(80))': \(flaw.reason)")
                    }
                }
            }
            switch name {
            case "r": entry.rank = value as? Double
            case "lora_alpha", "alpha": entry.alpha = value as? Double
            case "rank_pattern": entry.rankPattern = try patterns()
            case "alpha_pattern": entry.alphaPattern = try patterns()
            case "use_rslora": entry.usesRootOfRank = value as? Bool ?? false
            default: continue
            }
            parts[part ?? ""] = entry
        }
    }

    /// Alpha over rank of a module, or nil where nothing is said of it.
    func factor(part: String, name: String) -> Double? {
        guard let entry = parts[part] ?? parts[""] else { return nil }
        func value(_ patterns: [(pattern: ModulePattern, value: Double)], _ otherwise: Double?) -> Double? {
            patterns.first { $0.pattern.matches(name) }?.value ?? otherwise
        }
        guard let rank = value(entry.rankPattern, entry.rank), let alpha = value(entry.alphaPattern, entry.alpha),
            rank > 0
        else { return nil }
        return alpha / (entry.usesRootOfRank ? rank.squareRoot() : rank)
    }
}

/// The keys of the object that a key of the outermost object holds, in the order in which they are written.
///
/// - Parameter text: valid JSON, UTF-8.
func orderedKeys(of name: String, in text: [UInt8]) -> [String] {
    var (depth, place) = (0, 0)
    var isInside = false
    var found: [String] = []
    var known: Set<String> = []
    func isKey(_ end: Int) -> Bool {
        let rest = text[min(end, text.count)...].first { ![0x20, 0x09, 0x0A, 0x0D].contains($0) }
        return rest == UInt8(ascii: ":")
    }
    while place < text.count {
        switch text[place] {
        case UInt8(ascii: "{"), UInt8(ascii: "["): depth += 1
        case UInt8(ascii: "}"), UInt8(ascii: "]"): depth -= 1
        case UInt8(ascii: "\""):
            var end = place + 1
            while end < text.count, text[end] != UInt8(ascii: "\"") { end += text[end] == UInt8(ascii: "\\") ? 2 : 1 }
            let literal = Data(text[place..<min(end + 1, text.count)])
            place = end
            guard isKey(end + 1), (1...2).contains(depth), depth == 1 || isInside,
                let key = try? JSONSerialization.jsonObject(with: literal, options: .fragmentsAllowed) as? String
            else { break }
            if depth == 1 { isInside = key == name } else if known.insert(key).inserted { found.append(key) }
        default: break
        }
        place += 1
    }
    return found
}
