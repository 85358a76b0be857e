import Foundation
public import Imaging
public import World

/// Scenes that differ in one attribute only.
public struct WorldLevels: Sendable {
    /// The attribute that differs.
    public let attribute: String
    /// Its values, from the lowest level to the highest.
    public let values: [String]
    private let scenes: [Scene]
    private let style: SceneStyle
    private let size: Int

    /// - Parameters:
    ///   - attribute: `age`, `age=0.1,0.9` or `hat=none,beanie`: values from the lowest level to the highest. Two numbers
    ///     stand for all between them, no value for the ends of the range.
    ///   - scales: of the levels, rising.
    ///   - fixed: attributes that all scenes have; a family may be one of them.
    ///   - count: how many scenes, drawn from the seed.
    /// - Throws: `SceneAttributeError` for what the world does not know.
    public init(
        _ attribute: String, scales: [Double], fixed: [(name: String, value: String)], count: Int, seed: UInt64,
        style: SceneStyle = .plain, size: Int = 128
    ) throws {
        let parts = attribute.split(separator: "=", maxSplits: 1).map(String.init)
        let name = parts.first ?? ""
        let asked = fixed.last { $0.name == "family" }?.value
        let known = Scene.attributes.filter { $0.name == name && (asked == nil || $0.family == asked) }
        guard let info = known.first else {
            throw SceneAttributeError(
                subject: "attribute",
                expected: "one of "
                    + Scene.attributes.filter { asked == nil || $0.family == asked }.map(\.name).joined(separator: ", "),
                found: "'\(name)'")
        }
        guard let family = SceneFamily(rawValue: known.count == 1 ? info.family : asked ?? info.family) else {
            throw SceneAttributeError(subject: "family", expected: "portrait or landscape", found: info.family)
        }
        self.attribute = name
        values = try Self.values(
            parts.count > 1 ? parts[1].split(separator: ",").map(String.init) : [], of: info, scales: scales)
        self.style = style
        self.size = size
        let sampler = SceneSampler(seed: seed, portraitShare: family == .portrait ? 1 : 0)
        let others = fixed.filter { $0.name != "family" }
        scenes = try (0..<count).map { try sampler.sample(index: $0).setting(others) }
        // Every value is tried before anything is drawn.
        for scene in scenes { for value in values { _ = try scene.setting([(name, value)]) } }
    }

    public var count: Int { scenes.count }

    /// The pictures of one scene, in the order of levels.
    public func pictures(_ index: Int) throws -> [Image] {
        try values.map { value in
            World.render(try scenes[index].setting([(attribute, value)]), style: style, size: size)
        }
    }

    private static func values(
        _ given: [String], of info: Scene.AttributeInfo, scales: [Double]
    ) throws -> [String] {
        if given.count == scales.count { return given }
        let ends = (given.isEmpty ? info.expected.components(separatedBy: " to ") : given).map(Double.init)
        guard ends.count == 2, let low = ends[0], let high = ends[1] else {
            throw SceneAttributeError(
                subject: info.name, expected: "\(scales.count) values (of: \(info.expected)), or two numbers",
                found: given.isEmpty ? "none" : given.joined(separator: ","))
        }
        let (first, last) = (scales[0], scales[scales.count - 1])
        return scales.map { "\(low + (high - low) * ($0 - first) / (last - first))" }
    }
}
