import Foundation
import Imaging
import Interpretability
import TensorCore
import TestSupport
import Testing

/// Pages of instruments: whole, well formed, and without anything from elsewhere.
@Suite struct PageTests {
    /// A page is XML but for its first line and its void elements.
    private func expectWhole(_ page: HTMLPage, _ words: [String]) throws {
        let html = page.html
        #expect(html.hasPrefix("<!doctype html>"))
        for word in words { #expect(html.contains(word), "\(word)") }
        #expect(!html.contains("http"), "a page needs nothing from elsewhere")
        var open: [String] = []
        for part in html.split(separator: "<").dropFirst() {
            let tag = part.prefix { $0 != ">" && $0 != " " && $0 != "\n" }
            #expect(part.contains(">"), "\(part.prefix(40))")
            if tag.hasPrefix("/") {
                #expect(open.popLast() == String(tag.dropFirst()), "\(part.prefix(40))")
            } else if !["!doctype", "meta", "img", "rect/"].contains(String(tag)) {
                open.append(String(tag))
            }
        }
        #expect(open.isEmpty, "\(open)")
    }

    @Test func everyInstrument() throws {
        let model = try PlantedCircuit.model()
        let clean = PromptInput(tokens: [1, 8, 9, 10])
        let pair = try ContrastPair(model, clean: clean, corrupted: PromptInput(tokens: [3, 8, 9, 10]))
        let trace = try CausalTrace(model, clean, subject: 0..<1, corruption: .swap(tokens: [3]))
        let reports: [(any TraceReport, [String])] = [
            (try LogitLens(model, clean), ["#5 1.000", "<th>1 #8</th>"]),
            (try AttentionPatterns(model, clean), ["layer 2, head 0", "<svg", "3 #10 → 0 #1: 1.000"]),
            (try ActivationPatching.tokens(model, pair), ["1.000", "title=\"layer 1, 0 #1\""]),
            (try AttributionPatching.heads(model, pair), ["head 0"]),
            (trace, ["*0 #1", "marks the subject"]),
            (try CausalSummary([trace, trace]), ["last subject token"]),
            (try AttentionKnockout.changes(model, clean, subject: 0..<1), ["non-subject"]),
        ]
        for (report, words) in reports { try expectWhole(report.page(), words) }
        let list = ReportList(reports.map(\.0))
        try expectWhole(list.page(), ["<h1>Traces</h1>"] + reports.flatMap(\.1))
        #expect(try list.page().html == ReportList(reports.map(\.0)).page().html)
        #expect(try ReportList([trace]).page().html == trace.page().html)
    }

    @Test func plainReportsHaveTheirPicture() throws {
        struct Plain: TraceReport {
            var table: String { "a title\n a <b> & \"c\"" }
            func picture() -> Image { Image(width: 3, height: 2) }
        }
        let page = try Plain().page()
        try expectWhole(page, ["<h1>a title</h1>", "a &lt;b&gt; &amp; &quot;c&quot;", "data:image/png;base64,"])
        let start = try #require(page.html.range(of: "base64,")).upperBound
        let data = try #require(Data(base64Encoded: String(page.html[start...].prefix { $0 != "\"" })))
        let (image, _) = try decodeImage([UInt8](data))
        #expect((image.width, image.height) == (3, 2))
    }

    /// A long prompt's attention is one picture, not a hundred thousand squares.
    @Test func manySquares() throws {
        var page = HTMLPage(title: "many")
        let matrix = HTMLMatrix(
            caption: "m", values: [[Double]](repeating: [Double](repeating: 1, count: 400), count: 300), rowNames: [],
            columnNames: [])
        try page.add(gallery: [matrix], orPicture: { Image(width: 3, height: 2) })
        #expect(page.html.contains("data:image/png") && !page.html.contains("<rect"))
        page = HTMLPage(title: "none")
        try page.add(gallery: [matrix])
        #expect(!page.html.contains("<rect"))
    }

    /// Tokens that look like markup stay text.
    @Test func markup() throws {
        let grid = ScoreGrid(
            title: "<script>alert('x')</script>", rows: ["</table>", "\u{7}"], columns: ["&", "\"onclick="],
            values: [[1, -1], [.nan, 0]], rowAxis: "<i>", columnAxis: "b")
        let page = try grid.page()
        try expectWhole(page, ["&lt;script&gt;alert(&#39;x&#39;)", "&lt;/table&gt;", "&quot;onclick="])
        #expect(!page.html.contains("<script") && !page.html.contains("\u{7}"))
        // Above zero blue, below red, what is no number grey.
        for color in ["#16324a", "#b5432a", "#d9d9d9", "#ffffff"] { #expect(page.html.contains(color), "\(color)") }
    }
}
