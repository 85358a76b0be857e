public import TensorCore

extension Tensor {
    /// Pixels as `[images, 3, height, width]` in -1...1, channels-last in memory. All images have one size.
    public init(images: [Image]) {
        let (height, width) = (images.first?.height ?? 0, images.first?.width ?? 0)
        precondition(
            images.allSatisfy { $0.width == width && $0.height == height },
            "images of sizes \(images.map { "\($0.width)x\($0.height)" })")
        let bytes = Tensor(images.flatMap(\.pixels), shape: [images.count, height, width, 3])
        self = (bytes.converted(to: .float32) * (2 / 255.0) - 1).permuted([0, 3, 1, 2])
    }

    /// The pictures of `[images, 3, height, width]` in -1...1, rounded as diffusers does.
    ///
    ///     pixel = round_half_even(clamp(x / 2 + 0.5, 0, 1) * 255)
    public func images() -> [Image] {
        precondition(rank == 4 && size(1) == 3, "images: shape \(shape)")
        let scaled = round(clamp(self * 0.5 + 0.5, 0...1) * 255).permuted([0, 2, 3, 1])
        let bytes = scaled.array(of: UInt8.self)
        let stride = size(2) * size(3) * 3
        return (0..<size(0)).map { index in
            Image(width: size(3), height: size(2), pixels: Array(bytes[index * stride..<(index + 1) * stride]))
        }
    }
}
