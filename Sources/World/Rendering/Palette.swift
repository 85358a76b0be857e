internal import Drawing

extension NamedColor {
    /// The colour as cloth.
    var color: Color {
        switch self {
        case .red: Color(hex: 0xC8443F)
        case .orange: Color(hex: 0xE28A3C)
        case .yellow: Color(hex: 0xEBC84E)
        case .green: Color(hex: 0x5A9A55)
        case .teal: Color(hex: 0x3B9C9C)
        case .blue: Color(hex: 0x3F6FB8)
        case .purple: Color(hex: 0x8458A8)
        case .white: Color(hex: 0xF1EEE8)
        case .grey: Color(hex: 0x7D838C)
        }
    }

    /// The colour as a softly lit wall behind somebody.
    var backdrop: Color {
        switch self {
        case .red: Color(hex: 0xD9827A)
        case .orange: Color(hex: 0xEDB27C)
        case .yellow: Color(hex: 0xF2DE90)
        case .green: Color(hex: 0x98C18C)
        case .teal: Color(hex: 0x82C4BE)
        case .blue: Color(hex: 0x86ABDC)
        case .purple: Color(hex: 0xB398CF)
        case .white: Color(hex: 0xF0EDE6)
        case .grey: Color(hex: 0xA3A8AF)
        }
    }
}

/// A colour on a ramp of equally spaced colours, `position` 0...1.
func ramp(_ colors: [Color], _ position: Double) -> Color {
    let scaled = unit(position) * Double(colors.count - 1)
    let index = min(colors.count - 2, Int(scaled))
    return colors[index].mixed(with: colors[index + 1], scaled - Double(index))
}

enum Skin {
    /// From light to dark.
    static func color(_ tone: Double) -> Color {
        ramp([0xFBDCC6, 0xF1C39E, 0xD79F72, 0xA8714A, 0x7A4C31].map { Color(hex: $0) }, tone)
    }
}

extension Portrait {
    /// The hair as seen: the natural colour, then grey, then white, by `greyness`.
    var hairPaint: Color {
        let natural: Color =
            switch hairColor {
            case .black: Color(hex: 0x2B2629)
            case .brown: Color(hex: 0x6B4329)
            case .red: Color(hex: 0xB5512A)
            case .blond: Color(hex: 0xE0B968)
            }
        return ramp([natural, Color(hex: 0x9A9A9C), Color(hex: 0xF0EEEA)], greyness)
    }
}
