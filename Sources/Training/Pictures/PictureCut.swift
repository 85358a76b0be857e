/// Where and how a training cuts squares out of its pictures.
public struct PictureCut: Sendable, Hashable {
    /// Where along the longer side.
    public enum Crop: String, Codable, Sendable, CaseIterable { case random, center }

    /// Whether left and right are exchanged.
    public enum Mirror: String, Codable, Sendable, CaseIterable {
        case never
        /// Each draw with an even chance.
        case random
        /// As the original of Pair Customization, which mirrors every picture.
        case always
    }

    var x: Int
    var y: Int
    var isMirrored: Bool
}
