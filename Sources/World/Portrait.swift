/// Everything that decides an illustrated head-and-shoulders portrait.
///
/// A pure description: the same value always gives the same picture, and each continuous field moves the pixels
/// smoothly. Values outside a field's range are clamped when drawn.
public struct Portrait: Sendable, Hashable, Codable {
    /// The presentation, drawn through jaw, brows, lips and lashes.
    public enum Presentation: String, Sendable, Codable, CaseIterable { case man, woman }

    /// The hair's natural colour, before greying.
    public enum HairColor: String, Sendable, Codable, CaseIterable { case black, brown, red, blond }

    public enum Hat: String, Sendable, Codable, CaseIterable {
        case none
        /// A knitted cap.
        case beanie
        /// A hat with a wide brim and a band.
        case brim
    }

    public var presentation: Presentation
    /// 0 is a child of eight, 1 a person of eighty-five: face length, wrinkles, bags, brows, and a little grey.
    public var age: Double
    /// -1 sad, 0 neutral, 1 a broad smile that shows teeth.
    public var smile: Double
    /// 0 small, 1 large.
    public var eyeSize: Double
    /// 0 closed, 1 wide open.
    public var eyeOpenness: Double
    /// -1 turned to the picture's left, 1 to its right.
    public var headTurn: Double
    /// 0 light, 1 dark.
    public var skinTone: Double
    public var hairColor: HairColor
    /// 0 the natural colour, 0.5 grey, 1 white.
    public var hairGrey: Double
    /// 0 bald, 0.25 short, 0.5 down to the jaw, 1 far over the shoulders.
    public var hairLength: Double
    /// 0 straight, 1 curly.
    public var hairCurl: Double
    /// 0 shaven, 0.25 stubble, 0.5 a short beard, 1 a long one.
    public var beard: Double
    public var glasses: Bool
    public var hat: Hat
    public var hatColor: NamedColor
    public var clothing: NamedColor
    public var background: NamedColor
    /// -1 the light comes from the picture's left, 1 from its right.
    public var lightDirection: Double
    /// -1 cool and bluish, 1 warm and golden.
    public var lightWarmth: Double
    /// Seeds what no attribute names: proportions within a few per cent, eye colour, the parting, the collar.
    public var detailSeed: UInt64

    /// A plain adult in soft light, to vary from.
    public init(
        presentation: Presentation = .woman, age: Double = 0.3, smile: Double = 0.3, eyeSize: Double = 0.5,
        eyeOpenness: Double = 0.8, headTurn: Double = 0, skinTone: Double = 0.2, hairColor: HairColor = .brown,
        hairGrey: Double = 0, hairLength: Double = 0.5, hairCurl: Double = 0, beard: Double = 0, glasses: Bool = false,
        hat: Hat = .none, hatColor: NamedColor = .red, clothing: NamedColor = .blue, background: NamedColor = .teal,
        lightDirection: Double = -0.4, lightWarmth: Double = 0.2, detailSeed: UInt64 = 0
    ) {
        self.presentation = presentation
        self.age = age
        self.smile = smile
        self.eyeSize = eyeSize
        self.eyeOpenness = eyeOpenness
        self.headTurn = headTurn
        self.skinTone = skinTone
        self.hairColor = hairColor
        self.hairGrey = hairGrey
        self.hairLength = hairLength
        self.hairCurl = hairCurl
        self.beard = beard
        self.glasses = glasses
        self.hat = hat
        self.hatColor = hatColor
        self.clothing = clothing
        self.background = background
        self.lightDirection = lightDirection
        self.lightWarmth = lightWarmth
        self.detailSeed = detailSeed
    }

    /// The grey that is seen, 0...1: the attribute, and some that comes with high age whatever it says.
    ///
    ///     hairGrey + (1 - hairGrey) * 0.3 * smoothstep(0.6, 1, age)
    public var greyness: Double {
        let grey = unit(hairGrey)
        return grey + (1 - grey) * 0.3 * smoothstep(0.6, 1, age)
    }
}

/// The colours that clothes, hats and backgrounds come in.
public enum NamedColor: String, Sendable, Codable, CaseIterable {
    case red, orange, yellow, green, teal, blue, purple, white, grey
}
