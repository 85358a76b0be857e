@testable import Adapters
import Foundation
import Generation
import TensorCore
import TestSupport
import Testing
import Weights

/// Files: every grammar there and back, every flaw in one sentence.
@Suite struct AdapterFileTests {
    private let unet: AdaptedUNet

    init() throws { unet = try AdaptedUNet() }

    private func expectSame(_ a: Adapter, _ b: Adapter, tolerance: Double = 1e-6) throws {
        #expect(Set(a.layers.keys) == Set(b.layers.keys))
        for (path, layer) in a.layers {
            let base = unet.weights["\(layer.module.name).weight"]
            let other = try #require(b.layers[path])
            let (x, y) = (try #require(try layer.dense(base: base)), try #require(try other.dense(base: base)))
            #expect(largestError(x, y) <= tolerance, "\(path)")
        }
    }

    // MARK: Grammars

    @Test(arguments: AdapterFormat.all.map(\.name)) func `a format gives back what it was given`(_ name: String) throws
    {
        let format = try AdapterFormat.find(name)
        let all = unet.random(seed: 4, alpha: 1.5) { name == "diffusers-old" ? $0.contains(".attn") : true }
        try inTemporaryFolder { folder in
            let path = "\(folder.path)/a.safetensors"
            var noted = all
            noted.metadata["atelier.label"] = "older"
            try noted.write(to: path, format: format)
            let read = try Adapter(path: path, modules: unet.modules)
            try expectSame(all, read)
            #expect(read.metadata["atelier.label"] == "older")
            // Every key means what it was written for.
            for layer in all.sortedLayers {
                for role in [AdapterRole.down, .up] {
                    let key = try #require(format.spell(layer.module, role, false))
                    let meaning = try #require(AdapterFormat.all.lazy.compactMap { $0.parse(key) }.first, "\(key)")
                    #expect(meaning.role == role)
                    #expect(
                        unet.modules.module(part: meaning.part, name: meaning.name, isFlat: meaning.isFlat)?.module
                            == layer.module)
                }
            }
        }
    }

    @Test func `through all formats in turn the changes stay`() throws {
        let start = unet.random(seed: 4, alpha: 4) { $0.contains(".attn") }
        try inTemporaryFolder { folder in
            var current = start
            for name in ["peft", "kohya", "diffusers-old", "sliders", "diffusers", "kohya"] {
                let path = "\(folder.path)/\(name).safetensors"
                try current.write(to: path, format: .find(name))
                current = try Adapter(path: path, modules: unet.modules)
            }
            try expectSame(start, current)
        }
    }

    @Test(arguments: goldenAdapters.map(\.file)) func `kohya's format holds every kind`(_ file: String) throws {
        let adapter = try unet.adapter(file)
        try inTemporaryFolder { folder in
            let path = "\(folder.path)/a.safetensors"
            try adapter.write(to: path, format: .kohya)
            try expectSame(adapter, Adapter(path: path, modules: unet.modules), tolerance: 1e-5)
        }
    }

    @Test func `what a format cannot say is refused`() throws {
        let error = #expect(throws: AdapterError.self) {
            try unet.adapter("full.safetensors").tensors(in: .peft)
        }
        #expect(error?.description.contains("attn1.to_q: expected what the format 'peft' has names for") == true)
        #expect(throws: AdapterError.self) { try unet.adapter("dora-columns.safetensors").tensors(in: .peft) }
        #expect(throws: AdapterError.self) { try unet.adapter("locon.safetensors").tensors(in: .processors) }
        // A core has no name in PEFT, but its kernel has.
        let core = try unet.adapter("locon-tucker.safetensors")
        #expect(try core.tensors(in: .peft).keys.allSatisfy { $0.contains(".lora_") })
    }

    @Test func `half precision is read as it is written`() throws {
        let adapter = unet.random(seed: 1) { $0 == "conv_in" }
        try inTemporaryFolder { folder in
            for dtype in [DType.float16, .bfloat16] {
                let path = "\(folder.path)/\(dtype.rawValue).safetensors"
                try adapter.write(to: path, format: .sliders, floatingPoint: dtype)
                let read = try Adapter(path: path, modules: unet.modules)
                for (key, tensor) in read.parameters {
                    let stored = try #require(adapter.parameters[key])
                    #expect(tensor.dtype == dtype && isBitEqual(tensor, stored.converted(to: dtype)))
                }
            }
        }
    }

    @Test func `alpha, ranks and layouts of all sorts`() throws {
        var random = TorchGenerator(seed: 8)
        let down = random.normal([4, 16, 1, 1])
        let up = random.normal([16, 4, 1, 1])
        let target = matmul(up.reshaped([16, 4]), down.reshaped([4, 16]))
        let name = "down_blocks_0_attentions_0_transformer_blocks_0_attn1_to_q"
        func layer(_ extra: [String: Tensor]) throws -> Tensor {
            let tensors = ["lora_unet_\(name).lora_down.weight": down, "lora_unet_\(name).lora_up.weight": up]
            let file = try AdapterFile(
                path: "a", source: DictionarySource(tensors.merging(extra) { $1 }), metadata: [:])
            return try #require(try Adapter(file, modules: unet.modules).sortedLayers[0].dense())
        }
        // A linear layer's factors in a convolution's layout; no alpha means alpha = rank.
        #expect(largestError(try layer([:]), target) <= 1e-6)
        #expect(largestError(try layer(["lora_unet_\(name).alpha": Tensor(scalar: 1)]), target * 0.25) <= 1e-6)
        #expect(largestError(try layer(["lora_unet_\(name).alpha": Tensor([Float(6)])]), target * 1.5) <= 1e-6)
        // Alpha may be a whole number.
        #expect(largestError(try layer(["lora_unet_\(name).alpha": Tensor([Int64(2)])]), target * 0.5) <= 1e-6)
        #expect(largestError(try layer(["lora_unet_\(name).alpha": Tensor([Int32(2)])]), target * 0.5) <= 1e-6)
        #expect(throws: AdapterError.self) { try layer(["lora_unet_\(name).alpha": Tensor([true])]) }
        // And a number beside the tensors, as Python's dictionaries have it; other numbers mean nothing.
        let stored = DictionarySource([
            "lora_unet_\(name).lora_down.weight": down, "lora_unet_\(name).lora_up.weight": up,
        ])
        let numbers = ["lora_unet_\(name).alpha": 2.0, "epoch": 3]
        let file = try AdapterFile(path: "a", source: AdapterFile.withAlphas(stored, numbers, "a"), metadata: [:])
        let read = try #require(try Adapter(file, modules: unet.modules).sortedLayers[0].dense())
        #expect(file.foreignKeys.isEmpty && largestError(read, target * 0.5) <= 1e-6)
    }

    // MARK: SDXL's two spellings

    @Test func `the latent-diffusion names of SDXL are one for each layer`() throws {
        let modules = try StandardArchitecture.sdxl.modules()
        let adapted = SliderTarget(.c3lier, .full).modules(of: modules)
        #expect(adapted.count == 626)
        let names = adapted.compactMap(\.alias)
        #expect(Set(names).count == 626)
        #expect(Set(names.map(flattened)).count == 626)
        #expect(Set(modules.modules.map { flattened($0.path) }).count == modules.modules.count)
        for module in adapted {
            let alias = try #require(module.alias)
            for (name, isFlat) in [(alias, false), (flattened(alias), true), (flattened(module.name), true)] {
                #expect(modules.module(part: "unet", name: name, isFlat: isFlat)?.module == module)
            }
        }
        let path = "unet.down_blocks.1.attentions.0.transformer_blocks.0.attn1.to_q"
        let module = try #require(modules[path])
        #expect(
            AdapterFormat.kohya.spell(module, .down, true)
                == "lora_unet_input_blocks_4_1_transformer_blocks_0_attn1_to_q.lora_down.weight")
        #expect(
            AdapterFormat.sliders.spell(module, .down, true)
                == "lora_unet_down_blocks_1_attentions_0_transformer_blocks_0_attn1_to_q.lora_down.weight")
        let text = try #require(modules["text_encoder.text_model.encoder.layers.0.self_attn.q_proj"])
        #expect(
            AdapterFormat.kohya.spell(text, .up, true)
                == "lora_te1_text_model_encoder_layers_0_self_attn_q_proj.lora_up.weight")
        #expect(
            AdapterFormat.kohya.spell(text, .up, false)
                == "lora_te_text_model_encoder_layers_0_self_attn_q_proj.lora_up.weight")
    }

    @Test func `of two spellings of a layer, diffusers' counts`() throws {
        let modules = try StandardArchitecture.sdxl.modules()
        let module = try #require(modules["unet.down_blocks.1.attentions.0.transformer_blocks.0.attn1.to_q"])
        var tensors: [String: Tensor] = [:]
        for (value, name) in [(1.0, flattened(module.name)), (2, flattened(module.alias ?? ""))] {
            tensors["lora_unet_\(name).lora_down.weight"] = .full(value, shape: [1, 640])
            tensors["lora_unet_\(name).lora_up.weight"] = .full(value, shape: [640, 1])
        }
        let file = try AdapterFile(path: "a", source: DictionarySource(tensors), metadata: [:])
        let adapter = try Adapter(file, modules: modules)
        #expect(adapter.layers.count == 1)
        #expect(try #require(try adapter.layers[module.path]?.dense()).floats[0] == 1)
    }

    // MARK: Text encoders without `text_model.`

    @Test(arguments: [StandardArchitecture.sd15, .sdxl]) func `transformers 5 leaves a prefix out`(
        _ architecture: StandardArchitecture
    ) throws {
        let modules = try architecture.modules()
        let isXL = modules.parts.contains("text_encoder_2")
        let parts = isXL ? ["text_encoder", "text_encoder_2"] : ["text_encoder"]
        for (part, format) in parts.flatMap({ part in AdapterFormat.all.map { (part, $0) } }) {
            let module = try #require(modules["\(part).text_model.encoder.layers.0.self_attn.q_proj"])
            let spelled = try #require(format.spell(module, .down, isXL))
            let key = spelled.replacing("text_model.", with: "").replacing("text_model_", with: "")
            #expect(key != spelled)
            let meaning = try #require(AdapterFormat.all.lazy.compactMap { $0.parse(key) }.first, "\(key)")
            let found = modules.module(part: meaning.part, name: meaning.name, isFlat: meaning.isFlat)
            #expect(found?.module == module, "\(key)")
        }
    }

    @Test func `a file of transformers 5 changes the layers of text encoders`() throws {
        let modules = try StandardArchitecture.sdxl.modules()
        for (down, up) in [("lora_linear_layer.down", "lora_linear_layer.up"), ("lora_A", "lora_B")] {
            var tensors: [String: Tensor] = [:]
            for (part, width) in [("text_encoder", 768), ("text_encoder_2", 1280)] {
                let name = "\(part).encoder.layers.0.self_attn.q_proj"
                tensors["\(name).\(down).weight"] = .full(1, shape: [1, width])
                tensors["\(name).\(up).weight"] = .full(2, shape: [width, 1])
            }
            let file = try AdapterFile(path: "a", source: DictionarySource(tensors), metadata: [:])
            let adapter = try Adapter(file, modules: modules)
            let paths = ["text_encoder", "text_encoder_2"].map { "\($0).text_model.encoder.layers.0.self_attn.q_proj" }
            #expect(adapter.layers.keys.sorted() == paths)
            #expect(try adapter.sortedLayers.allSatisfy { try $0.dense()?.floats[0] == 2 })
        }
    }

    // MARK: Slider targets

    @Test func `training methods name the layers that they should`() throws {
        let counts: [(SliderTarget.Network, SliderTarget.Method, Int, Int)] = [
            (.lierla, .full, 128, 560), (.c3lier, .full, 214, 626), (.lierla, .noxattn, 64, 280),
            (.c3lier, .noxattn, 150, 346), (.c3lier, .innoxattn, 150, 346), (.c3lier, .selfattn, 64, 280),
            (.c3lier, .xattn, 64, 280), (.lierla, .xattnStrict, 48, 210), (.lierla, .noxattnHSpace, 4, 40),
            (.c3lier, .noxattnHSpace, 10, 46), (.lierla, .noxattnHSpaceLast, 0, 0), (.c3lier, .noxattnHSpaceLast, 1, 1),
        ]
        let (small, large) = (try StandardArchitecture.sd15.modules(), try StandardArchitecture.sdxl.modules())
        for (network, method, first, second) in counts {
            let target = SliderTarget(network, method)
            #expect(target.modules(of: small).count == first, "\(target)")
            #expect(target.modules(of: large).count == second, "\(target)")
        }
        func parameters(_ table: ModuleTable) -> Int {
            SliderTarget(.c3lier, .noxattn).modules(of: table).reduce(0) { $0 + 4 * ($1.fanIn + $1.outputs) }
        }
        #expect(parameters(small) == 2_906_880 && parameters(large) == 4_320_000)
    }

    // MARK: Flaws

    private func complaint(_ tensors: [String: Tensor]) throws -> String {
        let error = #expect(throws: AdapterError.self) {
            let file = try AdapterFile(path: "bad.safetensors", source: DictionarySource(tensors), metadata: [:])
            _ = try Adapter(file, modules: unet.modules)
        }
        return error?.description ?? ""
    }

    @Test func `flaws are one sentence`() throws {
        let good = try unet.random(seed: 1) { $0 == "conv_in" }.tensors(in: .kohya)
        func with(_ key: String, _ tensor: Tensor?) -> [String: Tensor] {
            var tensors = good
            tensors[key] = tensor
            return tensors
        }
        #expect(
            try complaint(unet.weights).hasPrefix(
                "bad.safetensors: expected an adapter's tensors, such as lora_unet_....lora_down.weight, found"))
        #expect(try complaint(unet.weights).contains("a whole model?"))
        #expect(
            try complaint(with("lora_unet_conv_in.lora_down.weight", .zeros([3, 9, 3, 3]))).contains(
                "unet.conv_in: expected lora_down.weight [3, 4, 3, 3] of a layer [16, 4, 3, 3], found [3, 9, 3, 3]"))
        #expect(try complaint(with("lora_unet_conv_in.lora_up.weight", nil)).contains("lora_up.weight"))
        #expect(
            try complaint(with("lora_unet_conv_in.lora_up.weight", .full(.nan, shape: [16, 3, 1, 1]))).contains(
                "unet.conv_in.lora_up.weight: expected finite numbers, found an infinity or NaN"))
        #expect(
            try complaint(with("lora_unet_conv_in.alpha", .full(.infinity, shape: []))).contains("finite numbers"))
        #expect(try complaint(with("lora_unet_conv_in.alpha", .zeros([2]))).contains("one number"))
        let unknown = try complaint(with("lora_unet_conv_in.oft_blocks", .zeros([4, 4])))
        #expect(unknown.contains("1 of other layers or kinds: lora_unet_conv_in.oft_blocks"))
        #expect(
            try complaint(with("lora_unet_conv_in.hada_w1_a", .zeros([4, 4]))).contains("lora and loha"))
        #expect(
            try complaint(with("lora_unet_down_blocks_9_attn.alpha", .zeros([]))).contains("lora_unet_down_blocks_9"))
        #expect(try complaint(with("lora_unet_conv_in.lora_down.weight", Tensor([Int64(1)]))).contains("int64"))
        #expect(try complaint(with("lora_unet_conv_in.lora_up.weight", .zeros([16, 0]))).contains("found [16, 0]"))
        let name = "lora_unet_mid_block_attentions_0_proj_in"
        for (first, second) in [([5, 24], [1, 1]), ([24, 1], [1, 5]), ([24, 7], [1, 1]), ([1, 1], [24, 24])] {
            let message = try complaint([
                "\(name).lokr_w1": .zeros(first), "\(name).lokr_w2": .zeros(second + [2, 2]),
            ])
            #expect(message.contains("lokr factors of a layer [24, 24, 1, 1]"), "\(message)")
        }
    }

    @Test func `a bias beside the factors is named, and can be left out`() throws {
        let path = "unet.mid_block.attentions.0.transformer_blocks.0.attn1.to_q"
        for ending in ["bias", "default.bias"] {
            var tensors = try unet.random(seed: 1) { "unet.\($0)" == path }.tensors(in: .peft)
            tensors["\(path).lora_B.\(ending)"] = .zeros([24])
            #expect(
                try complaint(tensors).contains(
                    "a bias, which no adapter kind here has: \(path).lora_B.\(ending)"))
            let file = try AdapterFile(path: "a", source: DictionarySource(tensors), metadata: [:])
            #expect(try Adapter(file, modules: unet.modules, allowsUnmatched: true).layers.keys.sorted() == [path])
        }
    }

    @Test(arguments: [
        ("{\"unet.r\": 4", "found '{"), ("[4]", "found '[4]'"), ("{\"unet.lora_alpha\": 4}", "none above 0"),
        ("{\"r\": \"four\", \"lora_alpha\": 4}", "none above 0"),
    ]) func `broken facts about rank and alpha are named`(_ text: String, _ found: String) throws {
        let tensors = try unet.random(seed: 1) { $0 == "conv_in" }.tensors(in: .peft)
        try inTemporaryFolder { folder in
            let path = "\(folder.path)/a.safetensors"
            try writeSafetensors(tensors, metadata: ["lora_adapter_metadata": text], to: path)
            let error = #expect(throws: AdapterError.self) { try AdapterFile(path: path) }
            #expect(error?.description.contains("a.safetensors: lora_adapter_metadata: expected a JSON object") == true)
            #expect(error?.found.contains(found.replacing("found ", with: "")) == true, "\(error?.found ?? "")")
        }
    }

    @Test func `numbers too large for a format are refused, and no file is left`() throws {
        let large = try unet.random(seed: 1) { $0 == "conv_in" }.scaled(1e6)
        try inTemporaryFolder { folder in
            let path = "\(folder.path)/a.safetensors"
            let error = #expect(throws: SafetensorsError.self) {
                try large.write(to: path, format: .kohya, floatingPoint: .float16)
            }
            #expect(error?.description.contains("65504") == true, "\(String(describing: error))")
            let infinite = try unet.random(seed: 1) { $0 == "conv_in" }.scaled(3e38).scaled(3e38)
            #expect(throws: AdapterError.self) { try infinite.write(to: path, format: .kohya) }
            #expect(try FileManager.default.contentsOfDirectory(atPath: folder.path).isEmpty)
            try large.write(to: path, format: .kohya, floatingPoint: .bfloat16)
        }
    }

    @Test func `unmatched keys can be left out`() throws {
        var tensors = try unet.random(seed: 1) { $0 == "conv_in" }.tensors(in: .kohya)
        tensors["lora_te_text_model_encoder_layers_0_mlp_fc1.lora_down.weight"] = .zeros([1, 4])
        let file = try AdapterFile(path: "a", source: DictionarySource(tensors), metadata: [:])
        #expect(throws: AdapterError.self) { try Adapter(file, modules: unet.modules) }
        #expect(try Adapter(file, modules: unet.modules, allowsUnmatched: true).layers.count == 1)
        let text = tensors.filter { $0.key.contains("_te_") }
        let other = try AdapterFile(path: "a", source: DictionarySource(text), metadata: [:])
        #expect(throws: AdapterError.self) { try Adapter(other, modules: unet.modules, allowsUnmatched: true) }
    }

    @Test func `files that run code, that end early or are none are refused`() throws {
        let error = #expect(throws: TorchCheckpointError.self) { try unet.adapter("hostile.pt") }
        #expect(error?.rule == .forbidden && error?.description.contains("system") == true)
        try inTemporaryFolder { folder in
            for file in ["locon.safetensors", "slider-bf16.pt"] {
                let data = try Data(contentsOf: URL(filePath: Fixtures.path("adapters/\(file)")))
                for count in [0, 7, 100, data.count / 2, data.count - 1] {
                    let path = "\(folder.path)/\(count)-\(file)"
                    try data.prefix(count).write(to: URL(filePath: path))
                    #expect(throws: (any Error).self) { try Adapter(path: path, modules: unet.modules) }
                }
            }
        }
    }
}
