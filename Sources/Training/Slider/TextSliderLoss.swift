public import Adapters
public import Layers
public import TensorCore

/// The four prompts of an entry of a text slider, in the form in which its network reads them.
public struct ConceptTexts<Text: Sendable>: Sendable {
    /// What the slider is to change.
    public var target: Text
    public var positive: Text
    public var opposite: Text
    public var neutral: Text

    public init(target: Text, positive: Text, opposite: Text, neutral: Text) {
        self.target = target
        self.positive = positive
        self.opposite = opposite
        self.neutral = neutral
    }
}

/// The loss of a text slider at some latents (Concept Sliders, arXiv 2311.12092, eq. 7):
///
///     y = e0(neutral) + g · (e0(positive) - e0(opposite))
///     loss = mean (e₊₁(target) - y)²
///
/// `e0` is the frozen network with whatever else stands in the slider's stack, `e₊₁` the network with the slider at scale
/// 1. Taught in both directions, the slider at -1 learns the same with the sign of `g` turned, at half the weight each.
public struct TextSliderLoss: Sendable {
    /// `g`: positive to enhance, negative to erase.
    public var guidanceScale: Double
    public var directions: SliderRecipe.Stage.Directions
    /// Of the tracked predictions.
    public var checkpointing: CheckpointPolicy

    public init(
        guidanceScale: Double, directions: SliderRecipe.Stage.Directions = .positive,
        checkpointing: CheckpointPolicy = .none
    ) {
        self.guidanceScale = guidanceScale
        self.directions = directions
        self.checkpointing = checkpointing
    }

    /// - Parameters:
    ///   - slider: a stack whose first entry is the slider, with tracked tensors.
    ///   - predict: the network's predictions at the same latents, one for each text.
    public func callAsFunction<Text>(
        _ texts: ConceptTexts<Text>, _ slider: AdapterStack, predict: ([Text], Pass) -> [Tensor]
    ) -> Tensor {
        let frozenPass = Pass(adaptation: slider.withoutFirst)
        let frozen = predict([texts.neutral, texts.positive, texts.opposite], frozenPass).map(\.detached)
        let step = guidanceScale * (frozen[1] - frozen[2])
        func side(_ scale: Double) -> Tensor {
            let pass = Pass(adaptation: slider.scaled(scale), checkpointing: checkpointing)
            return meanSquaredError(predict([texts.target], pass)[0], frozen[0] + scale * step)
        }
        return directions == .positive ? side(1) : 0.5 * (side(1) + side(-1))
    }
}
