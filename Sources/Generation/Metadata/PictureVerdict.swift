public import Adapters
import DiffusionModels
import Foundation
public import Imaging
import Layers
import TensorCore

/// What a picture that was made again has in common with the one that there was.
public enum PictureVerdict: Sendable, Equatable {
    /// The final latents and the picture are the same to the bit.
    case identical
    /// The final latents differ by at most `tolerance`, or where the picture carries none, those that the autoencoder reads
    /// from the two pictures.
    case withinTolerance(largestDifference: Float)
    /// They differ by more; the inputs that are not what the recipe says, if any.
    case different(largestDifference: Float, inputs: [String])

    /// The largest difference of latents that counts as the same picture.
    public static let tolerance: Float = 1e-3
    /// By how many of 255 levels colours of nearly the same latents may differ: more, and the picture was changed.
    static let colorTolerance = 4
}

extension PictureRecipe {
    /// The inputs that are not what the recipe says: the model's bytes, the files it began with, the engine, the device.
    public func changedInputs(modelHash: String, engine: String, device: String? = nil) -> [String] {
        var changed: [String] = []
        if modelHash != self.modelHash {
            changed.append("the model (\(self.modelHash.prefix(10)) then, \(modelHash.prefix(10)) now)")
        }
        var files = [("the starting picture", start?.picture), ("the mask", start?.mask)]
        files += (additions ?? []).map { ("the \($0.role.rawValue)", $0.file) }
        for use in adapters ?? [] {
            files += [("the adapter", use.file), ("the region's mask", use.region?.mask)]
        }
        for (name, file) in files {
            guard let file else { continue }
            let hash = (try? InputFile(path: file.path))?.hash
            if hash != file.hash {
                changed.append("\(name) \(file.path) (\(hash == nil ? "gone" : "another file"))")
            }
        }
        if device != self.device { changed.append("the device (\(self.device ?? "cpu") then, \(device ?? "cpu") now)") }
        if engine != self.engine { changed.append("the engine (\(self.engine) then, \(engine) now)") }
        return changed
    }

    /// The recipe with the adapters that are gone from their paths where files of their names and hashes are now.
    public func located(in folders: StackFolders) -> PictureRecipe {
        var copy = self
        for (number, use) in (adapters ?? []).enumerated() where !FileManager.default.fileExists(atPath: use.file.path)
        {
            let name = URL(filePath: use.file.path).lastPathComponent
            guard let path = try? folders.file(of: name),
                let found = try? AdapterUse(path: path, weight: use.weight).file, found.hash == use.file.hash
            else { continue }
            copy.adapters?[number].file = found
        }
        return copy
    }

    /// Prepares the picture again: the same request from the same files.
    ///
    /// - Parameter inverted: of the picture that it begins with, where it was found before.
    /// - Throws: `ImageError` when a file that the picture began with is gone.
    public func denoising(with model: StableDiffusion, inverted: InvertedPicture? = nil) throws -> Denoising {
        try denoising(with: model, stack: model.adapters(adapters ?? []), inverted: inverted)
    }

    /// - Parameter stack: the recipe's adapters.
    public func denoising(
        with model: StableDiffusion, stack: AdapterStack?, inverted: InvertedPicture? = nil
    ) throws -> Denoising {
        try Denoising(
            request, model: model, startingFrom: startingPicture(), inverted: inverted, pass: Pass(adaptation: stack))
    }

    /// The picture that this one begins with, read from its files.
    func startingPicture() throws -> StartingPicture? {
        try start.map { start in
            StartingPicture(
                try readImage(at: start.picture.path).image, strength: start.strength,
                mask: try start.mask.map { try readImage(at: $0.path).image }, inversion: start.inversion)
        }
    }

    /// Compares a finished trajectory with the picture that carries this recipe.
    ///
    /// - Throws: `GenerationError` for latents or colours that are infinite or NaN.
    public func verdict(
        on image: Image, against denoising: Denoising, model: StableDiffusion, changedInputs: [String]
    ) throws -> PictureVerdict {
        let plain = try denoising.picture()
        guard plain.width == image.width && plain.height == image.height else {
            return .different(largestDifference: .infinity, inputs: changedInputs)
        }
        let compressed = plain == image ? plain : try decodeImage(encodeImage(plain, as: .jpeg)).image
        let again = compressed == image ? compressed : plain
        let hasLatents = Self.hash(of: denoising.latents) == latentsHash
        if hasLatents && again == image { return .identical }
        var inputs = changedInputs
        let difference: Float
        if let known = latents?.largestDifference(from: denoising.latents) {
            difference = known
            let color = zip(again.pixels, image.pixels).map { abs(Int($0) - Int($1)) }.max() ?? 0
            if difference <= PictureVerdict.tolerance && color > (hasLatents ? 0 : PictureVerdict.colorTolerance) {
                inputs.append("the picture itself (colours are up to \(color) of 255 from those of its latents)")
                return .different(largestDifference: difference, inputs: inputs)
            }
        } else {
            let read = model.autoencoder.scaled(
                model.autoencoder.encode(Tensor(images: [image, again]), Pass()).mean
            ).chunked(0, count: 2)
            difference = maximum(abs(read[0] - read[1]).reshaped([1, -1]), axis: 1).item
        }
        return difference <= PictureVerdict.tolerance
            ? .withinTolerance(largestDifference: difference)
            : .different(largestDifference: difference, inputs: inputs)
    }
}
