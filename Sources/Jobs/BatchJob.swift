public import Generation
public import Recipes

/// One job of a list: a picture to draw, one to draw again in a style, or an adapter to train. What is missing is the
/// template's, then the model's own.
public struct BatchJob: Codable, Sendable, Hashable {
    /// A slider or any adapter, by name or file.
    public struct Adapter: Codable, Sendable, Hashable {
        public var name: String
        /// 1 when nil.
        public var scale: Double?
        public var start: Double?
    }

    /// Where the output goes, relative to the folder of the run; `00012.png` from the job's number when nil.
    public var output: String?
    public var prompt: String?
    public var negativePrompt: String?
    public var steps: Int?
    public var cfgScale: Double?
    public var seed: UInt64?
    public var rng: NoiseSource?
    public var width: Int?
    public var height: Int?
    public var sampler: String?
    public var schedule: String?
    public var eta: Float?
    public var guidanceRescale: Double?
    public var clipSkip: Int?
    public var sliders: [Adapter]?
    public var styles: [StackFile.Style]?
    public var directions: [ConceptDirection]?
    /// A stack file, from the folder of the list.
    public var stack: String?
    /// A picture to begin with, from the folder of the list.
    public var input: String?
    /// How an input is drawn again: `inversion` (when nil) or `sdedit`.
    public var method: Stylization.Method?
    public var strength: Double?
    public var refinements: Int?

    /// What is trained, from `recipe`; nil for pictures.
    public var train: TrainingKind?
    /// A recipe file, from the folder of the list.
    public var recipe: String?

    /// Values by their places: of the recipe for a job that trains (`network.rank`), of the job itself for a picture
    /// (`styles.0.strength`).
    public var set: [String: RecipeSetting]?

    public enum TrainingKind: String, Codable, Sendable, CaseIterable { case slider, pair, lora }

    public init() {}

    /// The job with the template's values where it has none.
    public func filled(from template: BatchJob) -> BatchJob {
        var job = self
        func fill<Value>(_ key: WritableKeyPath<BatchJob, Value?>) {
            if job[keyPath: key] == nil { job[keyPath: key] = template[keyPath: key] }
        }
        fill(\.prompt)
        fill(\.negativePrompt)
        fill(\.steps)
        fill(\.cfgScale)
        fill(\.seed)
        fill(\.rng)
        fill(\.width)
        fill(\.height)
        fill(\.sampler)
        fill(\.schedule)
        fill(\.eta)
        fill(\.guidanceRescale)
        fill(\.clipSkip)
        fill(\.sliders)
        fill(\.styles)
        fill(\.directions)
        fill(\.stack)
        fill(\.input)
        fill(\.method)
        fill(\.strength)
        fill(\.refinements)
        fill(\.train)
        fill(\.recipe)
        if let given = template.set { job.set = given.merging(job.set ?? [:]) { _, own in own } }
        return job
    }

    /// What acts beside the request, by name.
    struct Makings: Hashable, Sendable {
        var sliders: [Adapter]
        var styles: [StackFile.Style]
        var directions: [ConceptDirection]
        var stack: String?
    }

    var makings: Makings {
        Makings(sliders: sliders ?? [], styles: styles ?? [], directions: directions ?? [], stack: stack)
    }
}
