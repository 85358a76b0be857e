/// A solver by name, with what must be known to make it.
public struct SamplingMethod: Sendable {
    /// stable-diffusion.cpp's spelling, such as `dpm++2m`.
    public let name: String
    /// For people, such as `DPM++ 2M`.
    public let title: String
    /// Names that do not follow from the others, such as diffusers' class.
    let aliases: [String]
    /// The timestep spacing when the configuration names none.
    let defaultSpacing: TimestepSpacing
    /// Throws when a configuration whose class is this method's means another mode of it.
    let check: @Sendable (SchedulerConfiguration) throws(SamplerError) -> Void
    let solver: @Sendable (SolverContext) throws(SamplerError) -> any Solver

    /// Every method there is.
    public static let all: [SamplingMethod] = [.ddim, .euler, .dpmPlusPlus2M]

    init(
        name: String, title: String, aliases: [String], defaultSpacing: TimestepSpacing,
        check: @escaping @Sendable (SchedulerConfiguration) throws(SamplerError) -> Void = { _ in },
        solver: @escaping @Sendable (SolverContext) throws(SamplerError) -> any Solver
    ) {
        self.name = name
        self.title = title
        self.aliases = aliases
        self.defaultSpacing = defaultSpacing
        self.check = check
        self.solver = solver
    }

    /// Finds a method by its name, title or alias, with the sigma spacing that may follow it.
    ///
    /// Case, spaces, `-` and `_` do not matter, and `pp` is `++`: `DPM++ 2M Karras`, `dpmpp-2m`, `dpmpp_2m_karras`.
    /// - Throws: `SamplerError.unknownMethod` with the known names and, when one is near, a suggestion.
    public static func find(
        _ name: String
    ) throws(SamplerError) -> (method: SamplingMethod, sigmaSpacing: SigmaSpacing?) {
        let wanted = folded(name)
        if let method = all.first(where: { $0.answers(to: wanted) }) { return (method, nil) }
        for spacing in SigmaSpacing.all where wanted.hasSuffix(spacing.name) {
            let stem = String(wanted.dropLast(spacing.name.count))
            if let method = all.first(where: { $0.answers(to: stem) }) { return (method, spacing) }
        }
        throw .unknownMethod(name, known: all.map(\.name), suggestion: suggestion(for: wanted))
    }

    private func answers(to folded: String) -> Bool {
        ([name, title] + aliases).contains { Self.folded($0) == folded }
    }

    private static func folded(_ name: String) -> String {
        name.lowercased().replacing("++", with: "pp").filter { !" _-".contains($0) }
    }

    /// The nearest name, if it takes at most two edits or a third of its letters.
    private static func suggestion(for wanted: String) -> String? {
        all.map { ($0.name, editDistance(Array(wanted), Array(folded($0.name)))) }
            .filter { name, distance in distance <= max(2, name.count / 3) && distance < name.count }
            .min { $0.1 < $1.1 }?.0
    }
}

/// The number of insertions, deletions and substitutions between two words.
private func editDistance(_ a: [Character], _ b: [Character]) -> Int {
    var row = Array(0...b.count)
    for (i, x) in a.enumerated() {
        var diagonal = row[0]
        row[0] = i + 1
        for (j, y) in b.enumerated() {
            let substitution = diagonal + (x == y ? 0 : 1)
            diagonal = row[j + 1]
            row[j + 1] = min(substitution, diagonal + 1, row[j] + 1)
        }
    }
    return row[b.count]
}
