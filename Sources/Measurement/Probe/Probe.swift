import Foundation
public import Imaging
import Layers
import TensorCore
import Weights
public import World

/// A trained probe: reads traits from pictures.
public struct Probe: Sendable {
    public let network: ProbeNetwork
    public var configuration: ProbeConfiguration { network.configuration }
    public var traits: [Trait] { configuration.traits }

    public init(_ network: ProbeNetwork) { self.network = network }

    /// Reads a folder with `config.json` and `model.safetensors`.
    public init(path: String) throws {
        let file = path + "/config.json"
        guard let json = FileManager.default.contents(atPath: file) else {
            throw MeasurementError(file, expected: "a probe's configuration", found: "nothing there")
        }
        let configuration = try ProbeConfiguration.decode(json, path: file)
        let source = try WeightFiles(file: path + "/model.safetensors").source(floatingPoint: .float32)
        let (network, report) = try ScopedWeights.load(source, root: "probe", sites: SiteIndex()) {
            try ProbeNetwork(configuration, weights: $0)
        }
        guard report.unused.isEmpty else {
            throw MeasurementError(
                path + "/model.safetensors", expected: "the weights of this probe only",
                found: "also \(report.unused.prefix(3).joined(separator: ", "))")
        }
        self.network = network
    }

    /// What the probe reads from one picture.
    public struct Answer: Sendable {
        /// One value a trait: a number, or the index of a class.
        public let values: [Double]
        /// The probability of each class of a choice, one list a trait; empty for numbers.
        public let chances: [[Double]]
        /// The chance that the picture is of the probe's family, 0 to 1.
        public let familyChance: Double
        public let features: [Float]
    }

    /// Reads pictures of the probe's size, some at a time.
    public func read(_ pictures: [Image], batch: Int = 32) throws -> [Answer] {
        let side = configuration.imageSize
        if let other = pictures.first(where: { $0.width != side || $0.height != side }) {
            throw MeasurementError(
                "picture", expected: "\(side)x\(side) pixels", found: "\(other.width)x\(other.height)")
        }
        let starts = Array(stride(from: 0, to: pictures.count, by: batch))
        return try ComputeThread.shared.concurrently(starts.count) { index in
            let part = pictures[starts[index]..<min(starts[index] + batch, pictures.count)]
            return answers(network(Tensor(images: Array(part))))
        }.flatMap { $0 }
    }

    private func answers(_ reading: ProbeNetwork.Reading) -> [Answer] {
        let (rows, width) = (reading.answers.size(0), reading.answers.size(1))
        let (answers, features) = (reading.answers.floats, reading.features.floats)
        let families = sigmoid(reading.family).floats
        let featureCount = configuration.features
        return (0..<rows).map { row in
            var start = row * width
            let slices = traits.map { trait in
                defer { start += trait.width }
                return answers[start..<start + trait.width]
            }
            return Answer(
                values: zip(traits, slices).map { $0.value($1) }, chances: zip(traits, slices).map { $0.chances($1) },
                familyChance: Double(families[row]),
                features: Array(features[row * featureCount..<(row + 1) * featureCount]))
        }
    }

    public func index(of trait: String) -> Int? { traits.firstIndex { $0.name == trait } }
}
