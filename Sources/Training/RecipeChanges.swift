import Foundation

/// What differs between two recipes in JSON, one line a key: `training.steps 400 -> 800`.
func recipeChanges(from before: String, to after: String) -> [String] {
    func values(_ text: String) -> [String: String] {
        var result: [String: String] = [:]
        func visit(_ value: Any, _ path: String) {
            switch value {
            case let table as [String: Any]:
                for (key, value) in table { visit(value, path.isEmpty ? key : "\(path).\(key)") }
            case let list as [Any]:
                for (index, value) in list.enumerated() { visit(value, "\(path)[\(index)]") }
            default: result[path] = "\(value)"
            }
        }
        if let value = try? JSONSerialization.jsonObject(with: Data(text.utf8)) { visit(value, "") }
        return result
    }
    let (old, new) = (values(before), values(after))
    return Set(old.keys).union(new.keys).sorted().compactMap { key in
        guard old[key] != new[key] else { return nil }
        return "\(key) \(old[key] ?? "not there") -> \(new[key] ?? "not there")"
    }
}
