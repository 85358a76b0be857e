import Layers
import TensorCore
import TestSupport
import TextModels
import Testing
import Weights

/// The text encoder beside transformers.
@Suite struct CLIPTextGoldenTests {
    static let models = ["tiny-clip", "tiny-clip-gelu"]

    static func load(
        _ name: String, _ sites: SiteIndex = SiteIndex(), isTrainable: Bool = false
    ) throws -> (model: CLIPTextModel, parameters: [String: Tensor], report: LoadReport) {
        let path = "\(name)/config.json"
        let configuration = try CLIPTextConfiguration.decode(Fixtures.data(path), path: path)
        let stored = try Fixtures.tensors("\(name)/model.safetensors")
        let parameters =
            isTrainable ? stored.mapValues { $0.dtype.isFloatingPoint ? $0.tracked() : $0 } : stored
        let (model, report) = try ScopedWeights.load(
            DictionarySource(parameters), root: "", sites: sites, ignoring: ["*.position_ids"]
        ) {
            try CLIPTextModel(configuration, weights: $0)
        }
        return (model, parameters, report)
    }

    @Test(arguments: models) func everySite(_ name: String) throws {
        let file = "\(name)/golden_forward.safetensors"
        let golden = try Fixtures.tensors(file)
        let index = SiteIndex()
        let (model, _, report) = try Self.load(name, index)
        #expect(report.unused == [])
        let recorder = SiteRecorder(index)
        let output = model(try Fixtures.require(golden, "input/input_ids"), Pass(plan: recorder.plan()))
        let sites = try GoldenSites(file)
        #expect(sites.values.count > 35)
        #expect(sites.differences(tolerance: 1e-4) { recorder[$0] } == [])
        #expect(output.hiddenStates.count == 4)
        for (index, state) in output.hiddenStates.enumerated() {
            let expected = try Fixtures.require(golden, "output/hidden_states.\(index)")
            #expect(maximumDifference(state, expected) <= 1e-4, "hidden state \(index)")
        }
        let last = try Fixtures.require(golden, "output/last_hidden_state")
        #expect(maximumDifference(output.lastHiddenState, last) <= 1e-4)
        #expect(maximumDifference(output.pooled, try Fixtures.require(golden, "output/pooled")) <= 1e-4)
        #expect(output.projected == nil)
    }

    @Test(arguments: models, [CheckpointPolicy.none, .blocks])
    func everyGradient(_ name: String, _ checkpointing: CheckpointPolicy) throws {
        let golden = try Fixtures.tensors("\(name)/golden_gradients.safetensors")
        let (model, parameters, _) = try Self.load(name, isTrainable: true)
        let output = model(try Fixtures.require(golden, "input/input_ids"), Pass(checkpointing: checkpointing))
        let loss = sum(output.lastHiddenState * (try Fixtures.require(golden, "input/weights")))
        let result = gradients(of: loss)
        let expected = tensors(golden, under: "gradient/")
        #expect(expected.count == parameters.values.count { $0.isTracked })
        let differences = gradientDifferences(golden: expected) { path in
            let bare = String(path.dropFirst("text_model.".count))
            return (parameters[path] ?? parameters[bare]).flatMap { result[$0] }
        }
        #expect(differences == [])
    }
}
