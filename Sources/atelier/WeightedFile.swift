import ArgumentParser
import Foundation

/// A file with a weight: `age.safetensors=1.5`; without one the weight is 1.
struct WeightedFile: ExpressibleByArgument {
    var path: String
    var weight: Double

    init?(argument: String) {
        guard !argument.isEmpty else { return nil }
        path = argument
        weight = 1
        // A file may have the sign in its name.
        guard !FileManager.default.fileExists(atPath: argument), let sign = argument.lastIndex(of: "="),
            sign > argument.startIndex
        else { return }
        guard let number = Double(argument[argument.index(after: sign)...]), number.isFinite else { return nil }
        path = String(argument[..<sign])
        weight = number
    }
}
