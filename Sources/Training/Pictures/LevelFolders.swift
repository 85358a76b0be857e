public import Foundation
import Generation
public import Imaging

/// Pictures that differ in one thing only, in a folder for each level of it: what a visual slider learns from.
///
///     low/00000.png, low/00001.png, ...     high/00000.png, high/00001.png, ...     age.yaml
///
/// Pictures of one name belong together; the recipe beside the folders is ready to train.
public struct LevelFolders: Sendable {
    /// The pictures of one scale of the slider.
    public struct Level: Sendable, Hashable {
        public let name: String
        public let scale: Double
    }

    public let folder: URL
    /// From the lowest scale to the highest.
    public let levels: [Level]

    /// - Parameters:
    ///   - folder: gets a folder for each level.
    ///   - scales: of the slider; for each there is its opposite.
    /// - Throws: `GenerationError` for other scales.
    public init(in folder: URL, scales: [Double]) throws {
        let sorted = scales.sorted()
        guard !scales.isEmpty, Set(scales).count == scales.count,
            scales.allSatisfy({ $0 != 0 && abs($0) <= 1000 && scales.contains(-$0) })
        else {
            throw GenerationError(
                "scales", expected: "for every scale its opposite, once",
                found: scales.isEmpty ? "none" : scales.map(Self.text).joined(separator: ", "))
        }
        self.folder = folder
        let names =
            switch sorted.count {
            case 2: ["low", "high"]
            case 4: ["verylow", "low", "high", "veryhigh"]
            default: sorted.map { ($0 < 0 ? "minus-" : "plus-") + Self.text(abs($0)) }
            }
        levels = zip(names, sorted).map { Level(name: $0, scale: $1) }
    }

    /// Makes the folders.
    ///
    /// - Parameter names: of the pictures that will be written, without endings.
    /// - Throws: `GenerationError` where a folder holds other pictures already, which a training would read, too.
    public func prepare(for names: Set<String>) throws {
        for level in levels {
            let path = folder.appending(path: level.name, directoryHint: .isDirectory)
            do {
                try FileManager.default.createDirectory(at: path, withIntermediateDirectories: true)
            } catch {
                throw GenerationError(path.path, expected: "a folder that can be written", found: "none")
            }
            let present = (try? FileManager.default.contentsOfDirectory(atPath: path.path)) ?? []
            let strange = present.filter { name in
                ImageFormat(path: name) != nil && !(name.hasSuffix(".png") && names.contains(String(name.dropLast(4))))
            }
            if let first = strange.min() {
                throw GenerationError(
                    path.path, expected: "a folder without other pictures",
                    found: "\(first)" + (strange.count > 1 ? " and \(strange.count - 1) more" : ""))
            }
        }
    }

    /// Writes the pictures that belong together, in the order of levels.
    public func write(_ name: String, _ pictures: [Image]) throws {
        precondition(pictures.count == levels.count, "LevelFolders: \(pictures.count) pictures, \(levels.count) levels")
        for (level, picture) in zip(levels, pictures) {
            try writeImage(picture, to: folder.appending(path: "\(level.name)/\(name).png"))
        }
    }

    /// Writes a recipe that trains a slider from the folders.
    ///
    /// - Parameters:
    ///   - name: of the slider, and of the file.
    ///   - model: that the slider is for.
    ///   - origin: a sentence on where the pictures come from.
    ///   - positive, neutral: prompts of the pictures with the concept, and without it.
    /// - Returns: the recipe's file.
    public func writeRecipe(
        name: String, model: String, origin: String, positive: String = "", neutral: String = ""
    ) throws -> URL {
        try Self.checkName(name)
        let path = folder.appending(path: name + ".yaml")
        let levels = self.levels.map { "    - {folder: \($0.name), scale: \(Self.text($0.scale))}" }
        let text = """
            # \(origin.split(whereSeparator: \.isNewline).joined(separator: " "))
            #
            #     atelier train slider \(path.relativePath) --output out/\(name)
            name: \(Self.quoted(name))
            seed: 1
            model: \(Self.quoted(model))
            pairs:
              levels:
            \(levels.joined(separator: "\n"))
              objective: difference                  # what sets the pictures apart; `pictures` learns them whole
              positive: \(Self.quoted(positive))
              neutral: \(Self.quoted(neutral))
            network: {type: c3lier, rank: 4, alpha: 1, training_method: noxattn}
            training:
              steps: 400
              draws: 4
              optimizer: {learning_rate: 0.002, schedule: cosine, warmup_steps: 10, weight_decay: 0.01, beta2: 0.99, clip_norm: 1, ema_decay: 0.9}
              samples_every: 200
              checkpoint_every: 50

            """
        try Data(text.utf8).write(to: path, options: .atomic)
        return path
    }

    /// - Throws: `GenerationError` for a name that cannot name a slider and its file.
    public static func checkName(_ name: String) throws {
        guard !name.isEmpty, !name.hasPrefix("."), name.allSatisfy({ $0.isLetter || $0.isNumber || "-_.".contains($0) })
        else {
            throw GenerationError(
                "name", expected: "a name of letters, digits, '-', '_' and '.' that can name a file", found: "'\(name)'"
            )
        }
    }

    /// A number as it is written: `1`, `-0.5`.
    private static func text(_ number: Double) -> String {
        Int(exactly: number).map(String.init) ?? String(number)
    }

    /// A YAML string: JSON's are.
    private static func quoted(_ text: String) -> String {
        let encoder = JSONEncoder()
        encoder.outputFormatting = .withoutEscapingSlashes
        return (try? String(decoding: encoder.encode(text), as: UTF8.self)) ?? "\"\""
    }
}
