import DiffusionModels
import Foundation
import Layers
import TestSupport
import Testing
import Weights

/// Configurations: what published models have, and what is refused.
@Suite struct ConfigurationTests {
    struct Family: Sendable, CustomStringConvertible {
        var name: String
        var json: String
        var tensors: Int
        var parameters: Int
        var description: String { name }
    }

    /// Tensors and parameters of the published models.
    static let families = [
        Family(
            name: "SD 1", json: #"{"cross_attention_dim": 768, "attention_head_dim": 8}"#,
            tensors: 686, parameters: 859_520_964),
        Family(
            name: "SD 2",
            json: """
                {"cross_attention_dim": 1024, "attention_head_dim": [5, 10, 20, 20], "use_linear_projection": true}
                """,
            tensors: 686, parameters: 865_910_724),
        Family(
            name: "SDXL",
            json: """
                {"block_out_channels": [320, 640, 1280], "cross_attention_dim": 2048,
                 "down_block_types": ["DownBlock2D", "CrossAttnDownBlock2D", "CrossAttnDownBlock2D"],
                 "up_block_types": ["CrossAttnUpBlock2D", "CrossAttnUpBlock2D", "UpBlock2D"],
                 "transformer_layers_per_block": [1, 2, 10], "attention_head_dim": [5, 10, 20],
                 "use_linear_projection": true, "addition_embed_type": "text_time", "addition_time_embed_dim": 256,
                 "projection_class_embeddings_input_dim": 2816}
                """,
            tensors: 1680, parameters: 2_567_463_684),
        Family(
            name: "SDXL refiner",
            json: """
                {"block_out_channels": [384, 768, 1536, 1536], "cross_attention_dim": 1280,
                 "down_block_types":
                    ["DownBlock2D", "CrossAttnDownBlock2D", "CrossAttnDownBlock2D", "DownBlock2D"],
                 "up_block_types": ["UpBlock2D", "CrossAttnUpBlock2D", "CrossAttnUpBlock2D", "UpBlock2D"],
                 "transformer_layers_per_block": 4, "attention_head_dim": [6, 12, 24, 24],
                 "use_linear_projection": true, "addition_embed_type": "text_time", "addition_time_embed_dim": 256,
                 "projection_class_embeddings_input_dim": 2560}
                """,
            tensors: 1220, parameters: 2_259_526_660),
    ]

    @Test(arguments: families) func publishedUNets(_ family: Family) throws {
        let configuration = try UNet2DConditionConfiguration.decode(Data(family.json.utf8), path: "config.json")
        let source = CountingSource()
        _ = try UNet2DConditionModel(configuration, weights: ScopedWeights(source))
        #expect(source.tensorCount == family.tensors)
        #expect(source.parameterCount == family.parameters)
    }

    @Test func publishedAutoencoder() throws {
        let json = """
            {"block_out_channels": [128, 256, 512, 512], "layers_per_block": 2,
             "down_block_types":
                ["DownEncoderBlock2D", "DownEncoderBlock2D", "DownEncoderBlock2D", "DownEncoderBlock2D"],
             "up_block_types": ["UpDecoderBlock2D", "UpDecoderBlock2D", "UpDecoderBlock2D", "UpDecoderBlock2D"]}
            """
        let configuration = try AutoencoderKLConfiguration.decode(Data(json.utf8), path: "config.json")
        let source = CountingSource()
        _ = try AutoencoderKL(configuration, weights: ScopedWeights(source))
        #expect(source.tensorCount == 248)
        #expect(source.parameterCount == 83_653_863)
        #expect(configuration.downsamplingFactor == 8)
    }

    /// What is written is what was read.
    @Test(arguments: ["tiny-unet-sd1", "tiny-unet-sd2", "tiny-unet-sdxl"]) func roundTrip(_ name: String) throws {
        let first = try UNet2DConditionConfiguration.decode(Fixtures.data("\(name)/config.json"), path: name)
        let again = try UNet2DConditionConfiguration.decode(first.json(), path: name)
        #expect(first == again)
    }

    @Test func roundTripOfAutoencoder() throws {
        let first = try AutoencoderKLConfiguration.decode(Fixtures.data("tiny-vae/config.json"), path: "vae")
        #expect(try AutoencoderKLConfiguration.decode(first.json(), path: "vae") == first)
        #expect(first.scalingFactor == 0.18215)
    }

    @Test(arguments: [
        (
            #"{"time_embedding_type": "fourier"}"#,
            #"unet/config.json: time_embedding_type: expected "positional", found "fourier""#
        ),
        (
            #"{"class_embed_type": "timestep"}"#,
            #"unet/config.json: class_embed_type: expected null, found "timestep""#
        ),
        (
            #"{"down_block_types": ["KDownBlock2D"]}"#,
            #"unet/config.json: down_block_types: expected any of ["CrossAttnDownBlock2D", "DownBlock2D"], "#
                + "found KDownBlock2D"
        ),
        (
            #"{"act_fn": "mish"}"#,
            "unet/config.json: act_fn: expected one of silu, swish, gelu, gelu_pytorch_tanh, gelu_new, quick_gelu, "
                + #"relu, found "mish""#
        ),
        (
            #"{"attention_head_dim": [8, 8]}"#,
            "unet/config.json: attention_head_dim: expected 4 values, one a block, found [8, 8]"
        ),
        (
            #"{"attention_head_dim": 7}"#,
            "unet/config.json: attention_head_dim: expected a number of heads that divides 320 channels, found 7"
        ),
        (
            #"{"block_out_channels": [320, 640, 1280, 1281]}"#,
            "unet/config.json: block_out_channels: expected multiples of norm_num_groups 32, "
                + "found [320, 640, 1280, 1281]"
        ),
        (
            #"{"addition_embed_type": "text_time"}"#,
            "unet/config.json: addition_time_embed_dim: expected a width, for text_time, found null"
        ),
    ])
    func refusals(_ json: String, _ message: String) {
        #expect {
            try UNet2DConditionConfiguration.decode(Data(json.utf8), path: "unet/config.json")
        } throws: { error in
            "\(error)" == message
        }
    }

    @Test(arguments: [
        #"{"in_channels": "four"}"#, #"{"in_channels": }"#, "", "[]", #"{"layers_per_block": "two"}"#,
        #"{"norm_num_groups": 0}"#, #"{"block_out_channels": []}"#, #"{"down_block_types": []}"#,
        #"{"block_out_channels": [-32, 640, 1280, 1280]}"#, #"{"norm_num_groups": null, "norm_eps": "small"}"#,
    ])
    func refusalsOfWrongTypes(_ json: String) {
        #expect {
            try UNet2DConditionConfiguration.decode(Data(json.utf8), path: "unet/config.json")
        } throws: { error in
            error is ConfigurationError && "\(error)".hasPrefix("unet/config.json: ")
        }
    }

    @Test func missingAndMisshapenWeights() throws {
        let unet = try TinyUNet("tiny-unet-sd1")
        var wide = unet.configuration
        wide.inChannels = 9
        let source = DictionarySource(unet.parameters, name: "model.safetensors")
        #expect {
            _ = try UNet2DConditionModel(wide, weights: ScopedWeights(source, root: "unet"))
        } throws: { error in
            "\(error)"
                == "unet.conv_in.weight: expected [16, 9, 3, 3], found [16, 4, 3, 3] in model.safetensors"
        }
        var less = unet.parameters
        less["mid_block.resnets.0.conv1.bias"] = nil
        #expect {
            _ = try UNet2DConditionModel(
                unet.configuration, weights: ScopedWeights(DictionarySource(less, name: "m"), root: "unet"))
        } throws: { error in
            "\(error)" == "unet.mid_block.resnets.0.conv1.bias: expected [24], found no such tensor in m"
        }
    }
}
