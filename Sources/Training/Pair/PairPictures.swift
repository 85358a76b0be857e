import DiffusionModels
import Foundation
import Generation
import Imaging
import Layers
import TensorCore

/// The two pictures of a pair in one size, and the latents of their crops.
struct PairPictures: Sendable {
    /// Where and how both pictures are cut.
    struct Cut: Sendable, Hashable {
        var x: Int
        var y: Int
        var isMirrored: Bool
    }

    /// What the encoder finds in one cut of both pictures: `[1, channels, height, width]` each.
    struct Encoded: Sendable {
        let content: DiagonalGaussian
        let style: DiagonalGaussian
    }

    let content: Image
    let style: Image
    /// Width and height of the files, which SDXL is told.
    let contentSize: (width: Int, height: Int)
    let styleSize: (width: Int, height: Int)
    let side: Int

    /// Reads both pictures; see `PairRecipe.Pair` for the rule about sizes.
    ///
    /// - Throws: the errors of files that are missing or no pictures.
    init(_ pair: PairRecipe.Pair, side: Int, relativeTo folder: URL?) throws {
        func read(_ path: String) throws -> Image {
            try readImage(at: path.hasPrefix("/") ? path : folder?.appending(path: path).path ?? path).image
        }
        self.init(content: try read(pair.content), style: try read(pair.style), side: side)
    }

    init(content: Image, style: Image, side: Int) {
        contentSize = (content.width, content.height)
        styleSize = (style.width, style.height)
        self.side = side
        let shorter = min(style.width, style.height)
        func scaled(_ length: Int) -> Int { max(Int((Double(length * side) / Double(shorter)).rounded()), side) }
        let (width, height) = (scaled(style.width), scaled(style.height))
        self.style = style.resized(width: width, height: height, filter: .bilinear)
        self.content = content.resized(width: width, height: height, filter: .bilinear)
    }

    /// A place for both pictures; offsets are whole latents, so that there are few and each is encoded once.
    func cut(_ stage: PairRecipe.Stage, factor: Int, random: inout TorchGenerator) -> Cut {
        func offset(_ length: Int) -> Int {
            let rest = length - side
            guard (stage.crop ?? .random) == .random else { return rest / 2 / factor * factor }
            let places = rest / factor + 1
            return places == 1 ? 0 : factor * random.integers(below: places, count: 1)[0]
        }
        let (x, y) = (offset(style.width), offset(style.height))
        switch stage.mirror ?? .never {
        case .never: return Cut(x: x, y: y, isMirrored: false)
        case .always: return Cut(x: x, y: y, isMirrored: true)
        case .random: return Cut(x: x, y: y, isMirrored: random.integers(below: 2, count: 1)[0] == 1)
        }
    }

    func encoded(_ cut: Cut, by model: StableDiffusion) -> Encoded {
        func distribution(_ picture: Image) -> DiagonalGaussian {
            var part = picture.cropped(x: cut.x, y: cut.y, width: side, height: side)
            if cut.isMirrored { part = part.mirrored() }
            return model.autoencoder.encode(Tensor(images: [part]), Pass())
        }
        return Encoded(content: distribution(content), style: distribution(style))
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
