import DiffusionModels
import Interpretability
import Layers
import TensorCore
import TestSupport
import TextModels
import Weights

/// Tiny models with random weights, made in code.
enum TinyModels {
    static let families = ["gpt2", "gpt-neox", "llama", "gemma2", "gemma3", "mamba"]
    static let vocabulary = 40

    static func text(_ family: String, pass: Pass = Pass()) throws -> TracedTextModel {
        let configuration = configuration(family)
        let sites = SiteIndex()
        let (model, _) = try ScopedWeights.load(RandomWeights(seed: 3), root: "", sites: sites) {
            try configuration.model($0)
        }
        return try TracedTextModel(model, configuration, sites: sites, pass: pass)
    }

    static func configuration(_ family: String) -> any LanguageModelConfiguration {
        switch family {
        case "gpt2":
            var c = GPT2Configuration()
            (c.vocabularySize, c.maximumPositions, c.hiddenSize, c.layers, c.heads) = (vocabulary, 32, 16, 3, 4)
            c.initializerRange = 0.4
            return c
        case "gpt-neox":
            var c = GPTNeoXConfiguration()
            (c.vocabularySize, c.maximumPositions, c.hiddenSize, c.layers, c.heads) = (vocabulary, 32, 16, 3, 2)
            (c.intermediateSize, c.initializerRange) = (24, 0.4)
            c.rotary.partialFactor = 0.5
            return c
        case "llama":
            var c = LlamaConfiguration()
            (c.vocabularySize, c.maximumPositions, c.hiddenSize, c.layers, c.heads) = (vocabulary, 32, 16, 3, 4)
            (c.intermediateSize, c.keyHeads, c.headDimension, c.initializerRange) = (24, 2, 4, 0.4)
            return c
        case "mamba":
            var c = MambaConfiguration()
            (c.vocabularySize, c.hiddenSize, c.layers, c.states, c.initializerRange) = (vocabulary, 16, 3, 4, 0.4)
            return c
        default:
            var c = GemmaConfiguration()
            (c.vocabularySize, c.maximumPositions, c.hiddenSize, c.layers, c.heads) = (vocabulary, 32, 16, 3, 4)
            (c.intermediateSize, c.keyHeads, c.headDimension, c.initializerRange) = (24, 2, 4, 0.4)
            (c.window, c.layerTypes, c.queryScalar) = (3, [.sliding, .full, .sliding], 4)
            if family == "gemma3" { c.modelType = "gemma3_text" } else { (c.scoreCap, c.logitCap) = (50, 30) }
            return c
        }
    }

    /// The logits of prompts without the engine: `[tokens, vocabulary]` each.
    static func logits(_ model: TracedTextModel, _ tokens: [Int]) -> Tensor {
        model.model(TokenBatch([tokens])).logits.selected(0, 0)
    }

    /// - Parameter isXL: whether it reads pooled text and sizes, too: `[3 channels | 6 sizes of 4 waves]`.
    static func unet(isXL: Bool = false) throws -> TracedUNet {
        var c = UNet2DConditionConfiguration()
        if isXL { (c.additionEmbedType, c.additionTimeEmbedDim, c.projectionInputDim) = ("text_time", 4, 27) }
        (c.sampleSize, c.normGroups) = (8, 4)
        c.downBlockTypes = ["CrossAttnDownBlock2D", "DownBlock2D"]
        c.upBlockTypes = ["UpBlock2D", "CrossAttnUpBlock2D"]
        (c.blockOutChannels, c.layersPerBlock, c.crossAttentionDim, c.attentionHeads) = ([8, 16], 1, 6, 2)
        let sites = SiteIndex()
        let configuration = c
        let (model, _) = try ScopedWeights.load(RandomWeights(seed: 5), root: "unet", sites: sites) {
            try UNet2DConditionModel(configuration, weights: $0)
        }
        return TracedUNet(model, sites: sites)
    }

    /// The same with pooled text and sizes.
    static func latentsXL(_ seed: UInt64) -> PromptInput {
        var random = TorchGenerator(seed: seed)
        return PromptInput(
            latents: random.normal([4, 8, 8]), timestep: 500, context: random.normal([5, 6]),
            pooledText: random.normal([3]), sizes: [64, 64, 0, Double(seed), 64, 64])
    }

    /// Latents and a context by seed.
    static func latents(_ seed: UInt64) -> PromptInput {
        var random = TorchGenerator(seed: seed)
        return PromptInput(latents: random.normal([4, 8, 8]), timestep: 500, context: random.normal([5, 6]))
    }
}
