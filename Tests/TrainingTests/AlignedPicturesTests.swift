import Imaging
import TensorCore
import Testing

@testable import Training

/// The rule for pairs of different sizes: the content picture takes the style picture's, the shorter side becomes the
/// resolution, and one square is cut out of both at the same place.
@Suite struct AlignedPicturesTests {
    @Test func `pictures of different sizes meet in the last one's`() {
        var random = TorchGenerator(seed: 1)
        // A gradient shows where a cut was made: each column has its own brightness.
        func picture(_ width: Int, _ height: Int) -> Image {
            var image = Image(width: width, height: height)
            for index in 0..<width * height {
                let value = UInt8(255 * (index % width) / width)
                for channel in 0..<3 { image.pixels[3 * index + channel] = value }
            }
            return image
        }
        let pair = AlignedPictures([picture(30, 90), picture(160, 80)], side: 32)
        #expect(pair.pictures.map(\.width) == [64, 64] && pair.pictures.map(\.height) == [32, 32])
        #expect(pair.originalSizes.map(\.width) == [30, 160] && pair.originalSizes.map(\.height) == [90, 80])
        for _ in 0..<10 {
            let cut = pair.cut(.random, .never, factor: 8, random: &random)
            #expect(cut.x % 8 == 0 && cut.x <= 32 && cut.y == 0)
            let parts = pair.pictures.map { $0.cropped(x: cut.x, y: 0, width: 32, height: 32) }
            let brightness = parts.map { Int($0.pixels[3 * 16]) }
            #expect(abs(brightness[0] - brightness[1]) <= 6, "\(cut): \(brightness)")
        }
        let center = pair.cut(.center, .never, factor: 8, random: &random)
        #expect(center.x == 16 && center.y == 0)
    }
}
