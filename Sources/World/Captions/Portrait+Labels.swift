extension Portrait {
    /// The thresholds behind the words for portraits.
    ///
    /// | attribute | classes by rising value |
    /// |---|---|
    /// | age | child 0.12 young 0.4 middle 0.7 old |
    /// | mood (smile) | sad -0.3 neutral 0.3 smiling 0.75 grinning |
    /// | eyes | closed: openness below 0.15; else size: small 0.22 (none) 0.78 large |
    /// | turn | left -0.45 (none) -0.2 forward 0.2 (none) 0.45 right |
    /// | skin | light 0.3 (none) 0.4 brown 0.65 (none) 0.75 dark |
    /// | hairColor (greyness) | natural 0.2 (none) 0.3 grey 0.7 white |
    /// | hairLength | bald 0.07 (none) 0.1 short 0.38 medium 0.62 long |
    /// | hairTexture | straight 0.3 (none) 0.55 curly |
    /// | beard | none 0.05 (none) 0.12 stubble 0.35 beard 0.75 long |
    /// | lightSide | left -0.45 (none) -0.2 front 0.2 (none) 0.45 right |
    /// | lightTone | cool -0.4 (none) 0.4 warm |
    func label(of attribute: Attribute) -> String? {
        // Short hair disappears under a hat.
        let covered = coversHair
        switch attribute {
        case .presentation: return presentation.rawValue
        case .age: return bin(age, [(0.12, "child"), (0.4, "young"), (0.7, "middle")], otherwise: "old")
        case .mood: return bin(smile, [(-0.3, "sad"), (0.3, "neutral"), (0.75, "smiling")], otherwise: "grinning")
        case .eyes:
            return eyeOpenness < 0.15 ? "closed" : bin(eyeSize, [(0.22, "small"), (0.78, nil)], otherwise: "large")
        case .turn:
            return bin(headTurn, [(-0.45, "left"), (-0.2, nil), (0.2, "forward"), (0.45, nil)], otherwise: "right")
        case .skin:
            return bin(skinTone, [(0.3, "light"), (0.4, nil), (0.65, "brown"), (0.75, nil)], otherwise: "dark")
        case .hairColor:
            guard hairLength >= 0.1, !covered else { return nil }
            return bin(greyness, [(0.2, hairColor.rawValue), (0.3, nil), (0.7, "grey")], otherwise: "white")
        case .hairLength:
            guard !covered else { return nil }
            return bin(
                hairLength, [(0.07, "bald"), (0.1, nil), (0.38, "short"), (0.62, "medium")], otherwise: "long")
        case .hairTexture:
            guard hairLength >= 0.15, !covered else { return nil }
            return bin(hairCurl, [(0.3, "straight"), (0.55, nil)], otherwise: "curly")
        case .beard:
            return bin(
                beard, [(0.05, "none"), (0.12, nil), (0.35, "stubble"), (0.75, "beard")], otherwise: "long")
        case .glasses: return glasses ? "yes" : "no"
        case .hat: return hat.rawValue
        case .hatColor: return hat == .none ? nil : hatColor.rawValue
        case .clothing: return clothing.rawValue
        case .background: return background.rawValue
        case .lightSide:
            return bin(
                lightDirection, [(-0.45, "left"), (-0.2, nil), (0.2, "front"), (0.45, nil)], otherwise: "right")
        case .lightTone: return bin(lightWarmth, [(-0.4, "cool"), (0.4, nil)], otherwise: "warm")
        default: return nil
        }
    }
}
