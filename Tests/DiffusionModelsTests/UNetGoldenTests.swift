import DiffusionModels
import Layers
import TensorCore
import TestSupport
import Testing

/// The UNet beside diffusers, on tiny models of three families.
@Suite struct UNetGoldenTests {
    static let families = ["tiny-unet-sd1", "tiny-unet-sd2", "tiny-unet-sdxl"]

    @Test(arguments: families, TestedBackend.all) func everySite(_ name: String, _ tested: TestedBackend) throws {
        let unet = try TinyUNet(name, on: tested.backend)
        let recorder = SiteRecorder(unet.sites)
        let output = unet.model(
            try unet.input("sample"), timesteps: try unet.input("timestep"),
            context: try unet.input("encoder_hidden_states"), added: unet.added, Pass(plan: recorder.plan()))
        let sites = try GoldenSites("\(name)/golden_forward.safetensors")
        #expect(sites.values.count > 200)
        #expect(sites.differences(tolerance: 1e-4) { recorder[$0] } == [])
        #expect(maximumDifference(output, try Fixtures.require(unet.golden, "output")) <= 1e-4)
    }

    /// Fused kernels take the place of the visited ones when nothing looks.
    @Test(arguments: families, TestedBackend.all)
    func outputWithoutPlan(_ name: String, _ tested: TestedBackend) throws {
        let unet = try TinyUNet(name, on: tested.backend)
        let output = unet.model(
            try unet.input("sample"), timesteps: try unet.input("timestep"),
            context: try unet.input("encoder_hidden_states"), added: unet.added, Pass())
        #expect(maximumDifference(output, try Fixtures.require(unet.golden, "output")) <= 1e-4)
    }

    @Test(arguments: families) func oddSizes(_ name: String) throws {
        let unet = try TinyUNet(name)
        let output = unet.model(
            try Fixtures.require(unet.golden, "odd/input/sample"), timesteps: try unet.input("timestep"),
            context: try unet.input("encoder_hidden_states"), added: unet.added, Pass())
        #expect(maximumDifference(output, try Fixtures.require(unet.golden, "odd/output")) <= 1e-4)
    }

    @Test(arguments: ["tiny-unet-sd1", "tiny-unet-sd2"], TestedBackend.devices)
    func everyGradientOnDevices(_ name: String, _ tested: TestedBackend) throws {
        try checkGradients(TinyUNet(name, isTrainable: true, golden: "golden_gradients", on: tested.backend), .none)
    }

    /// Every parameter's gradient, plainly and with parts computed again.
    @Test(arguments: ["tiny-unet-sd1", "tiny-unet-sd2"], [CheckpointPolicy.none, .feedForward, .blocks])
    func everyGradient(_ name: String, _ checkpointing: CheckpointPolicy) throws {
        try checkGradients(TinyUNet(name, isTrainable: true, golden: "golden_gradients"), checkpointing)
    }

    private func checkGradients(_ unet: TinyUNet, _ checkpointing: CheckpointPolicy) throws {
        let sample = try unet.input("sample").tracked()
        let context = try unet.input("encoder_hidden_states").tracked()
        let output = unet.model(
            sample, timesteps: try unet.input("timestep"), context: context, Pass(checkpointing: checkpointing))
        let loss = meanSquaredError(output, try unet.input("target"))
        #expect(maximumDifference(loss, try Fixtures.require(unet.golden, "loss")) <= 1e-4)
        let result = gradients(of: loss)
        let golden = tensors(unet.golden, under: "gradient/")
        #expect(golden.count == unet.parameters.count)
        #expect(gradientDifferences(golden: golden) { unet.parameters[$0].flatMap { result[$0] } } == [])
        let inputs = tensors(unet.golden, under: "input_gradient/")
        let leaves = ["sample": sample, "encoder_hidden_states": context]
        #expect(inputs.count == 2)
        #expect(gradientDifferences(golden: inputs) { leaves[$0].flatMap { result[$0] } } == [])
    }
}
