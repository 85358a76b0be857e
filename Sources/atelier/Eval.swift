import ArgumentParser

/// `atelier eval ...`: one subcommand a kind of thing that is judged.
struct Eval: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "eval", abstract: "Measure what models do.",
        subcommands: [EvalBase.self, EvalSlider.self, EvalRegion.self, EvalStyle.self])
}
