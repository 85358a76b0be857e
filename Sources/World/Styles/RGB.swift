/// A colour of a style's arithmetic: red, green and blue in 0...1.
typealias RGB = SIMD3<Float>

extension RGB {
    init(hex: UInt32) {
        self.init(Float((hex >> 16) & 255) / 255, Float((hex >> 8) & 255) / 255, Float(hex & 255) / 255)
    }

    var luminance: Float { 0.2126 * x + 0.7152 * y + 0.0722 * z }

    func mixed(with other: RGB, _ amount: Float) -> RGB { self + (other - self) * amount }

    /// Away from grey of the same luminance; 1 changes nothing.
    func saturated(_ factor: Float) -> RGB {
        let grey = RGB(repeating: luminance)
        return (grey + (self - grey) * factor).clamped(lowerBound: .zero, upperBound: .one)
    }
}
