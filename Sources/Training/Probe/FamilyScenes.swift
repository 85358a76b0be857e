import World

/// The scenes of one family, numbered.
struct FamilyScenes: Sendable {
    private let sampler: SceneSampler
    /// The place among the family's traits, and the classes, of the choice that takes turns.
    private let turns: (place: Int, classes: Int)?

    /// - Parameter balanced: a choice whose classes come equally often, however rare they are in the world: scene by
    ///   scene the next class's turn.
    init(_ family: SceneFamily, seed: UInt64, balanced: String? = nil) {
        sampler = SceneSampler(seed: seed, portraitShare: family == .portrait ? 1 : 0)
        let traits = Scene.traits(of: family)
        if let place = traits.firstIndex(where: { $0.name == balanced }), case .choice(let classes) = traits[place].kind
        {
            turns = (place, classes.count)
        } else {
            turns = nil
        }
    }

    func scene(_ index: Int) -> Scene {
        guard let turns else { return sampler.sample(index: index) }
        var place = index
        while true {
            let scene = sampler.sample(index: place)
            if scene.traitValues[turns.place] == Double(index % turns.classes) { return scene }
            place += Self.stride
        }
    }

    /// More than a recipe's count of scenes can be, so that those tried for one number are nobody else's.
    private static let stride = 1 << 32
}
