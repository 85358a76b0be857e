/// The types that one scalar becomes.
protocol RecipeScalar: Sendable {
    /// What a recipe must hold for it, in words.
    static var recipeKind: String { get }
    init?(recipe scalar: RecipeNode.Scalar)
}

extension Bool: RecipeScalar {
    static var recipeKind: String { "true or false" }

    init?(recipe scalar: RecipeNode.Scalar) {
        guard let value = scalar.boolean else { return nil }
        self = value
    }
}

extension String: RecipeScalar {
    static var recipeKind: String { "a text (in quotes where it looks like a number)" }

    init?(recipe scalar: RecipeNode.Scalar) {
        let isOther = scalar.isNull || scalar.boolean != nil || scalar.number != nil
        guard !isOther else { return nil }
        self = scalar.text
    }
}

extension RecipeScalar where Self: FixedWidthInteger {
    static var recipeKind: String {
        Self.bitWidth == Int.bitWidth && Self.isSigned
            ? "a whole number" : "a whole number from \(Self.min) to \(Self.max)"
    }

    init?(recipe scalar: RecipeNode.Scalar) {
        guard let value = scalar.whole(Self.self) else { return nil }
        self = value
    }
}

extension Int: RecipeScalar {}
extension Int8: RecipeScalar {}
extension Int16: RecipeScalar {}
extension Int32: RecipeScalar {}
extension Int64: RecipeScalar {}
extension UInt: RecipeScalar {}
extension UInt8: RecipeScalar {}
extension UInt16: RecipeScalar {}
extension UInt32: RecipeScalar {}
extension UInt64: RecipeScalar {}

extension RecipeScalar where Self: BinaryFloatingPoint {
    static var recipeKind: String { "a finite number" }

    init?(recipe scalar: RecipeNode.Scalar) {
        guard let value = scalar.number, case let converted = Self(value), converted.isFinite else { return nil }
        self = converted
    }
}

extension Double: RecipeScalar {}
extension Float: RecipeScalar {}
