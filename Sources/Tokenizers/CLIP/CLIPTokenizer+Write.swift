public import Foundation

extension CLIPTokenizer {
    /// Writes `vocab.json`, `merges.txt`, `tokenizer_config.json` and `special_tokens_map.json`, as transformers'
    /// `CLIPTokenizer` and this one read them back. The folder is created if need be and each file
    /// replaced in one step.
    public func write(to folder: URL) throws {
        let entries = tokens.enumerated().filter { !$0.element.isEmpty }.map { "\(quoted($0.element)): \($0.offset)" }
        let vocabulary = "{\n  " + entries.joined(separator: ",\n  ") + "\n}\n"
        let pairs = merges.map { "\(tokens[$0.pair.left]) \(tokens[$0.pair.right])\n" }
        let roles = [("bos_token", bosID), ("eos_token", eosID), ("pad_token", padID), ("unk_token", unknownID)]
        let names = roles.map { "  \(quoted($0.0)): \(quoted(tokens[$0.1]))" }
        let added = addedTokens.sorted { $0.id < $1.id }.map { token in
            """
                "\(token.id)": {
                  "content": \(quoted(token.content)),
                  "lstrip": false,
                  "normalized": \(token.isNormalized),
                  "rstrip": false,
                  "single_word": false,
                  "special": \(token.isSpecial)
                }
            """
        }
        let config = """
            {
              "add_prefix_space": false,
              "added_tokens_decoder": {
            \(added.joined(separator: ",\n"))
              },
            \(names.joined(separator: ",\n")),
              "do_lower_case": true,
              "errors": "replace",
              "model_max_length": \(modelMaxLength),
              "tokenizer_class": "CLIPTokenizer"
            }

            """
        do {
            try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
            for (name, text) in [
                ("vocab.json", vocabulary), ("merges.txt", "#version: 0.2\n" + pairs.joined()),
                ("tokenizer_config.json", config),
                ("special_tokens_map.json", "{\n" + names.joined(separator: ",\n") + "\n}\n"),
            ] {
                try Data(text.utf8).write(to: folder.appending(path: name), options: .atomic)
            }
        } catch {
            throw TokenizerError(
                path: folder.path, expected: "a folder where the tokenizer can be written",
                found: (error as NSError).localizedDescription)
        }
    }

    /// A JSON string. Tokens hold visible characters only, but added ones may hold anything.
    private func quoted(_ text: String) -> String {
        var quoted = "\""
        for scalar in text.unicodeScalars {
            switch scalar {
            case "\"", "\\": quoted += "\\\(scalar)"
            case "\u{0}"..."\u{1F}":
                let digits = String(scalar.value, radix: 16)
                quoted += "\\u" + String(repeating: "0", count: 4 - digits.count) + digits
            default: quoted.unicodeScalars.append(scalar)
            }
        }
        return quoted + "\""
    }
}
