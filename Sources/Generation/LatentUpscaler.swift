#if canImport(Glibc)
    internal import Glibc
#elseif canImport(Musl)
    internal import Musl
#endif
public import TensorCore

/// A way to resize latents. The names are those of A1111 and stable-diffusion.cpp.
public enum LatentUpscaler: String, Sendable, CaseIterable, Codable {
    case bilinear = "Latent"
    case nearest = "Latent (nearest)"
    case nearestExact = "Latent (nearest-exact)"
    case bicubic = "Latent (bicubic)"

    /// - Parameter name: in any case; `bilinear` or `latent-bilinear` for `Latent` and so on.
    /// - Throws: `GenerationError` with the names that are known.
    public static func find(_ name: String) throws(GenerationError) -> LatentUpscaler {
        func plain(_ text: String) -> String {
            let letters = text.lowercased().filter { $0.isLetter }
            return letters.hasPrefix("latent") ? String(letters.dropFirst(6)) : letters
        }
        let wanted = plain(name) == "bilinear" ? "" : plain(name)
        guard let found = allCases.first(where: { plain($0.rawValue) == wanted }) else {
            throw GenerationError(
                "upscaler", expected: "one of \(allCases.map(\.rawValue).joined(separator: ", "))",
                found: "\"\(name)\"")
        }
        return found
    }

    /// Resizes rows, then columns.
    ///
    ///     out = R x Cᵀ
    ///
    /// - Parameter x: `[batch, channels, h, w]`.
    /// - Returns: `[batch, channels, height, width]`.
    /// Follows torch `interpolate` with `align_corners=False` and without antialiasing; bicubic with a = -0.75.
    public func callAsFunction(_ x: Tensor, height: Int, width: Int) -> Tensor {
        let rows = matrix(from: x.size(2), to: height)
        let columns = matrix(from: x.size(3), to: width)
        let planes = x.contiguous().reshaped([x.size(0) * x.size(1), x.size(2), x.size(3)])
        return matmul(matmul(rows, planes), columns.transposed(0, 1))
            .reshaped([x.size(0), x.size(1), height, width])
    }

    /// Row i holds how much each source element counts in output element i.
    private func matrix(from source: Int, to target: Int) -> Tensor {
        var values = [Float](repeating: 0, count: source * target)
        let scale = Double(source) / Double(target)
        for i in 0..<target {
            for (j, weight) in taps(at: i, scale: scale) {
                values[i * source + min(max(j, 0), source - 1)] += Float(weight)
            }
        }
        return Tensor(values, shape: [target, source])
    }

    private func taps(at i: Int, scale: Double) -> [(Int, Double)] {
        let position = (Double(i) + 0.5) * scale - 0.5
        switch self {
        case .nearest: return [(Int(Double(i) * scale), 1)]
        case .nearestExact: return [(Int((Double(i) + 0.5) * scale), 1)]
        case .bilinear:
            let position = max(position, 0)
            let first = Int(position)
            let share = position - Double(first)
            return [(first, 1 - share), (first + 1, share)]
        case .bicubic:
            let first = Int(floor(position))
            let t = position - Double(first)
            return [
                (first - 1, Self.cubic(1 + t)), (first, Self.cubic(t)), (first + 1, Self.cubic(1 - t)),
                (first + 2, Self.cubic(2 - t)),
            ]
        }
    }

    /// Keys' convolution kernel at a distance from 0 to 2.
    private static func cubic(_ x: Double) -> Double {
        let a = -0.75
        return x <= 1
            ? ((a + 2) * x - (a + 3)) * x * x + 1
            : ((a * x - 5 * a) * x + 8 * a) * x - 4 * a
    }
}
