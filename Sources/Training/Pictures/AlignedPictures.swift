import DiffusionModels
import Generation
import Imaging
import Layers
import TensorCore

/// Pictures that are cut alike: the two of a pair, or one alone.
///
/// All take the size of the last one, scaled so that its shorter side is `side`.
struct AlignedPictures: Sendable {
    let pictures: [Image]
    /// Width and height of the files, which SDXL is told.
    let originalSizes: [(width: Int, height: Int)]
    let side: Int

    /// - Parameter pictures: at least one.
    init(_ pictures: [Image], side: Int) {
        let model = pictures[pictures.count - 1]
        let shorter = min(model.width, model.height)
        func scaled(_ length: Int) -> Int { max(Int((Double(length * side) / Double(shorter)).rounded()), side) }
        let (width, height) = (scaled(model.width), scaled(model.height))
        self.pictures = pictures.map { $0.resized(width: width, height: height, filter: .bilinear) }
        originalSizes = pictures.map { ($0.width, $0.height) }
        self.side = side
    }

    /// A place for all pictures; offsets are whole latents, so that there are few and each is encoded once.
    func cut(
        _ crop: PictureCut.Crop, _ mirror: PictureCut.Mirror, factor: Int, random: inout TorchGenerator
    ) -> PictureCut {
        func offset(_ length: Int) -> Int {
            let rest = length - side
            guard crop == .random else { return rest / 2 / factor * factor }
            let places = rest / factor + 1
            return places == 1 ? 0 : factor * random.integers(below: places, count: 1)[0]
        }
        let (x, y) = (offset(pictures[0].width), offset(pictures[0].height))
        switch mirror {
        case .never: return PictureCut(x: x, y: y, isMirrored: false)
        case .always: return PictureCut(x: x, y: y, isMirrored: true)
        case .random: return PictureCut(x: x, y: y, isMirrored: random.integers(below: 2, count: 1)[0] == 1)
        }
    }

    /// What the encoder finds in one cut of each picture: `[1, channels, height, width]`.
    func encoded(_ cut: PictureCut, by model: StableDiffusion) -> [DiagonalGaussian] {
        pictures.map { picture in
            var part = picture.cropped(x: cut.x, y: cut.y, width: side, height: side)
            if cut.isMirrored { part = part.mirrored() }
            return model.autoencoder.encode(Tensor(images: [part]), Pass())
        }
    }
}

/// The latents of cuts, each encoded once.
struct EncodedCuts: Sendable {
    private var known: [Int: [PictureCut: [DiagonalGaussian]]] = [:]

    /// Latents of the diffusion model's scale, drawn anew from what the encoder found: one for each picture.
    ///
    /// - Parameter number: of the pictures, which tells them from others.
    mutating func latents(
        _ pictures: AlignedPictures, number: Int, _ cut: PictureCut, by model: StableDiffusion,
        random: inout TorchGenerator
    ) -> [Tensor] {
        let found = known[number]?[cut] ?? pictures.encoded(cut, by: model)
        known[number, default: [:]][cut] = found
        return found.map { model.autoencoder.scaled($0.sample(noise: random.normal($0.mean.shape))) }
    }
}

extension Image {
    /// Left and right exchanged.
    func mirrored() -> Image {
        var copy = self
        for y in 0..<height {
            for x in 0..<width { copy[x, y] = self[width - 1 - x, y] }
        }
        return copy
    }
}

extension StableDiffusion {
    /// Refuses a side that the levels of the UNet cannot halve.
    func checkResolution(_ side: Int) throws {
        guard side % sizeUnit == 0 else {
            throw TrainingError.invalidRecipe(
                key: "training.resolution", expected: "a multiple of \(sizeUnit)", found: "\(side)")
        }
    }
}
