import Imaging
import Testing

@Suite struct GeometryTests {
    @Test(arguments: ResizeFilter.allCases)
    func flatColorsStayFlat(filter: ResizeFilter) {
        let flat = Image(width: 37, height: 11, filledWith: (3, 127, 255))
        for (width, height) in [(1, 1), (5, 40), (64, 3), (37, 12), (36, 11)] {
            #expect(
                flat.resized(width: width, height: height, filter: filter)
                    == Image(width: width, height: height, filledWith: (3, 127, 255)))
        }
    }

    @Test(arguments: ResizeFilter.allCases)
    func sameSizeIsTheSamePicture(filter: ResizeFilter) {
        // A change of one axis alone passes the other through the table of the identity.
        let image = sample()
        #expect(image.resized(width: 23, height: 17, filter: filter) == image)
        var rows = Image(width: 4, height: 17)
        for y in 0..<17 { for x in 0..<4 { rows[x, y] = image[0, y] } }
        let narrowed = rows.resized(width: 2, height: 17, filter: filter)
        for y in 0..<17 { #expect(narrowed[1, y] == image[0, y]) }
    }

    @Test func areaIsTheMeanOfWhatAPixelCovers() {
        let image = sample(width: 12, height: 8)
        let half = image.resized(width: 6, height: 4, filter: .area)
        for y in 0..<4 {
            for x in 0..<6 {
                let reds = [(0, 0), (1, 0), (0, 1), (1, 1)].map { Int(image[2 * x + $0.0, 2 * y + $0.1].red) }
                #expect(abs(Double(half[x, y].red) - Double(reds.reduce(0, +)) / 4) <= 0.5001)
            }
        }
        // 3 -> 2: the middle pixel is shared by halves, (x0 + x1 / 2) / 1.5.
        var three = Image(width: 3, height: 1, filledWith: (0, 0, 0))
        three[0, 0] = (90, 0, 0)
        three[1, 0] = (30, 30, 0)
        #expect(three.resized(width: 2, height: 1, filter: .area)[0, 0] == (70, 10, 0))
        #expect(three.resized(width: 2, height: 1, filter: .area)[1, 0] == (10, 10, 0))
    }

    @Test func bilinearInterpolatesBetweenCentres() {
        var two = Image(width: 2, height: 1, filledWith: (0, 0, 0))
        two[1, 0] = (200, 100, 40)
        let four = two.resized(width: 4, height: 1, filter: .bilinear)
        #expect((0..<4).map { Int(four[$0, 0].red) } == [0, 50, 150, 200])
    }

    /// Pillow, `Image.resize((4, 3), LANCZOS)` and `BILINEAR` of the 9x7 picture, red channel.
    @Test func agreesWithPillow() {
        var image = Image(width: 9, height: 7)
        for y in 0..<7 {
            for x in 0..<9 { image[x, y] = (UInt8((x * x * 31 + y * 57 + x * y * 13) % 256), 0, 0) }
        }
        func reds(_ width: Int, _ height: Int, _ filter: ResizeFilter) -> [Int] {
            let resized = image.resized(width: width, height: height, filter: filter)
            return stride(from: 0, to: resized.pixels.count, by: 3).map { Int(resized.pixels[$0]) }
        }
        // Pillow rounds, and where Lanczos overshoots clamps, to 8 bits between its two passes.
        for (found, pillow, tolerance) in [
            (reds(4, 3, .bilinear), pillowBilinearDown, 1), (reds(4, 3, .lanczos3), pillowLanczosDown, 1),
            (reds(13, 9, .lanczos3), pillowLanczosUp, 4),
        ] {
            #expect(found.count == pillow.count)
            let difference = zip(found, pillow).map { abs($0 - $1) }.max() ?? .max
            #expect(difference <= tolerance)
        }
    }

    @Test func cropsCutTheRightPixels() {
        let image = sample()
        let crop = image.cropped(x: 3, y: 5, width: 4, height: 2)
        #expect((crop.width, crop.height) == (4, 2))
        #expect(crop[0, 0] == image[3, 5])
        #expect(crop[3, 1] == image[6, 6])
        #expect(image.centerCropped(width: 2, height: 3)[0, 0] == image[10, 7])
        #expect(image.centerCropped(width: 23, height: 17) == image)
    }

    @Test func fillingKeepsProportions() {
        // A circle's bounding box stays square: a wide picture loses its sides only.
        var wide = Image(width: 60, height: 20, filledWith: (0, 0, 0))
        for y in 0..<20 { for x in 20..<40 { wide[x, y] = (255, 255, 255) } }
        #expect(wide.filling(width: 10, height: 10, filter: .area) == Image(width: 10, height: 10))
        let odd = sample(width: 31, height: 57).filling(width: 16, height: 16)
        #expect((odd.width, odd.height) == (16, 16))
    }

    @Test func nearnessIsInDecibels() {
        let grey = Image(width: 8, height: 4, filledWith: (100, 100, 100))
        #expect(grey.peakSignalToNoise(grey) == .infinity)
        // A difference of a tenth of the range is 20 dB.
        let other = Image(width: 8, height: 4, filledWith: (125, 126, 125))
        #expect(abs(grey.peakSignalToNoise(other) - 20) < 0.2)
    }

    @Test func gridsPlacePicturesInReadingOrder() {
        let colors: [(UInt8, UInt8, UInt8)] = [(1, 0, 0), (2, 0, 0), (3, 0, 0), (4, 0, 0), (5, 0, 0)]
        let sheet = grid(of: colors.map { Image(width: 4, height: 3, filledWith: $0) }, columns: 2, padding: 1)
        #expect((sheet.width, sheet.height) == (11, 13))
        #expect([(1, 1), (6, 1), (1, 5), (6, 5), (1, 9)].map { sheet[$0.0, $0.1].red } == [1, 2, 3, 4, 5])
        #expect(sheet[0, 0] == (255, 255, 255))
        #expect(sheet[6, 9] == (255, 255, 255), "the last row is filled up with background")
        #expect(grid(of: [sample()], columns: 8, padding: 0) == sample())
    }
}
