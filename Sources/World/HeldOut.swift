/// Combinations that the embedded model never sees in training, so that what it makes of them can be measured.
///
/// Each value stays frequent on its own; only the two together are missing.
public enum HeldOut {
    /// Two classes that never come together.
    public struct Combination: Sendable, Hashable, CustomStringConvertible {
        public let first: NamedAttribute
        public let second: NamedAttribute

        init(_ first: (Attribute, String), _ second: (Attribute, String)) {
            self.first = NamedAttribute(first.0, first.1)
            self.second = NamedAttribute(second.0, second.1)
        }

        public var description: String {
            "\(first.attribute.rawValue)=\(first.value), \(second.attribute.rawValue)=\(second.value)"
        }

        public func contains(_ scene: Scene) -> Bool {
            scene.label(of: first.attribute) == first.value && scene.label(of: second.attribute) == second.value
        }
    }

    public static let all: [Combination] = [
        // Portraits
        Combination((.age, "old"), (.hairColor, "red")),
        Combination((.age, "old"), (.hat, "beanie")),
        Combination((.hairColor, "blond"), (.glasses, "yes")),
        Combination((.beard, "long"), (.hat, "brim")),
        Combination((.clothing, "green"), (.background, "orange")),
        // Landscapes
        Combination((.terrain, "desert"), (.weather, "fog")),
        Combination((.terrain, "sea"), (.season, "autumn")),
        Combination((.terrain, "mountains"), (.time, "sunset")),
        Combination((.weather, "snow"), (.house, "yes")),
    ]

    /// Whether any held-out combination is in `scene`.
    public static func contains(_ scene: Scene) -> Bool { all.contains { $0.contains(scene) } }
}
