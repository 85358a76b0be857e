import World

/// A caption to draw from, with the noise to draw it from.
public struct PictureOrder: Sendable, Hashable {
    public let prompt: String
    public let seed: UInt64

    public init(prompt: String, seed: UInt64) {
        self.prompt = prompt
        self.seed = seed
    }
}

/// Captions that differ in one attribute only, in the order of its values.
struct OrderedCaptions: Sendable {
    let attribute: String
    let trait: String
    let family: SceneFamily
    let captions: [String]
    let seed: UInt64
}

/// What a base model is asked: held-out captions, captions of combinations that it never saw, and rows of captions in
/// the order of one attribute.
struct CaptionTests: Sendable {
    struct Question: Sendable {
        let scene: Scene
        let caption: Caption
        let order: PictureOrder
    }

    let heldOut: [Question]
    let unseen: [Question]
    let ordered: [OrderedCaptions]

    /// - Parameters:
    ///   - seed: of the scenes, another than the training's.
    ///   - count: held-out captions, and as many of unseen combinations.
    ///   - rows: rows of captions for each ordered attribute.
    init(seed: UInt64, count: Int, rows: Int) {
        let seen = SceneSampler(seed: seed, holdingOut: true)
        heldOut = (0..<count).map { index in
            let scene = seen.sample(index: index)
            return Question(scene, CaptionGrammar.caption(for: scene, variation: UInt64(index)), seed: UInt64(index))
        }
        unseen = Self.unseenQuestions(seed: seed &+ 1, count: count)
        ordered = OrderedAttribute.all.flatMap { attribute in
            (0..<rows).map { attribute.captions(seed: seed &+ 2, row: $0) }
        }
    }

    /// Captions that name both halves of a held-out combination, each combination as often as the others.
    private static func unseenQuestions(seed: UInt64, count: Int) -> [Question] {
        let sampler = SceneSampler(seed: seed)
        var waiting: [[Scene]] = HeldOut.all.map { _ in [] }
        let each = (count + HeldOut.all.count - 1) / HeldOut.all.count
        var index = 0
        while waiting.contains(where: { $0.count < each }) {
            let scene = sampler.sample(index: index)
            index += 1
            for (place, combination) in HeldOut.all.enumerated()
            where waiting[place].count < each && combination.contains(scene) {
                waiting[place].append(scene)
            }
        }
        let pairs = zip(HeldOut.all, waiting).flatMap { combination, scenes in scenes.map { (combination, $0) } }
        return pairs.prefix(count).enumerated().map { index, pair in
            let (combination, scene) = pair
            let others = CaptionGrammar.caption(for: scene, variation: UInt64(index)).attributes.map(\.attribute)
            let named = [combination.first.attribute, combination.second.attribute] + others.filter { $0 != .family }
            let caption = CaptionGrammar.caption(for: scene, naming: named, variation: UInt64(index))
            return Question(scene, caption, seed: UInt64(index))
        }
    }
}

extension CaptionTests.Question {
    init(_ scene: Scene, _ caption: Caption, seed: UInt64) {
        self.init(scene: scene, caption: caption, order: PictureOrder(prompt: caption.text, seed: seed))
    }
}

/// An attribute whose words have an order, with a scene for each of them.
private struct OrderedAttribute {
    let attribute: Attribute
    let trait: String
    let family: SceneFamily
    /// Changes a scene to each value, from low to high.
    let settings: [@Sendable (inout Portrait, inout Landscape) -> Void]

    static var all: [OrderedAttribute] {
        [
            OrderedAttribute(
                attribute: .age, trait: "age", family: .portrait,
                settings: [0.05, 0.25, 0.55, 0.9].map { age in { portrait, _ in portrait.age = age } }),
            OrderedAttribute(
                attribute: .mood, trait: "smile", family: .portrait,
                settings: [-0.7, 0, 0.5, 0.9].map { smile in { portrait, _ in portrait.smile = smile } }),
            OrderedAttribute(
                attribute: .time, trait: "hour_of_day", family: .landscape,
                settings: [6.2, 12, 18, 20].map { hour in { _, landscape in landscape.hourOfDay = hour } }),
            OrderedAttribute(
                attribute: .clouds, trait: "cloud_cover", family: .landscape,
                settings: [0.05, 0.3, 0.6, 0.9].map { cover in
                    { _, landscape in
                        landscape.cloudCover = cover
                        landscape.weather = cover < 0.35 ? .clear : .cloud
                    }
                }),
        ]
    }

    /// One row: the same scene, the same further attributes and the same noise under every value.
    func captions(seed: UInt64, row: Int) -> OrderedCaptions {
        let sampler = SceneSampler(seed: seed, portraitShare: family == .portrait ? 1 : 0, holdingOut: true)
        let base = sampler.sample(index: row)
        let others: [Attribute] =
            family == .portrait
            ? [.presentation, [.clothing, .background, .skin][row % 3]]
            : [.terrain, [.season, .trees, .house][row % 3]]
        let texts = settings.map { set -> String in
            let scene: Scene
            switch base {
            case .portrait(var portrait):
                var unused = Landscape()
                set(&portrait, &unused)
                scene = .portrait(portrait)
            case .landscape(var landscape):
                var unused = Portrait()
                set(&unused, &landscape)
                scene = .landscape(landscape)
            }
            return CaptionGrammar.caption(for: scene, naming: others + [attribute], variation: UInt64(row)).text
        }
        return OrderedCaptions(
            attribute: attribute.rawValue, trait: trait, family: family, captions: texts, seed: UInt64(row))
    }
}
