import Adapters
import DiffusionModels
import Foundation
import TensorCore
import TestSupport
import Testing
import Weights

@testable import Generation

/// For which model an adapter or stack was made, and what is said of another one.
@Suite struct AdapterOriginTests {
    private func use(_ metadata: [String: String], _ body: (AdapterUse) throws -> Void) throws {
        try inTemporaryFolder { folder in
            let path = "\(folder.path)/age.safetensors"
            try writeSafetensors(
                ["lora_unet_conv_in.lora_down.weight": Tensor.zeros([1, 4, 3, 3])], metadata: metadata, to: path)
            try body(AdapterUse(path: path, weight: 1))
        }
    }

    @Test(arguments: [
        ("sd15", ModelFamily.sd15), ("SD 1.5", .sd15), ("Stable Diffusion 1", .sd15), ("sd_v1", .sd15),
        ("stable-diffusion-v1/lora", .sd15), ("sd_v2_768_v", .sd21), ("Stable Diffusion 2", .sd21), ("SDXL", .sdxl),
        ("sdxl_base_v1-0", .sdxl), ("stable-diffusion-xl-v1-base/lora", .sdxl), ("Stable Diffusion XL", .sdxl),
        ("Stable Diffusion XL Refiner", .sdxlRefiner), ("mini", .mini), ("sd3-medium", nil), ("flux1", nil), ("x", nil),
        ("", nil),
    ])
    func `families have many spellings`(_ name: String, _ family: ModelFamily?) {
        #expect(ModelFamily(named: name) == family)
    }

    @Test func `shapes tell the family`() throws {
        #expect(StandardArchitecture.allCases.map { ModelFamily($0.unet)?.rawValue } == ["sd15", "sd21", "sdxl"])
        let tiny = try StableDiffusion(ModelFolder(path: Fixtures.path("tiny-sd")))
        #expect(tiny.family == nil)
    }

    @Test func `a stack's base is a family or a hash`() throws {
        let model = ModelIdentity(hash: "abcdef0123", family: .sdxl)
        for base in ["abc", "ABCDEF", "sdxl", "Stable Diffusion XL"] { try model.check(base: base, "a.yaml: base") }
        for (base, words) in [
            ("sd15", "expected sd15, found sdxl (abcdef0123)"), ("mini", "expected mini, found sdxl"),
            ("ffff", "expected the model ffff, found sdxl"), ("pony", "or one of sd15, sd21, sdxl"), ("", "found ''"),
        ] {
            let error = #expect(throws: GenerationError.self) { try model.check(base: base, "a.yaml: base") }
            #expect(error?.description.contains("a.yaml: base: ") == true)
            #expect(error?.description.contains(words) == true, "\(error?.description ?? "")")
        }
        let unknown = #expect(throws: GenerationError.self) {
            try ModelIdentity(hash: "abc").check(base: "sdxl", "a.yaml: base")
        }
        #expect(unknown?.description.contains("found a model of another shape (abc)") == true)
    }

    @Test func `a slider of another base is remarked, one of another family refused`() throws {
        var note = SliderNote(name: "age", base: String(repeating: "ab", count: 32))
        note.range = [-1, 1]
        let text = String(decoding: try JSONEncoder().encode(note), as: UTF8.self)
        let other = ModelIdentity(hash: String(repeating: "cd", count: 32), family: .sd15)
        for metadata in [[SliderNote.key: text], ["atelier.base": note.base]] {
            try use(metadata) { use in
                let (remark, none) = try (
                    use.remark(on: other), use.remark(on: ModelIdentity(hash: note.base, family: .sd15))
                )
                #expect(remark == "age: made for the model abababababab, used with cdcdcdcdcdcd" && none == nil)
            }
        }
        try use([:]) { use in
            let remark = try use.remark(on: other)
            #expect(remark == nil)
        }
        for metadata in [
            ["ss_base_model_version": "sdxl_base_v1-0"], ["modelspec.architecture": "flux-1-dev/lora"],
        ] {
            try use(metadata) { use in
                let error = #expect(throws: GenerationError.self) { try use.remark(on: other) }
                #expect(error?.description.hasPrefix("age: expected an adapter for sd15, found one for ") == true)
                // Of a model of no known family the shapes decide.
                var tolerant = use
                tolerant.allowsUnmatched = true
                let remarks = try (use.remark(on: ModelIdentity(hash: "ab")), tolerant.remark(on: other))
                #expect(remarks.0 == nil && remarks.1 == nil)
            }
        }
        for name in ["sd_v1", "my own", ""] {
            try use(["ss_base_model_version": name]) { use in
                let remark = try use.remark(on: other)
                #expect(remark == nil)
            }
        }
    }

    /// A slider of SDXL on another model: one short sentence.
    @Test func `an adapter of another architecture is named as such`() throws {
        let tiny = try StableDiffusion(ModelFolder(path: Fixtures.path("tiny-sd")))
        try inTemporaryFolder { folder in
            var random = TorchGenerator(seed: 1)
            let modules = try StandardArchitecture.sdxl.modules()
            let target = Array(SliderTarget(.lierla, .xattn).modules(of: modules).suffix(40))
            let adapter = Adapter.untrained(name: "a", modules: target, rank: 1, alpha: 1, isXL: true, random: &random)
            let path = "\(folder.path)/age.safetensors"
            try adapter.write(to: path, format: .kohya)
            var use = try AdapterUse(path: path, weight: 1)
            let error = #expect(throws: AdapterError.self) { try tiny.adapters([use]) }
            #expect(error?.description == "\(path): expected an adapter for this model, found one for sdxl")
            use.named.text = "a.stack.yaml: entry 1 (age)"
            let named = #expect(throws: AdapterError.self) { try tiny.adapters([use]) }
            #expect(named?.description.hasPrefix("a.stack.yaml: entry 1 (age): \(path): expected") == true)

            // Of no model that is known here.
            let renamed = Dictionary(
                uniqueKeysWithValues: try adapter.tensors(in: .kohya).map {
                    ($0.replacingOccurrences(of: "attn2", with: "attn7"), $1)
                })
            try writeSafetensors(renamed, to: path)
            let foreign = #expect(throws: AdapterError.self) { try tiny.adapters([use]) }
            let words = foreign?.description ?? ""
            #expect(words.contains("found one of other layers: lora_unet_"), "\(words)")
            #expect(words.contains(" and 117 more"), "\(words)")
            #expect(words.count < 700, "\(words.count)")
            let known = try StandardArchitecture.allCases.map { try AdapterBase($0) }
            let nearest = #expect(throws: AdapterError.self) {
                try AdapterBase.of(try AdapterFile(path: path), among: known)
            }
            let sentence = nearest?.description ?? ""
            #expect(sentence.contains("expected an adapter for sd15, sd21, sdxl, or --model"), "\(sentence)")
            #expect(sentence.count < 600, "\(sentence.count)")
        }
    }
}
