public import Adapters
import DiffusionModels
public import Imaging
import TensorCore

/// How a picture is drawn again in another style.
public struct Stylization: Codable, Sendable, Hashable {
    public enum Method: String, Codable, Sendable, CaseIterable {
        /// The picture gets fresh noise and is drawn again from there (SDEdit, arXiv 2108.01073).
        case sdedit
        /// The noise is found from which the model draws the picture (DDIM inversion).
        case inversion
    }

    public var method: Method
    /// How much of the way is done again, above 0 up to 1.
    public var strength: Double
    /// Of each step of an inversion.
    public var refinements: Int

    public init(method: Method = .inversion, strength: Double = 0.6, refinements: Int = 1) {
        self.method = method
        self.strength = strength
        self.refinements = refinements
    }

    /// The size in which a picture is drawn: its proportions, the shorter side being the model's own, in multiples that
    /// every level of the UNet can halve.
    public func size(of image: Image, for model: StableDiffusion) -> (width: Int, height: Int) {
        let unit = model.sizeUnit
        let scale = Double(model.defaultSize) / Double(min(image.width, image.height))
        func side(_ length: Int) -> Int {
            min(max(Int((Double(length) * scale / Double(unit)).rounded()), 1) * unit, 4096 / unit * unit)
        }
        return (side(image.width), side(image.height))
    }

    var inversion: Inversion? { method == .inversion ? Inversion(refinements: refinements) : nil }
}

extension StableDiffusion {
    /// The pixels that every side of a picture is a multiple of, for feature maps that halve evenly.
    public var sizeUnit: Int { latentFactor << (unet.configuration.blockOutChannels.count - 1) }
}

extension PictureRecipe {
    /// Lets the picture begin with another one.
    ///
    /// An inversion is drawn by DDIM, and without plain guidance unless `guidanceScale` is set afterwards: the noise was
    /// found for the prompt alone.
    public mutating func start(from picture: InputFile, _ stylization: Stylization) {
        start = Start(
            picture: picture, mask: nil, strength: stylization.strength, inversion: stylization.inversion)
        guard stylization.method == .inversion else { return }
        request.sampler = "ddim"
        request.guidanceScale = 1
    }

    /// The picture of the recipe, and the recipe with what came out noted.
    ///
    /// - Parameters:
    ///   - stack: the recipe's adapters, where they are read already.
    ///   - inverted: of the picture that it begins with, where it was found before.
    ///   - inversions: where it is looked up, and kept; nil finds it anew.
    ///   - isStopped: asked between steps; a drawing that is stopped gives nil.
    public func drawn(
        by model: StableDiffusion, stack: AdapterStack?, inverted: InvertedPicture? = nil,
        inversions: InversionStore? = nil, isStopped: () -> Bool = { false }
    ) throws -> (picture: Image, recipe: PictureRecipe)? {
        struct Stopped: Error {}
        var inverted = inverted
        do {
            inverted = try inverted ?? self.inverted(by: model, inversions) { _ in if isStopped() { throw Stopped() } }
        } catch is Stopped {
            return nil
        }
        var denoising = try denoising(with: model, stack: stack, inverted: inverted)
        while !denoising.isComplete {
            if isStopped() { return nil }
            denoising.advance()
        }
        let picture = try denoising.picture()
        var noted = self
        noted.note(denoising)
        return (picture, noted)
    }
}
