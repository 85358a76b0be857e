internal import Drawing

/// The colours that one moment of the day gives to sky and ground, before weather.
struct SkyLight {
    /// The sky at the zenith, half-way down, and at the horizon.
    var zenith: Color
    var middle: Color
    var horizon: Color
    /// What the ground's colours are multiplied with.
    var light: Color
    /// 0 by day, 1 in deep night: stars, lit windows.
    var night: Double

    private struct Key {
        let hour: Double
        let sky: SkyLight
    }

    private static func key(
        _ hour: Double, _ zenith: UInt32, _ middle: UInt32, _ horizon: UInt32, _ light: UInt32, night: Double
    ) -> Key {
        Key(
            hour: hour,
            sky: SkyLight(
                zenith: Color(hex: zenith), middle: Color(hex: middle), horizon: Color(hex: horizon),
                light: Color(hex: light), night: night))
    }

    /// Dawn is pink and lilac, sunset orange and crimson, so that the two differ in more than the sun's side.
    private static let keys: [Key] = [
        key(0, 0x0A1030, 0x142048, 0x26386A, 0x48588C, night: 1),
        key(4.2, 0x0C1434, 0x1A2852, 0x34477A, 0x4A5A8E, night: 1),
        key(5.4, 0x3A4684, 0x8A74AC, 0xE6A0B4, 0x8C84AA, night: 0.45),
        key(6.4, 0x6E8CC8, 0xC0A4C8, 0xFBC4BC, 0xD2B4BC, night: 0.08),
        key(7.8, 0x5C98DC, 0x9CC6EC, 0xF4E4D4, 0xF4E8DC, night: 0),
        key(10, 0x3C86DC, 0x7EBCF0, 0xCCE8F8, 0xFFFFFF, night: 0),
        key(14, 0x3C86DC, 0x7EBCF0, 0xCCE8F8, 0xFFFFFF, night: 0),
        key(16.4, 0x4C86CC, 0x9CC0E0, 0xF8E0B4, 0xFFF0D2, night: 0),
        key(17.8, 0x5A6EB0, 0xE0A078, 0xFFC05C, 0xF4B888, night: 0),
        key(18.8, 0x40407C, 0xC05C60, 0xFF8A38, 0xB87C78, night: 0.12),
        key(20, 0x1E2658, 0x4E4480, 0x9A6488, 0x6C689C, night: 0.6),
        key(21.4, 0x0C1434, 0x1A2852, 0x34447A, 0x4A5A8E, night: 1),
        key(24, 0x0A1030, 0x142048, 0x26386A, 0x48588C, night: 1),
    ]

    /// The sky at `hour` 0..<24, linear between key moments.
    static func at(hour: Double) -> SkyLight {
        let hour = wrap(hour, 24)
        let next = keys.firstIndex { $0.hour > hour } ?? keys.count - 1
        let (a, b) = (keys[next - 1], keys[next])
        let t = (hour - a.hour) / (b.hour - a.hour)
        return SkyLight(
            zenith: a.sky.zenith.mixed(with: b.sky.zenith, t), middle: a.sky.middle.mixed(with: b.sky.middle, t),
            horizon: a.sky.horizon.mixed(with: b.sky.horizon, t), light: a.sky.light.mixed(with: b.sky.light, t),
            night: mix(a.sky.night, b.sky.night, t))
    }

    /// The same moment under cloud: colours fade to a grey as bright as they are, and the light dims.
    func clouded(_ cover: Double, storm: Double) -> SkyLight {
        func grey(_ color: Color, _ amount: Double) -> Color {
            color.desaturated(amount).lit(by: Color(1 - 0.22 * amount, 1 - 0.2 * amount, 1 - 0.16 * amount))
                .darker(0.16 * storm)
        }
        let amount = smoothstep(0.35, 1, cover) * 0.8
        return SkyLight(
            zenith: grey(zenith.mixed(with: middle, 0.5 * amount), amount), middle: grey(middle, amount),
            horizon: grey(horizon, amount * 0.75), light: grey(light, amount * 0.6), night: night)
    }
}
