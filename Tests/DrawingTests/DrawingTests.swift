import Imaging
import Testing

@testable import Drawing

@Suite("Canvas")
struct CanvasTests {
    @Test("Fills land where the path says, with the colour's exact bytes")
    func fill() {
        let canvas = Canvas(width: 4, height: 2, background: Color(hex: 0x102030))
        canvas.fill(.rectangle(2, 0, 2, 2), Color(hex: 0xFF8000))
        let background: [UInt8] = [0x10, 0x20, 0x30]
        let orange: [UInt8] = [0xFF, 0x80, 0x00]
        let row = [background, background, orange, orange].flatMap { $0 }
        #expect(canvas.rgb() == row + row)
    }

    @Test("A linear gradient runs from its first to its last colour")
    func linearGradient() {
        let canvas = Canvas(width: 256, height: 1)
        canvas.paint(.horizontal(0, 256, .black, .white))
        let reds = stride(from: 0, to: 768, by: 3).map { canvas.rgb()[$0] }
        #expect(reds[0] <= 1 && reds[255] >= 254)
        #expect(zip(reds, reds.dropFirst()).allSatisfy { $0 <= $1 })
    }

    @Test("An elliptic radial gradient reaches its outer colour at radius and radius times aspect")
    func radialGradient() {
        let canvas = Canvas(width: 64, height: 64)
        let stops: [Paint.Stop] = [.init(0, .black), .init(1, .white)]
        canvas.paint(.radial(center: Point(32, 32), inner: 0, outer: 20, aspect: 0.5, stops: stops))
        func red(_ x: Int, _ y: Int) -> UInt8 { canvas.rgb()[(y * 64 + x) * 3] }
        #expect(red(32, 32) < 20)
        #expect(red(32, 43) == 255 && red(53, 32) == 255)
        #expect(red(43, 32) < 160)
    }

    @Test("A clip confines, and ends with its block")
    func clip() {
        let canvas = Canvas(width: 2, height: 1, background: .black)
        canvas.clipped(to: .rectangle(0, 0, 1, 1)) { canvas.paint(.solid(.white)) }
        #expect(canvas.rgb() == [255, 255, 255, 0, 0, 0])
        canvas.fill(.rectangle(1, 0, 1, 1), .white)
        #expect(canvas.rgb() == [255, 255, 255, 255, 255, 255])
    }

    @Test("Overlaps inside a group do not add up")
    func group() {
        let canvas = Canvas(width: 1, height: 1, background: .black)
        canvas.group(alpha: 0.5) {
            canvas.fill(.rectangle(0, 0, 1, 1), .white)
            canvas.fill(.rectangle(0, 0, 1, 1), .white)
        }
        #expect((127...128).contains(canvas.rgb()[0]))
    }

    @Test("Transforms nest and end with their block")
    func transforms() {
        let canvas = Canvas(width: 8, height: 8, background: .black)
        canvas.translated(4, 4) { canvas.scaled(2, 2) { canvas.fill(.rectangle(0, 0, 1, 1), .white) } }
        canvas.fill(.rectangle(0, 0, 1, 1), .white)
        let lit = (0..<64).filter { canvas.rgb()[$0 * 3] == 255 }
        #expect(lit == [0, 36, 37, 44, 45])
    }

    @Test("Pictures drawn at their own size keep their bytes")
    func picture() {
        let pixels = (0..<3 * 2 * 3).map { UInt8($0 * 13) }
        let canvas = Canvas(width: 3, height: 2)
        canvas.picture(pixels, width: 3, height: 2, 0, 0, displayWidth: 3, smooth: false)
        #expect(canvas.rgb() == pixels)
    }

    @Test("Wrapped lines fit, keep every word, and end in dots when cut")
    func wrapping() {
        let canvas = Canvas(width: 1, height: 1)
        let style = TextStyle(size: 12)
        let text = "an old man with white hair, smiling, in front of a green wall"
        let lines = canvas.wrapped(text, width: 100, style)
        #expect(lines.count > 2)
        #expect(lines.joined(separator: " ") == text)
        #expect(lines.allSatisfy { canvas.textWidth($0, style) <= 100 })
        let cut = canvas.wrapped(text, width: 100, style, maximumLines: 2)
        #expect(cut.count == 2 && cut[1].hasSuffix("..."))
        #expect(canvas.textWidth(cut[1], style) <= 100)
    }

    @Test("A spline passes through its points and stays smooth between them")
    func spline() {
        let canvas = Canvas(width: 40, height: 20, background: .black)
        let points = [Point(5, 15), Point(20, 5), Point(35, 15)]
        canvas.stroke(.smooth(points, closed: false), .white, width: 3)
        for point in points { #expect(canvas.rgb()[(Int(point.y) * 40 + Int(point.x)) * 3] > 150) }
    }
}

@Suite("Sheets and plots")
struct SheetTests {
    private func square(_ level: UInt8) -> Image {
        Image(width: 8, height: 8, pixels: [UInt8](repeating: level, count: 8 * 8 * 3))
    }

    @Test("A sheet shows each picture unchanged and grows with captions and titles")
    func sheet() {
        let cells = [ContactSheet.Cell(square(10)), .init(square(200)), .init(square(90))]
        let plain = ContactSheet(cells, columns: 2, pictureSize: 16).draw()
        for level in [10, 200, 90] as [UInt8] {
            let count = stride(from: 0, to: plain.pixels.count, by: 3).count { start in
                plain.pixels[start..<start + 3].allSatisfy { $0 == level }
            }
            #expect(count == 16 * 16, "level \(level)")
        }
        let captioned = ContactSheet(
            cells.map { .init($0.image, caption: "a caption that needs several lines") }, columns: 2, title: "Title",
            pictureSize: 64
        ).draw()
        let bare = ContactSheet(cells, columns: 2, pictureSize: 64).draw()
        #expect(captioned.width == bare.width && captioned.height > bare.height + 60)
        let titled = ContactSheet(
            rows: [[cells[0], nil]], columnTitles: ["one", "two"], rowTitles: ["row"], pictureSize: 64
        ).draw()
        #expect(titled.width > bare.width)
    }

    @Test("An empty sheet and an empty plot still draw")
    func empty() {
        #expect(ContactSheet([], columns: 3).draw().width > 0)
        #expect(LinePlot([]).draw().width == 720)
    }

    @Test("Linear ticks are round and inside the range")
    func linearTicks() {
        let axis = Axis([0, 87], logarithmic: false, padding: 0)
        #expect(axis.ticks.map(\.label) == ["0", "20", "40", "60", "80"])
        #expect(
            Axis([0.1, 0.3], logarithmic: false, padding: 0).ticks.map(\.label) == [
                "0.10", "0.15", "0.20", "0.25", "0.30",
            ])
        #expect(Axis([0, 60000], logarithmic: false, padding: 0).ticks.map(\.label).last == "60k")
    }

    @Test("Logarithmic ticks are powers of ten, and positions follow the logarithm")
    func logarithmicTicks() {
        let axis = Axis([0.001, 10, 0, -1, .nan], logarithmic: true, padding: 0)
        #expect(axis.ticks.map(\.label) == ["0.001", "0.01", "0.1", "1", "10"])
        #expect(abs(axis.position(0.1) - 0.5) < 1e-9)
        #expect(!axis.shows(0) && !axis.shows(.nan) && axis.shows(3))
    }

    @Test("A falling curve is drawn from the upper left to the lower right")
    func curve() {
        let values = (0..<50).map { 1 - Double($0) / 50 }
        let picture = LinePlot([.init("", values: values)], width: 300, height: 200).draw()
        // The first series' blue: blue well above red.
        func rows(_ columns: Range<Int>) -> [Int] {
            (0..<200).filter { y in
                columns.contains { x in
                    let at = (y * 300 + x) * 3
                    return Int(picture.pixels[at + 2]) - Int(picture.pixels[at]) > 60
                }
            }
        }
        let (left, right) = (rows(70..<80), rows(260..<270))
        #expect(!left.isEmpty && !right.isEmpty)
        #expect((left.max() ?? 0) < (right.min() ?? 0))
    }
}
