import DiffusionModels
import Foundation
@testable import Generation
import Layers
import Samplers
import TensorCore
import TestSupport
import Testing
import TextModels
import Tokenizers
import Weights

/// Checkpoints in one file: names as diffusers' own converters translate them, shapes that tell the configuration.
@Suite struct SingleFileTests {
    /// What diffusers' converters said.
    private struct Golden: Decodable {
        struct Row: Decodable {
            let stored: String
            let shape: [Int]
            let converted: String

            init(from decoder: any Decoder) throws {
                var values = try decoder.unkeyedContainer()
                stored = try values.decode(String.self)
                shape = try values.decode([Int].self)
                converted = try values.decode(String.self)
            }
        }

        struct Values: Decodable {
            let shape: [Int]
            let values: [Float]

            init(from decoder: any Decoder) throws {
                var parts = try decoder.unkeyedContainer()
                shape = try parts.decode([Int].self)
                values = try parts.decode([Float].self)
            }

            var tensor: Tensor { Tensor(values, shape: shape) }
        }

        struct OpenCLIP: Decodable {
            let stored: [String: Values]
            let converted: [String: Values]
        }

        let sd1: [Row]
        let sdxl: [Row]
        let vae: [Row]
        let openclip: OpenCLIP

        static func load() throws -> Golden {
            try JSONDecoder().decode(
                Golden.self, from: Data(contentsOf: URL(filePath: Fixtures.path("single_file.json"))))
        }
    }

    /// Tensors of all-equal elements that take no memory.
    private func standIns(_ rows: [Golden.Row]) -> [String: Tensor] {
        Dictionary(uniqueKeysWithValues: rows.map { ($0.stored, Tensor(scalar: 0).expanded(to: $0.shape)) })
    }

    private func shapes(_ tensors: [String: Tensor]) -> [String: [Int]] { tensors.mapValues(\.shape) }

    /// The text encoder of each family, in stand-ins of the published sizes.
    private func clipL(_ prefix: String) -> [String: Tensor] {
        var tensors: [String: Tensor] = [:]
        func add(_ name: String, _ shape: [Int]) { tensors[prefix + name] = Tensor(scalar: 0).expanded(to: shape) }
        add("text_model.embeddings.token_embedding.weight", [49408, 768])
        add("text_model.embeddings.position_embedding.weight", [77, 768])
        for layer in 0..<12 {
            let path = "text_model.encoder.layers.\(layer)."
            for name in ["q_proj", "k_proj", "v_proj", "out_proj"] {
                add("\(path)self_attn.\(name).weight", [768, 768])
                add("\(path)self_attn.\(name).bias", [768])
            }
            add(path + "mlp.fc1.weight", [3072, 768])
            add(path + "mlp.fc1.bias", [3072])
            add(path + "mlp.fc2.weight", [768, 3072])
            add(path + "mlp.fc2.bias", [768])
            for name in ["layer_norm1", "layer_norm2"] {
                add("\(path)\(name).weight", [768])
                add("\(path)\(name).bias", [768])
            }
        }
        add("text_model.final_layer_norm.weight", [768])
        add("text_model.final_layer_norm.bias", [768])
        return tensors
    }

    private func openCLIP(_ prefix: String, width: Int, layers: Int) -> [String: Tensor] {
        var tensors: [String: Tensor] = [:]
        func add(_ name: String, _ shape: [Int]) { tensors[prefix + name] = Tensor(scalar: 0).expanded(to: shape) }
        add("positional_embedding", [77, width])
        add("text_projection", [width, width])
        add("token_embedding.weight", [49408, width])
        add("ln_final.weight", [width])
        add("ln_final.bias", [width])
        add("logit_scale", [])
        for layer in 0..<layers {
            let path = "transformer.resblocks.\(layer)."
            add(path + "attn.in_proj_weight", [3 * width, width])
            add(path + "attn.in_proj_bias", [3 * width])
            for (name, rows, columns) in [
                ("attn.out_proj", width, width), ("mlp.c_fc", 4 * width, width), ("mlp.c_proj", width, 4 * width),
            ] {
                add("\(path)\(name).weight", [rows, columns])
                add("\(path)\(name).bias", [rows])
            }
            for name in ["ln_1", "ln_2"] {
                add("\(path)\(name).weight", [width])
                add("\(path)\(name).bias", [width])
            }
        }
        return tensors
    }

    private static let vocabulary = URL(filePath: #filePath).deletingLastPathComponent()
        .appending(path: "../../Assets/tokenizers/clip").standardized

    private func model(_ tensors: [String: Tensor], metadata: [String: String] = [:]) throws -> SingleFileModel {
        try SingleFileModel(
            path: "model.safetensors", source: DictionarySource(tensors), shapes: shapes(tensors), metadata: metadata,
            vocabulary: Self.vocabulary)
    }

    @Test func `every key of a UNet and an autoencoder has the name that diffusers gives it, and back`() throws {
        let golden = try Golden.load()
        for rows in [golden.sd1, golden.sdxl] {
            let shapes = StoredShapes(shapes(standIns(rows)), prefix: CheckpointFamily.unetPrefix)
            let table = try KeyTable.ldmUNet(UNet2DConditionConfiguration(ldm: shapes, path: ""))
            for row in rows {
                let key = String(row.stored.dropFirst(CheckpointFamily.unetPrefix.count))
                #expect(table.translated(key) == row.converted)
                #expect(table.inverse.translated(row.converted) == key)
            }
        }
        let shapes = StoredShapes(shapes(standIns(golden.vae)), prefix: "first_stage_model.")
        let table = KeyTable.ldmAutoencoder(
            try AutoencoderKLConfiguration(ldm: shapes, scalingFactor: 0.18215, path: ""))
        for row in golden.vae {
            let key = String(row.stored.dropFirst("first_stage_model.".count))
            #expect(table.translated(key) == row.converted)
            #expect(table.inverse.translated(row.converted) == key)
        }
    }

    @Test func `OpenCLIP's matrices are cut and turned as diffusers does`() throws {
        let golden = try Golden.load().openclip
        let prefix = "conditioner.embedders.1.model."
        var entries: [String: StoredTensor] = [:]
        for key in golden.stored.keys {
            for parameter in OpenCLIPKeys.parameters(of: String(key.dropFirst(prefix.count))) {
                entries[parameter.key] = StoredTensor(key: key, form: parameter.part)
            }
        }
        let source = RenamedSource(DictionarySource(golden.stored.mapValues(\.tensor)), entries)
        #expect(source.keys == Set(golden.converted.keys))
        for (key, expected) in golden.converted {
            let found = try #require(try source.tensor(key, shape: nil, initial: nil))
            #expect(found.shape == expected.shape && found.floats == expected.values, "\(key)")
        }
    }

    @Test func `a Stable Diffusion 1 file tells its configuration`() throws {
        let golden = try Golden.load()
        let tensors = standIns(golden.sd1 + golden.vae)
            .merging(clipL("cond_stage_model.transformer.")) { first, _ in first }
        let model = try model(tensors)
        #expect(model.family == .stableDiffusion1 && model.strayKeys.isEmpty)
        var expected = UNet2DConditionConfiguration()
        expected.crossAttentionDim = 768
        #expect(try model.configuration(UNet2DConditionConfiguration.self, of: "unet").json() == expected.json())
        let autoencoder = try model.configuration(AutoencoderKLConfiguration.self, of: "vae")
        #expect(autoencoder.blockOutChannels == [128, 256, 512, 512] && autoencoder.scalingFactor == 0.18215)
        let text = try model.configuration(CLIPTextConfiguration.self, of: "text_encoder")
        #expect(text.layers == 12 && text.heads == 12 && text.activation == .quickGELU && text.hiddenSize == 768)
        #expect(model.scheduler().className == "PNDMScheduler" && model.scheduler().predictionType == .epsilon)
        // The whole model can be built: every parameter is found in its shape.
        let network = try StableDiffusion(model)
        #expect(network.unusedKeys.isEmpty && network.defaultSize == 512)
    }

    @Test func `an SDXL file tells its configuration`() throws {
        let golden = try Golden.load()
        var tensors = standIns(golden.sdxl + golden.vae)
        tensors.merge(clipL("conditioner.embedders.0.transformer.")) { first, _ in first }
        tensors.merge(openCLIP("conditioner.embedders.1.model.", width: 1280, layers: 32)) { first, _ in first }
        let model = try model(tensors)
        #expect(model.family == .sdxl && model.strayKeys.isEmpty)
        let unet = try model.configuration(UNet2DConditionConfiguration.self, of: "unet")
        #expect(unet.transformerLayersPerBlock == [1, 2, 10] && unet.attentionHeads == [5, 10, 20])
        #expect(unet.downBlockTypes == ["DownBlock2D", "CrossAttnDownBlock2D", "CrossAttnDownBlock2D"])
        #expect(unet.projectionInputDim == 2816 && unet.crossAttentionDim == 2048 && unet.useLinearProjection)
        let text = try model.configuration(CLIPTextConfiguration.self, of: "text_encoder_2")
        #expect(text.layers == 32 && text.heads == 20 && text.activation == .gelu && text.hasProjection)
        #expect(try model.tokenizer("tokenizer_2").padID == 0)
        #expect(try model.tokenizer("tokenizer").padID == 49407)
        let network = try StableDiffusion(model)
        #expect(network.unusedKeys.isEmpty && network.defaultSize == 1024)
        #expect(network.text.defaultClipSkip == 2 && !network.text.appliesFinalNorm)
    }

    @Test func `Stable Diffusion 2 drops a layer, and markers tell what is predicted`() throws {
        let golden = try Golden.load()
        let tensors = Dictionary(
            uniqueKeysWithValues: standIns(golden.sd1 + golden.vae).map { key, tensor in
                let isContext = key.hasSuffix(".attn2.to_k.weight") || key.hasSuffix(".attn2.to_v.weight")
                let isProjection = key.hasSuffix(".proj_in.weight") || key.hasSuffix(".proj_out.weight")
                let isTransformer = key.contains(".1.proj_") && isProjection
                let shape =
                    isContext
                    ? [tensor.size(0), 1024] : isTransformer ? Array(tensor.shape.prefix(2)) : tensor.shape
                return (key, Tensor(scalar: 0).expanded(to: shape))
            }
        ).merging(openCLIP("cond_stage_model.model.", width: 1024, layers: 24)) { first, _ in first }
        let plain = try model(tensors)
        #expect(plain.family == .stableDiffusion2 && plain.strayKeys.isEmpty)
        #expect(try plain.configuration(CLIPTextConfiguration.self, of: "text_encoder").layers == 23)
        #expect(
            try plain.configuration(UNet2DConditionConfiguration.self, of: "unet").attentionHeads == [5, 10, 20, 20])
        #expect(plain.scheduler().predictionType == .velocity)
        let base = try model(tensors, metadata: ["modelspec.architecture": "stable-diffusion-v2-512"])
        #expect(base.scheduler().predictionType == .epsilon)
        var marked = tensors
        marked["v_pred"] = Tensor.zeros([0])
        marked["ztsnr"] = Tensor.zeros([0])
        let zero = try model(marked)
        #expect(zero.scheduler().rescalesToZeroSNR && zero.scheduler().timestepSpacing == .trailing)
        #expect(plain.guessesPrediction && !base.guessesPrediction && !zero.guessesPrediction)
        _ = try StableDiffusion(base)
        // A file made from a diffusers folder lacks the last layer already.
        let exported = try model(tensors.filter { !$0.key.contains("resblocks.23.") })
        #expect(try exported.configuration(CLIPTextConfiguration.self, of: "text_encoder").layers == 23)
        #expect(exported.strayKeys.isEmpty)
    }

    /// Its last resolution has no transformers, its middle has as many as the others.
    @Test func `an SDXL refiner tells its configuration`() throws {
        var stored = ["input_blocks.0.0.weight": [384, 4, 3, 3], "out.2.weight": [4, 384, 3, 3]]
        stored["label_emb.0.0.weight"] = [1536, 2560]
        func addTransformers(_ block: String, _ channels: Int) {
            stored["\(block).1.proj_in.weight"] = [channels, channels]
            for index in 0..<4 {
                stored["\(block).1.transformer_blocks.\(index).attn2.to_k.weight"] = [channels, 1280]
            }
        }
        var index = 1
        for (level, channels) in [384, 768, 1536, 1536].enumerated() {
            if level > 0 {
                stored["input_blocks.\(index).0.op.weight"] = [channels, channels, 3, 3]
                index += 1
            }
            for _ in 0..<2 {
                stored["input_blocks.\(index).0.out_layers.3.weight"] = [channels, channels, 3, 3]
                if level == 1 || level == 2 { addTransformers("input_blocks.\(index)", channels) }
                index += 1
            }
        }
        addTransformers("middle_block", 1536)
        let unet = try UNet2DConditionConfiguration(ldm: StoredShapes(stored, prefix: ""), path: "refiner")
        #expect(unet.transformerLayersPerBlock == 4 && unet.attentionHeads == [6, 12, 24, 24])
        #expect(
            unet.downBlockTypes == [
                "DownBlock2D", "CrossAttnDownBlock2D", "CrossAttnDownBlock2D", "DownBlock2D",
            ])
        #expect(unet.midBlockType == "UNetMidBlock2DCrossAttn" && unet.crossAttentionDim == 1280)
        #expect(unet.projectionInputDim == 2560 && unet.blockOutChannels == [384, 768, 1536, 1536])
    }

    @Test(arguments: [(-3, PredictionType.velocity), (0.5, .epsilon)])
    func `a silent checkpoint's prediction is measured`(_ answer: Double, _ expected: PredictionType) throws {
        var configuration = UNet2DConditionConfiguration()
        configuration.downBlockTypes = ["CrossAttnDownBlock2D", "DownBlock2D"]
        configuration.upBlockTypes = ["UpBlock2D", "CrossAttnUpBlock2D"]
        configuration.blockOutChannels = [8, 16]
        configuration.layersPerBlock = 1
        configuration.normGroups = 4
        configuration.crossAttentionDim = .all(8)
        configuration.attentionHeads = .all(2)
        let source = InitializingSource(seed: 1)
        _ = try UNet2DConditionModel(configuration, weights: ScopedWeights(source))
        // The last convolution alone decides: everywhere `answer`.
        var tensors = source.tensors
        tensors["conv_out.weight"] = Tensor.zeros([4, 8, 3, 3])
        tensors["conv_out.bias"] = Tensor.full(answer, shape: [4])
        let unet = try UNet2DConditionModel(configuration, weights: ScopedWeights(DictionarySource(tensors)))
        #expect(unet.measuredPrediction() == expected)
    }

    @Test func `a checkpoint without an autoencoder needs one beside it`() throws {
        let golden = try Golden.load()
        let tensors = standIns(golden.sd1).merging(clipL("cond_stage_model.transformer.")) { first, _ in first }
        let model = try model(tensors)
        #expect(!model.holds("vae") && model.holds("unet"))
        let error = #expect(throws: GenerationError.self) { try StableDiffusion(model) }
        #expect(error?.description.contains("--vae") == true)
        let network = try StableDiffusion(
            model, additions: [try ModelAddition(.autoencoder, path: Fixtures.path("tiny-vae"))])
        #expect(network.autoencoder.configuration.latentChannels == 4)
    }

    @Test(arguments: [
        ("lora_unet_down_blocks_0_attentions_0_proj_in.lora_down.weight", "LoRA"),
        ("model.diffusion_model.joint_blocks.0.context_block.attn.qkv.weight", "Stable Diffusion 3"),
        ("model.diffusion_model.double_blocks.0.img_attn.qkv.weight", "FLUX"),
        ("encoder.down.0.block.0.conv1.weight", "autoencoder"), ("emb_params", "textual-inversion"),
        ("something.else", "1 tensors such as something.else"),
    ])
    func `another kind of file is called by its name`(_ key: String, _ kind: String) {
        let error = #expect(throws: GenerationError.self) { try model([key: Tensor.zeros([1])]) }
        #expect(error?.description.contains(kind) == true)
        #expect(error?.description.contains("model.safetensors") == true)
    }

    @Test func `a checkpoint that lacks a tensor says which`() throws {
        let golden = try Golden.load()
        var tensors = standIns(golden.sd1 + golden.vae)
        tensors.merge(clipL("cond_stage_model.transformer.")) { first, _ in first }
        tensors["model.diffusion_model.out.2.bias"] = nil
        let model = try model(tensors)
        let error = #expect(throws: WeightsError.self) { try StableDiffusion(model) }
        #expect(error?.description.contains("unet.conv_out.bias") == true)
    }
}
