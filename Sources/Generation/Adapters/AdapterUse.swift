public import Adapters
import Foundation
import Layers
import Samplers

/// An adapter file that a picture is made with, and how strongly.
public struct AdapterUse: Codable, Sendable, Hashable {
    public var file: PictureRecipe.InputFile
    public var weight: Double
    /// Whether keys that mean nothing to the model are left out instead of refused.
    public var allowsUnmatched: Bool?
    /// When it acts; nil all the time.
    public var schedule: StackSchedule?
    public var gains: [StackGain]?
    /// Where it acts; nil everywhere.
    public var region: StackRegion?
    /// The rows of guidance that it acts in; nil all of them.
    public var branch: StackBranch?
    /// The style's branch that it acts in, and nowhere else; nil for adapters that are no style's.
    public var styleBranch: Int?

    /// The rows in which it acts.
    var rows: RowWeights { styleBranch.map { .only([.style($0)]) } ?? (branch ?? .all).rows }

    /// - Throws: when there is no such file.
    public init(path: String, weight: Double, allowsUnmatched: Bool = false) throws {
        file = try PictureRecipe.InputFile(path: path)
        self.weight = weight
        self.allowsUnmatched = allowsUnmatched ? true : nil
    }

    /// The file's name without its ending, as prompts call it.
    public var name: String { URL(filePath: file.path).deletingPathExtension().lastPathComponent }
}

extension StableDiffusion {
    /// The adapters of a recipe, ready for a pass; nil where there are none.
    ///
    /// - Throws: the errors of the files; `AdapterError` for what does not fit the model.
    public func adapters(_ uses: [AdapterUse]) throws -> AdapterStack? {
        guard !uses.isEmpty else { return nil }
        let entries = try uses.map { use in
            let adapter = try Adapter(
                path: use.file.path, modules: modules, allowsUnmatched: use.allowsUnmatched ?? false)
            // A calibrated slider's weights are in its own unit.
            try use.checkScale(adapter.sliderNote)
            return StackEntry(
                adapter, weight: use.weight * adapter.unit,
                schedule: try use.schedule?.schedule(
                    timesteps: scheduler.trainTimesteps, of: use.name)
                    ?? adapter.schedule(timesteps: scheduler.trainTimesteps),
                gains: (use.gains ?? []).map { LayerGain($0.part, $0.gain) }, rows: use.rows,
                region: try use.region?.regionMask(use.name), word: use.region?.wordRegion,
                isLocked: use.region?.lock ?? false)
        }
        return try AdapterStack(entries, sites: sites)
    }
}

extension AdapterUse {
    /// Refuses scales beyond what the file of a calibrated slider declares; 0 is always one.
    fileprivate func checkScale(_ note: SliderNote?) throws {
        guard let note, let unit = note.unit else { return }
        guard note.range.count == 2, note.range[0] < note.range[1], unit.isFinite else {
            throw GenerationError(
                file.path, expected: "a slider with a rising range of two scales and a finite unit",
                found: "\(note.range), \(unit)")
        }
        guard weight == 0 || (note.range[0]...note.range[1]).contains(weight) else {
            throw GenerationError(
                name, expected: "a scale from \(note.range[0]) to \(note.range[1]), as the slider's file declares",
                found: "\(weight)")
        }
    }
}
