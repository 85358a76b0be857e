public import Imaging
private import Foundation

/// Curves over a common horizontal axis, such as losses over steps.
public struct LinePlot: Sendable {
    /// One curve. Points that are not finite (or, on a logarithmic axis, not positive) break the line.
    public struct Series: Sendable {
        public var label: String
        public var points: [(x: Double, y: Double)]
        /// Drawn faint, for raw values behind their smoothed curve.
        public var faint: Bool

        public init(_ label: String, _ points: [(x: Double, y: Double)], faint: Bool = false) {
            self.label = label
            self.points = points
            self.faint = faint
        }

        /// Values at x = 0, 1, 2, ...
        public init(_ label: String, values: [Double], faint: Bool = false) {
            self.init(label, values.enumerated().map { (Double($0.offset), $0.element) }, faint: faint)
        }
    }

    public var title: String
    public var xLabel: String
    public var yLabel: String
    public var series: [Series]
    public var logarithmicY: Bool
    public var logarithmicX: Bool
    public var width: Int
    public var height: Int

    public init(
        _ series: [Series], title: String = "", xLabel: String = "", yLabel: String = "", logarithmicY: Bool = false,
        logarithmicX: Bool = false, width: Int = 720, height: Int = 420
    ) {
        self.series = series
        self.title = title
        self.xLabel = xLabel
        self.yLabel = yLabel
        self.logarithmicY = logarithmicY
        self.logarithmicX = logarithmicX
        self.width = width
        self.height = height
    }

    private static let palette: [Color] = [
        Color(hex: 0x33658A), Color(hex: 0xD1603D), Color(hex: 0x5C8D5A), Color(hex: 0x8E5A9B), Color(hex: 0xC99A2E),
        Color(hex: 0x4C9F9A), Color(hex: 0x8A6552), Color(hex: 0x6B7280),
    ]
    private static let tickStyle = TextStyle(size: 11, color: Color(hex: 0x5B5F68))
    private static let labelStyle = TextStyle(size: 12.5, color: Color(hex: 0x3F434A))

    public func draw() -> Image {
        let canvas = Canvas(width: max(160, width), height: max(120, height), background: Color(hex: 0xFBFAF8))
        let xAxis = Axis(series.flatMap { $0.points.map(\.x) }, logarithmic: logarithmicX, padding: 0)
        let yAxis = Axis(series.flatMap { $0.points.map(\.y) }, logarithmic: logarithmicY, padding: 0.05)
        let widest = yAxis.ticks.map { canvas.textWidth($0.label, Self.tickStyle) }.max() ?? 0
        let left = 22 + widest + (yLabel.isEmpty ? 0 : 22)
        let top = title.isEmpty ? 20.0 : 48.0
        let right = Double(canvas.width) - 22
        let bottom = Double(canvas.height) - (xLabel.isEmpty ? 34 : 54)
        func x(_ value: Double) -> Double { left + xAxis.position(value) * (right - left) }
        func y(_ value: Double) -> Double { bottom - yAxis.position(value) * (bottom - top) }

        canvas.text(title, left, 29, TextStyle(size: 16, color: Color(hex: 0x2B2D31), bold: true))
        let grid = Color(hex: 0xE4E2DC)
        for tick in yAxis.ticks {
            let at = y(tick.value).rounded() + 0.5
            canvas.stroke(.line(left, at, right, at), grid, width: 1)
            canvas.text(tick.label, left - 8, at + 4, Self.tickStyle, anchor: .end)
        }
        for tick in xAxis.ticks {
            let at = x(tick.value).rounded() + 0.5
            canvas.stroke(.line(at, top, at, bottom), grid.opacity(0.7), width: 1)
            canvas.text(tick.label, at, bottom + 17, Self.tickStyle, anchor: .middle)
        }
        let frame = [Point(left, top), Point(left, bottom), Point(right, bottom)]
        canvas.stroke(.polygon(frame, closed: false), Color(hex: 0x9A9C9F), width: 1.2)
        canvas.text(xLabel, (left + right) / 2, Double(canvas.height) - 14, Self.labelStyle, anchor: .middle)
        canvas.text(yLabel, 20, (top + bottom) / 2, Self.labelStyle, anchor: .middle, rotation: -.pi / 2)

        canvas.clipped(to: .rectangle(left, top - 2, right - left + 2, bottom - top + 4)) {
            for (index, curve) in series.enumerated() {
                let color = Self.palette[index % Self.palette.count]
                for run in runs(of: curve, xAxis, yAxis) {
                    if run.count == 1 {
                        canvas.fill(.circle(x(run[0].x), y(run[0].y), 2.4), color)
                    } else {
                        canvas.stroke(
                            .polygon(run.map { Point(x($0.x), y($0.y)) }, closed: false),
                            color.opacity(curve.faint ? 0.28 : 1), width: curve.faint ? 1 : 1.9)
                    }
                }
            }
        }
        drawLegend(on: canvas, right: right, top: top)
        return Image(width: canvas.width, height: canvas.height, pixels: canvas.rgb())
    }

    /// The stretches of a curve between values that cannot be shown.
    private func runs(of curve: Series, _ xAxis: Axis, _ yAxis: Axis) -> [[(x: Double, y: Double)]] {
        var result: [[(x: Double, y: Double)]] = [[]]
        for point in curve.points {
            if xAxis.shows(point.x), yAxis.shows(point.y) {
                result[result.count - 1].append(point)
            } else if result[result.count - 1].isEmpty == false {
                result.append([])
            }
        }
        return result.filter { !$0.isEmpty }
    }

    private func drawLegend(on canvas: Canvas, right: Double, top: Double) {
        let named = series.enumerated().filter { !$0.element.label.isEmpty }
        guard !named.isEmpty else { return }
        let widest = named.map { canvas.textWidth($0.element.label, Self.tickStyle) }.max() ?? 0
        let x = right - widest - 46
        canvas.fill(
            .rectangle(x, top + 6, widest + 40, Double(named.count) * 18 + 8), Color(hex: 0xFBFAF8, alpha: 0.88))
        for (row, item) in named.enumerated() {
            let y = top + 19 + Double(row) * 18
            let color = Self.palette[item.offset % Self.palette.count].opacity(item.element.faint ? 0.4 : 1)
            canvas.stroke(.line(x + 8, y, x + 26, y), color, width: 2.4)
            canvas.text(item.element.label, x + 33, y + 4, Self.tickStyle)
        }
    }
}

/// The range and ticks of one axis: 1, 2 or 5 times a power of ten apart, or the powers themselves.
struct Axis {
    let low: Double
    let high: Double
    let logarithmic: Bool
    let ticks: [(value: Double, label: String)]

    init(_ values: [Double], logarithmic: Bool, padding: Double) {
        self.logarithmic = logarithmic
        let usable = values.filter { $0.isFinite && (!logarithmic || $0 > 0) }.map { logarithmic ? log10($0) : $0 }
        var low = usable.min() ?? 0
        var high = usable.max() ?? 1
        if high - low < 1e-12 * max(1, abs(high)) {
            low -= logarithmic ? 0.5 : max(0.5, abs(low) * 0.1)
            high += logarithmic ? 0.5 : max(0.5, abs(high) * 0.1)
        }
        let margin = (high - low) * padding
        self.low = low - margin
        self.high = high + margin
        ticks = logarithmic ? Self.decades(self.low, self.high) : Self.steps(self.low, self.high)
    }

    func shows(_ value: Double) -> Bool { value.isFinite && (!logarithmic || value > 0) }

    /// 0 at the start of the axis, 1 at its end.
    func position(_ value: Double) -> Double { ((logarithmic ? log10(value) : value) - low) / (high - low) }

    private static func steps(_ low: Double, _ high: Double) -> [(value: Double, label: String)] {
        let raw = (high - low) / 6
        let power = pow(10, floor(log10(raw)))
        let step = power * ([1.0, 2, 5, 10].first { $0 * power >= raw } ?? 10)
        let decimals = max(0, -Int(floor(log10(step) + 1e-9)))
        return stride(from: ceil(low / step - 1e-9), through: floor(high / step + 1e-9), by: 1).map { k in
            (k * step, label(k * step, decimals: decimals))
        }
    }

    private static func decades(_ low: Double, _ high: Double) -> [(value: Double, label: String)] {
        // Less than a decade or two also needs the numbers between the powers.
        let factors = high - low < 1.2 ? [1.0, 2, 3, 5, 7] : high - low < 3 ? [1.0, 2, 5] : [1.0]
        var result: [(Double, String)] = []
        for decade in Int(floor(low))...Int(ceil(high)) {
            for factor in factors {
                let value = factor * pow(10, Double(decade))
                let at = log10(value)
                guard at >= low - 1e-9, at <= high + 1e-9 else { continue }
                result.append((value, label(value, decimals: max(0, -decade))))
            }
        }
        return result
    }

    private static func label(_ value: Double, decimals: Int) -> String {
        if value == 0 { return "0" }
        let magnitude = abs(value)
        if magnitude >= 1e6 || decimals > 5 { return String(format: "%.3g", value) }
        if magnitude >= 1e4, decimals == 0, value.truncatingRemainder(dividingBy: 100) == 0 {
            return String(format: "%gk", value / 1000)
        }
        return String(format: "%.\(decimals)f", value)
    }
}
