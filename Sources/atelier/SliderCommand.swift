import ArgumentParser

/// `atelier slider ...`: what is done to a slider after it was trained.
struct SliderCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "slider", abstract: "Calibrate, test and compare sliders.",
        subcommands: [SliderCalibrate.self, SliderTest.self, SliderMatrix.self])
}
