/// What a caption can name about a scene.
public enum Attribute: String, Sendable, Codable, CaseIterable {
    /// `portrait` or `landscape`; every caption implies it.
    case family
    // Portraits
    case presentation, age, mood, eyes, turn, skin, hairColor, hairLength, hairTexture, beard, glasses, hat, hatColor
    case clothing, background, lightSide, lightTone
    // Landscapes
    case terrain, time, partOfDay, weather, weatherStrength, clouds, season, trees, house
}

/// One attribute with the class that a caption gives it, `age = old`.
public struct NamedAttribute: Sendable, Hashable, Codable {
    public let attribute: Attribute
    public let value: String

    public init(_ attribute: Attribute, _ value: String) {
        self.attribute = attribute
        self.value = value
    }
}

extension Scene {
    /// The class of an attribute by fixed thresholds, nil where the scene has no such attribute, where it cannot be
    /// seen, or where its value lies between two classes.
    public func label(of attribute: Attribute) -> String? {
        switch self {
        case .portrait(let portrait): attribute == .family ? "portrait" : portrait.label(of: attribute)
        case .landscape(let landscape): attribute == .family ? "landscape" : landscape.label(of: attribute)
        }
    }

    /// Every attribute that has a class here.
    public var labels: [NamedAttribute] {
        Attribute.allCases.compactMap { attribute in label(of: attribute).map { NamedAttribute(attribute, $0) } }
    }
}

/// The first name whose upper bound lies above `value`; a nil name is a gap between two classes.
func bin(_ value: Double, _ bounds: [(below: Double, name: String?)], otherwise: String?) -> String? {
    for (bound, name) in bounds where value < bound { return name }
    return otherwise
}
