import Adapters
import ArgumentParser
import DiffusionModels
import Foundation
import Generation
import Layers
import TensorCore
import TextModels
import Training
import Weights

/// `atelier bench slider-step`: one step of the training of a text slider.
struct BenchSliderStep: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "slider-step", abstract: "Time one training step of a text slider with random weights.",
        discussion: """
            A step is the three predictions of the frozen network in one batch, the tracked one, the backward pass and the \
            optimiser's step. The latents have half of the architecture's side unless --latent says otherwise: for sd15 \
            those of a picture of 256x256.
            """)
    @OptionGroup var options: NetworkBenchOptions
    @Option(help: "The rank of the slider.")
    var rank = 4
    @Option(help: "The kind of network: \(SliderTarget.Network.allCases.map(\.rawValue).joined(separator: ", ")).")
    var network: SliderTarget.Network = .c3lier
    @Option(help: "The layers: \(SliderTarget.Method.allCases.map(\.rawValue).joined(separator: ", ")).")
    var method: SliderTarget.Method = .noxattn
    @Flag(help: "Run blocks again in the backward pass instead of keeping them.")
    var checkpointBlocks = false

    func validate() throws {
        guard (1...256).contains(rank) else { throw ValidationError("--rank: expected 1 to 256, found \(rank)") }
    }

    func run() throws {
        let bench = self
        try options.time("slider-step") { try bench.step(&$0) }
    }

    /// A training's step as a function without arguments: the slider goes on learning from call to call.
    private func step(_ random: inout TorchGenerator) throws -> () throws -> Void {
        let (device, sites) = (try options.device.backend(), SiteIndex())
        let configuration = options.arch.unet
        let unet = try UNet2DConditionModel(configuration, weights: options.weights(root: "unet", sites: sites))
        let modules = SliderTarget(network, method).modules(of: try options.arch.modules())
        let untrained = Adapter.untrained(name: "slider", modules: modules, rank: rank, alpha: 1, random: &random)
        let (batch, side) = (options.batch, options.latent ?? configuration.sampleSize / 2)
        let latents = random.normal([batch, configuration.inChannels, side, side])
        let width = options.arch.textEncoders.reduce(0) { $0 + $1.hiddenSize }
        let contexts = (0..<4).map { _ in random.normal([batch, 77, width]) }
        let texts = ConceptTexts(
            target: contexts[0], positive: contexts[1], opposite: contexts[2], neutral: contexts[3])
        var added: AddedConditioning?
        if configuration.additionEmbedType != nil {
            added = AddedConditioning(pooledText: random.normal([1, 1280]), timeIDs: random.normal([1, 6]))
        }
        let loss = TextSliderLoss(guidanceScale: 4, checkpointing: .ofAdapters(runningBlocksAgain: checkpointBlocks))
        var learner = Learner(
            parameters: untrained.parameters.mapValues { ($0.converted(to: .float32) + 0).moved(to: device) },
            recipe: OptimizerRecipe(learningRate: 2e-4), totalSteps: 1000, random: random)
        return { [added] in
            let leaves = learner.parameters.mapValues { $0.tracked() }
            let slider = try AdapterStack(
                [StackEntry(untrained.replacing(parameters: leaves), isTrainable: true)], sites: sites)
            let value = loss(texts, slider) { texts, pass in
                let rows = texts.count * batch
                let repeated = added.map {
                    AddedConditioning(
                        pooledText: $0.pooledText?.expanded(to: [rows, 1280]),
                        timeIDs: $0.timeIDs?.expanded(to: [rows, 6]))
                }
                return unet(
                    concatenated([Tensor](repeating: latents, count: texts.count), axis: 0),
                    timesteps: Tensor([Float](repeating: 500, count: rows)), context: concatenated(texts, axis: 0),
                    added: repeated, pass
                ).chunked(0, count: texts.count)
            }
            let found = gradients(of: value)
            try learner.update(gradients: leaves.compactMapValues { found[$0] })
        }
    }
}
