import ArgumentParser
import Testing

@testable import atelier

/// Scales on the command line.
@Suite struct ScaleListTests {
    @Test func negativeScalesAreNoOptions() throws {
        let command = try SliderCalibrate.parse(["age.safetensors", "--scales", "-2,-0.5, 0,1"])
        #expect(command.scales.values == [-2, -0.5, 0, 1])
        #expect(try EvalSlider.parse(["age.safetensors", "-o", "out"]).scales.values == [-2, -1, 0, 1, 2])
    }

    @Test(arguments: ["", "1,2", "0", "0,x", "0,,1", "0,nan"]) func othersAreRefused(_ text: String) {
        #expect(ScaleList(argument: text) == nil)
    }
}
