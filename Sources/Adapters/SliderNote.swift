internal import Foundation

/// What a slider's file says of itself, under `atelier.slider` in its metadata.
public struct SliderNote: Sendable, Codable, Hashable {
    public var schema = 1
    public var name: String
    /// The hash of the model that it was trained on.
    public var base: String
    /// The hash of its recipe.
    public var recipe: String?
    public var steps: Int?
    /// The scales between which it does what it says.
    public var range = Self.widestRange
    /// The share of the run, from pure noise as 1 down to 0, from which on it acts.
    public var start = 1.0
    /// The scale of one standard effect, once it was measured; weights are multiplied with it.
    public var unit: Double?
    /// What it moves, as probes read it.
    public var trait: String?
    /// The effect measured: pairs of a scale in units and the change of the trait, as a share of its range.
    public var curve: [[Double]]?

    public init(name: String, base: String, recipe: String? = nil, steps: Int? = nil) {
        self.name = name
        self.base = base
        self.recipe = recipe
        self.steps = steps
    }

    /// The note of a file's metadata; nil for files from elsewhere.
    public init?(_ metadata: [String: String]) {
        guard let text = metadata[Self.key],
            let note = try? JSONDecoder().decode(SliderNote.self, from: Data(text.utf8))
        else { return nil }
        self = note
    }

    /// What is wrong with a scale of a calibrated slider: one beyond what its file declares, or a file that declares no
    /// range. Nil where all is well; 0 is always one.
    public func flaw(of scale: Double) -> (expected: String, found: String)? {
        guard let unit else { return nil }
        guard range.count == 2, range[0] < range[1], unit.isFinite else {
            return ("a slider with a rising range of two scales and a finite unit", "\(range), \(unit)")
        }
        guard scale != 0, !(range[0]...range[1]).contains(scale) else { return nil }
        return ("a scale from \(range[0]) to \(range[1]), as the slider's file declares", "\(scale)")
    }

    public static let key = "atelier.slider"
    /// Of a slider whose effect nobody has measured.
    public static let widestRange = [-2.0, 2.0]
}

extension Adapter {
    /// The note of a slider that was trained here; nil for files from elsewhere.
    public var sliderNote: SliderNote? { SliderNote(metadata) }

    /// What a weight of 1 multiplies the tensors with: a calibrated slider's unit.
    public var unit: Double { sliderNote?.unit ?? 1 }

    /// Refuses scales beyond what a calibrated slider's file declares.
    public func check(scale: Double) throws(AdapterError) {
        guard let flaw = sliderNote?.flaw(of: scale) else { return }
        throw AdapterError(name, expected: flaw.expected, found: flaw.found)
    }

    /// When it acts where a use says nothing else: from a slider's start on.
    ///
    /// - Parameter timesteps: that the model was trained with.
    public func schedule(timesteps: Int) -> Schedule {
        guard let start = sliderNote?.start, start < 1 else { return .always }
        return .starting(atNoise: start * Double(timesteps))
    }

    /// Puts a note into the metadata, in the place of the one that is there.
    public mutating func setNote(_ note: SliderNote) throws {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        metadata[SliderNote.key] = String(decoding: try encoder.encode(note), as: UTF8.self)
    }
}
