import Adapters
import Foundation
import Generation
import TensorCore
import TestSupport
import Testing

/// Scales of calibrated sliders are held to what their files declare, before any compute.
@Suite struct SliderScaleTests {
    private func draws(
        _ weight: Double, range: [Double], unit: Double? = 0.5, merges: Bool = false
    ) throws {
        let model = try StableDiffusion(ModelFolder(path: Fixtures.path("tiny-sd")))
        try inTemporaryFolder { folder in
            var random = TorchGenerator(seed: 1)
            var adapter = Adapter.untrained(
                name: "age", modules: Array(model.modules.modules.filter { $0.part == "unet" }.prefix(1)), rank: 1,
                alpha: 1, random: &random
            ) { _ in 0.1 }
            var note = SliderNote(name: "age", base: "abc")
            (note.range, note.unit) = (range, unit)
            try adapter.setNote(note)
            let path = folder.appending(path: "age.safetensors").path
            try adapter.write(to: path, format: .sliders)
            if merges {
                let adapter = try Adapter(path: path, modules: model.modules)
                _ = try MergedStore(ModelFolder(path: Fixtures.path("tiny-sd")), [(adapter, weight)])
                return
            }
            _ = try model.adapters([try AdapterUse(path: path, weight: weight)])
        }
    }

    @Test(arguments: [-1.0, 0, 1.5, 2]) func `a scale within the range acts`(_ scale: Double) throws {
        try draws(scale, range: [-1, 2])
    }

    @Test(arguments: [([-1, 2], 2.5), ([1, 3], 0.5), ([2, -2], 1), ([], 1)] as [([Double], Double)])
    func `a scale beyond it, or a range that is none, is one sentence`(_ range: [Double], _ scale: Double) {
        let error = #expect(throws: GenerationError.self) { try draws(scale, range: range) }
        #expect(error?.description.contains("expected") == true)
    }

    @Test func `a strength of 0 is always one`() throws { try draws(0, range: [1, 3]) }

    @Test func `merging holds to it too`() throws {
        try draws(2, range: [-2, 2], merges: true)
        let error = #expect(throws: AdapterError.self) { try draws(5, range: [-2, 2], merges: true) }
        #expect(error?.description.contains("expected a scale from -2.0 to 2.0") == true)
    }

    @Test func `a strength that no layer can hold is refused`() throws {
        try draws(1e6, range: [-2, 2], unit: nil)
        let error = #expect(throws: GenerationError.self) { try draws(1e39, range: [-2, 2], unit: nil) }
        #expect(error?.description.contains("expected a strength that 32 bits can hold") == true)
    }
}
