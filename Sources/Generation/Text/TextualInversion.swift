import Foundation
import TensorCore
import Weights

/// Vectors that were trained to stand for one word, from a file.
///
/// | file | keys |
/// |---|---|
/// | A1111 `.pt`, `.bin` | `string_to_param` with one entry |
/// | diffusers | the word itself, such as `<cat-toy>` |
/// | A1111 safetensors | `emb_params` |
/// | SDXL | `clip_l` and `clip_g`, one for each text encoder |
///
/// The file's name without its ending is the word that stands for it in a prompt.
struct TextualInversion: Sendable {
    let path: String
    /// `[vectors, width]` by key.
    private let vectors: [String: Tensor]

    /// The endings of files that are read.
    static let endings = ["safetensors", "pt", "bin"]

    /// - Throws: `GenerationError` for a file without such vectors; the errors of the file's format.
    init(path: String) throws {
        self.path = path
        let file = try TensorFile(path: path)
        var keys = file.shapes.keys.sorted()
        // Training notes, such as the token's number, lie beside it.
        let trained = keys.filter { $0.hasPrefix("string_to_param.") }
        if !trained.isEmpty { keys = trained }
        let pair = keys.filter { ["clip_l", "clip_g"].contains($0) }
        if !pair.isEmpty { keys = pair }
        guard keys.count == 1 || keys == pair, !keys.isEmpty else {
            throw GenerationError(
                path, expected: "a textual inversion: one tensor, or clip_l and clip_g",
                found: keys.isEmpty ? "none" : "\(keys.count) tensors such as \(keys[0])")
        }
        var vectors: [String: Tensor] = [:]
        for key in keys {
            guard let stored = try file.source.tensor(key, shape: nil, initial: nil), stored.dtype.isFloatingPoint,
                (1...2).contains(stored.rank), !stored.shape.contains(0)
            else {
                throw GenerationError(
                    "\(path): \(key)", expected: "vectors of numbers, [count, width]",
                    found: "\(file.shapes[key] ?? [])")
            }
            guard stored.isFinite else {
                throw GenerationError("\(path): \(key)", expected: "finite vectors", found: "infinite ones or NaN")
            }
            vectors[key] = stored.rank == 1 ? stored.unsqueezed(0) : stored
        }
        self.vectors = vectors
    }

    /// The vectors for a text encoder.
    ///
    /// - Parameters:
    ///   - key: `clip_l` or `clip_g`.
    ///   - isOnly: whether the model has no other encoder: then a file that names none fits, too.
    func vectors(key: String, width: Int, isOnly: Bool) throws -> Tensor {
        let fitting = isOnly ? vectors.values.first { $0.size(1) == width } : vectors[key]
        if let fitting, fitting.size(1) == width { return fitting }
        let found = vectors.sorted { $0.key < $1.key }.map { "\($0.key) \($0.value.shape)" }.joined(separator: ", ")
        throw GenerationError(
            path, expected: isOnly ? "vectors of the text encoder's width \(width)" : "\(key) of width \(width)",
            found: "\(found) (trained for another family of models?)")
    }

    /// The word that a file stands for.
    static func word(of path: String) -> String { URL(filePath: path).deletingPathExtension().lastPathComponent }

    /// The files of a folder whose words occur in one of the prompts, sorted; of two with one word the safetensors.
    ///
    /// - Throws: `GenerationError` when there is no such folder.
    static func files(in folder: String, for prompts: [String]) throws -> [String] {
        guard let names = try? FileManager.default.contentsOfDirectory(atPath: folder).sorted() else {
            throw GenerationError(folder, expected: "a folder of textual inversions", found: "none that can be read")
        }
        let texts = prompts.flatMap { WeightedText($0).parts.joined().map(\.text) }
        var files: [String: String] = [:]
        for ending in endings.reversed() {
            for name in names where URL(filePath: name).pathExtension.lowercased() == ending {
                let word = word(of: name)
                if texts.contains(where: { !AddedWords.ranges(of: word, in: Array($0)).isEmpty }) {
                    files[word.lowercased()] = folder + (folder.hasSuffix("/") ? "" : "/") + name
                }
            }
        }
        return files.values.sorted()
    }
}
