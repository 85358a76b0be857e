import CImageCodecs
import Glibc

/// How `resized` weighs the source pixels. All but `area` follow Pillow: when shrinking, the kernel is stretched by the
/// scale, so that no source pixel is skipped.
public enum ResizeFilter: Sendable, CaseIterable {
    /// Mean over the exact area that a target pixel covers; best for shrinking, and for counting pixels.
    case area
    /// Triangle of half-width 1.
    case bilinear
    /// `sinc(x) sinc(x / 3)` for `|x| < 3`: the sharpest; may ring at hard edges.
    case lanczos3

    var halfWidth: Double {
        switch self {
        case .area: 0.5
        case .bilinear: 1
        case .lanczos3: 3
        }
    }

    /// The kernel at a distance in units of (possibly stretched) source pixels. Not used for `area`.
    func weight(at x: Double) -> Double {
        switch self {
        case .area: abs(x) < 0.5 ? 1 : 0
        case .bilinear: max(0, 1 - abs(x))
        case .lanczos3: abs(x) < 3 ? Self.sinc(x) * Self.sinc(x / 3) : 0
        }
    }

    private static func sinc(_ x: Double) -> Double {
        x == 0 ? 1 : sin(.pi * x) / (.pi * x)
    }
}

/// For each target position along one axis: `taps` weights for the source positions from `first` on, summing to 1.
struct ResampleTable {
    var taps = 0
    var first: [Int32] = []
    var weights: [Float] = []

    init(from source: Int, to target: Int, filter: ResizeFilter) {
        let scale = Double(source) / Double(target)
        let reach = filter.halfWidth * max(1, scale)
        let windows = (0..<target).map { i -> (first: Int, weights: [Double]) in
            let center = (Double(i) + 0.5) * scale
            // `area` covers what the target pixel covers, also when that is less than one source pixel.
            let (left, right) =
                filter == .area
                ? (Double(i) * scale, Double(i + 1) * scale) : (center - reach, center + reach)
            let first = max(0, Int(left.rounded(.down)))
            let end = max(first + 1, min(source, Int(right.rounded(.up))))
            let weights = (first..<end).map { j in
                filter == .area
                    ? max(0, min(right, Double(j + 1)) - max(left, Double(j)))
                    : filter.weight(at: (Double(j) + 0.5 - center) / max(1, scale))
            }
            let sum = weights.reduce(0, +)
            return (first, weights.map { $0 / sum })
        }
        taps = windows.reduce(1) { max($0, $1.weights.count) }
        for window in windows {
            // A window that is narrower than the widest is padded with zeros, on the left where the right has no room.
            let start = min(window.first, source - taps)
            let before = window.first - start
            first.append(Int32(start))
            weights += [Float](repeating: 0, count: before) + window.weights.map { Float($0) }
            weights += [Float](repeating: 0, count: taps - before - window.weights.count)
        }
    }
}

extension Image {
    /// The picture at another size, resampled along rows, then along columns, in float; rounded once at the end.
    ///
    ///     out(i) = sum over j of kernel((j + 1/2) - (i + 1/2) scale) x(j),  scale = source / target
    ///
    /// Weights sum to 1, so a flat colour stays what it is, and the same size is the same picture.
    public func resized(width targetWidth: Int, height targetHeight: Int, filter: ResizeFilter = .lanczos3) -> Image {
        precondition(
            targetWidth > 0 && targetHeight > 0,
            "resized: expected a positive size, found \(targetWidth)x\(targetHeight)")
        if targetWidth == width && targetHeight == height { return self }
        let columns = ResampleTable(from: width, to: targetWidth, filter: filter)
        let rows = ResampleTable(from: height, to: targetHeight, filter: filter)
        let across = [Float](unsafeUninitializedCapacity: height * targetWidth * 3) { buffer, count in
            count = height * targetWidth * 3
            guard let out = buffer.baseAddress else { return }
            tk_resample_rows_f32(
                out, pixels, columns.first, columns.weights, columns.taps, height, width, targetWidth)
        }
        let resized = [UInt8](unsafeUninitializedCapacity: targetHeight * targetWidth * 3) { buffer, count in
            count = targetHeight * targetWidth * 3
            guard let out = buffer.baseAddress else { return }
            tk_resample_columns_u8(out, across, rows.first, rows.weights, rows.taps, targetHeight, targetWidth * 3)
        }
        return Image(width: targetWidth, height: targetHeight, pixels: resized)
    }

    /// Scales the picture until it just covers `width` x `height`, keeping its proportions, and cuts the middle out.
    public func filling(width targetWidth: Int, height targetHeight: Int, filter: ResizeFilter = .lanczos3) -> Image {
        let scale = max(Double(targetWidth) / Double(width), Double(targetHeight) / Double(height))
        let covering = resized(
            width: max(targetWidth, Int((Double(width) * scale).rounded())),
            height: max(targetHeight, Int((Double(height) * scale).rounded())), filter: filter)
        return covering.centerCropped(width: targetWidth, height: targetHeight)
    }
}
