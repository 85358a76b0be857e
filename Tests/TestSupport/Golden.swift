public import Foundation
public import TensorCore
public import Weights

/// What a golden file says of every site of a model.
///
/// Keys `site/PATH` hold the values; metadata `aliases` is a JSON object from the path of a container to the path of
/// the child whose value it returns.
public struct GoldenSites {
    public let values: [String: Tensor]

    /// - Parameter name: of the file, such as `tiny-vae/golden_forward.safetensors`.
    public init(_ name: String) throws {
        let stored = tensors(try Fixtures.tensors(name), under: "site/")
        var values = stored
        if let text = try Fixtures.metadata(name)["aliases"] {
            for (path, other) in try JSONDecoder().decode([String: String].self, from: Data(text.utf8)) {
                values[path] = stored[other]
            }
        }
        self.values = values
    }

    /// One line for each site whose recorded value is missing or too far from the golden one, in the order of paths.
    ///
    /// Golden values may hold the first rows of a batch only, and tokens of a flattened feature map.
    public func differences(tolerance: Float, recorded: (String) -> Tensor?) -> [String] {
        values.sorted { $0.key < $1.key }.compactMap { path, golden in
            guard var value = recorded(path) else { return "\(path): not visited" }
            if value.rank > 0, golden.rank > 0, golden.size(0) < value.size(0) {
                value = value.narrowed(0, start: 0, count: golden.size(0))
            }
            if value.shape != golden.shape, value.count == golden.count { value = value.reshaped(golden.shape) }
            let difference = maximumDifference(value, golden)
            return difference <= tolerance ? nil : "\(path): \(difference) apart, \(value.shape) and \(golden.shape)"
        }
    }
}

/// Gradients beside golden ones.
///
/// Some gradients are zero but for rounding: a bias of all keys moves every score of a query alike, and the softmax
/// does not see it. So a distance below 1e-6 of the largest norm counts as none.
///
/// - Parameters:
///   - golden: by name.
///   - limit: of the Euclidean distance of each, relative to its norm.
/// - Returns: one line for each gradient that is missing or too far from the golden one.
public func gradientDifferences(
    golden: [String: Tensor], limit: Double = 1e-3, computed: (String) -> Tensor?
) -> [String] {
    let floor = 1e-6 * (golden.values.map(l2Norm).max() ?? 0)
    return golden.sorted { $0.key < $1.key }.compactMap { name, expected in
        guard let gradient = computed(name) else { return "\(name): no gradient" }
        let norm = l2Norm(expected)
        let distance = l2Distance(gradient, expected)
        return distance <= max(limit * norm, floor) ? nil : "\(name): \(distance) apart, the norm is \(norm)"
    }
}
