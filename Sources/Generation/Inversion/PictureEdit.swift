import Adapters

extension PictureRecipe {
    /// Lets the recipe draw a real picture again, with what acts in it from some share of the noise on.
    ///
    /// Before anything acts the picture's own way would only be gone back and forth, so it begins where the first of them
    /// starts.
    ///
    /// - Parameters:
    ///   - picture: the real one.
    ///   - start: for sliders and directions that have none of their own, from 0 to 1.
    ///   - strength: how much of the way is done again; nil as much as something acts in.
    public mutating func edit(
        _ picture: InputFile, _ inversion: Inversion, start: Double, strength: Double? = nil
    ) {
        // A style's adapter acts in its own rows alone, which have a start of their own.
        adapters = adapters?.map { use in
            guard use.styleBranch == nil, use.schedule == nil else { return use }
            var use = use
            use.schedule = StackSchedule(start: start)
            return use
        }
        request.directions = request.directions?.map { direction in
            var direction = direction
            direction.start = direction.start ?? start
            return direction
        }
        let starts =
            (adapters ?? []).filter { $0.styleBranch == nil }.map { $0.schedule?.start ?? 1 }
            + (request.directions ?? []).map { $0.start ?? 1 } + (request.styles ?? []).map(\.start)
        request.sampler = "ddim"
        self.start = Start(
            picture: picture, mask: nil,
            strength: strength ?? Self.strength(reaching: starts.max() ?? start, of: request.steps),
            inversion: inversion)
    }

    /// The smallest strength of so many steps that leaves none out that begins at or below a share of the noise.
    static func strength(reaching share: Double, of steps: Int) -> Double {
        let count = min(max(Int((share * Double(steps)).rounded(.up)), 1), steps)
        let strength = Double(count) / Double(steps)
        return Int(Double(steps) * strength) == count ? strength : strength.nextUp
    }
}
