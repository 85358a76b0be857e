import Drawing
import Imaging
import Testing

@Suite struct HeatMapTests {
    /// White at zero, bluer above, redder below, grey where there is no number; the same drawing gives the same bytes.
    @Test func colors() {
        let map = HeatMap([[0, 1, -1, .nan]], cellWidth: 40, cellHeight: 40)
        let image = map.draw()
        #expect(image == map.draw())
        let row = (0..<4).map { image[24 + 40 * $0 + 20, 36] }
        #expect(row[0] == (255, 255, 255))
        #expect(row[1].blue > row[1].red && row[1].red < 100)
        #expect(row[2].red > row[2].blue)
        #expect(row[3].red == row[3].green && row[3].green == row[3].blue && row[3].red < 230)
    }

    @Test func labelsMakeRoom() {
        let bare = HeatMap([[1, 2], [3, 4]]).draw()
        let named = HeatMap(
            [[1, 2], [3, 4]], rowLabels: ["a long name", "b"], columnLabels: ["a long name", "b"], title: "title",
            xLabel: "x", yLabel: "y"
        ).draw()
        #expect(named.width > bare.width && named.height > bare.height)
        #expect(HeatMap([]).draw().width > 0)
    }
}
