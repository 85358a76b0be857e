import ArgumentParser
import Foundation
import Generation
import Samplers

/// The command line: one file a subcommand, which parses, calls and prints.
@main
struct Atelier: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "atelier",
        abstract: "A native studio for diffusion models: draw pictures, train models.",
        version: engineVersion,
        subcommands: [
            Generate.self, Info.self, Rerun.self, Verify.self, Train.self, Eval.self, WorldCommand.self, Models.self,
            AdaptersCommand.self, SliderCommand.self, GridCommand.self, Morph.self, Stylize.self, BatchCommand.self,
            Edit.self, PairsCommand.self,
            TextCommand.self, TraceCommand.self, Bench.self, Devices.self, Demo.self,
        ])

    /// Errors are one sentence on stderr; the exit code is 2 for usage, 1 for everything else, 130 for an interrupt.
    static func main() async {
        do {
            var command = try parseAsRoot()
            if var command = command as? any AsyncParsableCommand {
                try await command.run()
            } else {
                try command.run()
            }
        } catch is Interrupted {
            complain("interrupted")
            Foundation.exit(130)
        } catch let error as UsageError {
            complain(error.description)
            Foundation.exit(2)
        } catch let code as ExitCode {
            Foundation.exit(code.rawValue)
        } catch {
            let parserCode = exitCode(for: error)
            if parserCode == .success {
                print(fullMessage(for: error))
                Foundation.exit(0)
            }
            complain(parserCode == .validationFailure ? message(for: error) : "\(error)")
            Foundation.exit(parserCode == .validationFailure ? 2 : 1)
        }
    }
}

/// The version that pictures carry.
let engineVersion = "0.1.0"

/// A value of an option that cannot be used.
struct UsageError: Error, CustomStringConvertible {
    let description: String
}

/// The user pressed Ctrl-C.
struct Interrupted: Error {}

/// Prints one line to stderr, under the program's name.
func complain(_ message: String) {
    let line = message.split(separator: "\n").joined(separator: " ")
    FileHandle.standardError.write(Data("atelier: \(line)\n".utf8))
}
