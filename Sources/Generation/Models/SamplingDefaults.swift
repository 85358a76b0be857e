/// What a model is best drawn with, unless the user says otherwise: its `generation_config.json`.
public struct SamplingDefaults: Codable, Sendable, Hashable {
    public var guidanceScale: Double
    public var steps: Int

    /// What most Stable Diffusion users begin with.
    public static let standard = SamplingDefaults(guidanceScale: 7, steps: 20)
    static let fileName = "generation_config.json"

    public init(guidanceScale: Double, steps: Int) {
        self.guidanceScale = guidanceScale
        self.steps = steps
    }

    enum CodingKeys: String, CodingKey {
        case guidanceScale = "guidance_scale"
        case steps = "num_inference_steps"
    }
}
