internal import Foundation

/// Rank and alpha of PEFT's adapters, which their tensors do not tell.
///
/// diffusers keeps it in the file's metadata under `lora_adapter_metadata`, with the part of the model before each name;
/// PEFT in `adapter_config.json` beside `adapter_model.safetensors`.
struct PEFTConfiguration: Sendable {
    /// By the part of the model; an empty name is for all.
    private var parts: [String: Part] = [:]

    private struct Part: Sendable {
        var rank: Double?
        var alpha: Double?
        var rankPattern: [String: Double] = [:]
        var alphaPattern: [String: Double] = [:]
        var usesRootOfRank = false
    }

    /// The configuration in a file's metadata, or nil when there is none.
    init?(_ metadata: [String: String]) {
        guard let text = metadata["lora_adapter_metadata"],
            let fields = try? JSONSerialization.jsonObject(with: Data(text.utf8)) as? [String: Any]
        else { return nil }
        self.init(fields: fields)
    }

    /// The configuration in the folder of a file that PEFT wrote, or nil when there is none.
    init?(beside path: String) {
        let file = URL(filePath: path)
        guard file.lastPathComponent.hasPrefix("adapter_model."),
            let data = try? Data(
                contentsOf: file.deletingLastPathComponent().appending(path: "adapter_config.json")),
            data.count < 1 << 22, let fields = try? JSONSerialization.jsonObject(with: data) as? [String: Any]
        else { return nil }
        self.init(fields: fields)
    }

    private init(fields: [String: Any]) {
        for (key, value) in fields {
            let (part, name) = partAndName(key)
            var entry = parts[part ?? ""] ?? Part()
            switch name {
            case "r": entry.rank = value as? Double
            case "lora_alpha", "alpha": entry.alpha = value as? Double
            case "rank_pattern": entry.rankPattern = value as? [String: Double] ?? [:]
            case "alpha_pattern": entry.alphaPattern = value as? [String: Double] ?? [:]
            case "use_rslora": entry.usesRootOfRank = value as? Bool ?? false
            default: continue
            }
            parts[part ?? ""] = entry
        }
    }

    /// Alpha over rank of a module, or nil where nothing is said of it.
    func factor(part: String, name: String) -> Double? {
        guard let entry = parts[part] ?? parts[""] else { return nil }
        func value(_ pattern: [String: Double], _ otherwise: Double?) -> Double? {
            // A pattern is the end of a path, or all of it.
            pattern.filter { name == $0.key || name.hasSuffix("." + $0.key) }.max { $0.key.count < $1.key.count }?.value
                ?? otherwise
        }
        guard let rank = value(entry.rankPattern, entry.rank), let alpha = value(entry.alphaPattern, entry.alpha),
            rank > 0
        else { return nil }
        return alpha / (entry.usesRootOfRank ? rank.squareRoot() : rank)
    }
}
