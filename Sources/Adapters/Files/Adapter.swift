public import TensorCore

/// A set of changes to the layers of a model: a slider, a style, any LoRA.
///
/// A value: its tensors are those of the file, mapped, until an operation makes others.
public struct Adapter: Sendable {
    /// What errors and recipes call it: a file's path, or how it was made.
    public var name: String
    /// By the path of the layer, `unet.mid_block.resnets.0.conv1`.
    public var layers: [String: LayerAdapter]
    /// What the file says of itself: training notes, provenance.
    public var metadata: [String: String]
    /// Whether the model has two text encoders, which kohya's files spell in another way.
    public var isXL: Bool

    public init(name: String, layers: [LayerAdapter], metadata: [String: String] = [:], isXL: Bool = false) {
        self.name = name
        self.layers = Dictionary(layers.map { ($0.module.path, $0) }, uniquingKeysWith: { first, _ in first })
        self.metadata = metadata
        self.isXL = isXL
    }

    /// The layers in the order of their paths.
    public var sortedLayers: [LayerAdapter] { layers.sorted { $0.key < $1.key }.map(\.value) }

    /// The trainable tensors by `path.role`, `unet.conv_in.lora_down.weight`.
    public var parameters: [String: Tensor] {
        var result: [String: Tensor] = [:]
        for (path, layer) in layers {
            for (role, tensor) in layer.delta?.tensors ?? [:] { result["\(path).\(role.rawValue)"] = tensor }
            result["\(path).\(AdapterRole.magnitude.rawValue)"] = layer.decomposition?.norms
            result["\(path).\(AdapterRole.biasDifference.rawValue)"] = layer.biasDifference
        }
        return result
    }

    /// The same adapter with other tensors in the place of some of `parameters`: what a trainer rebuilds each step.
    public func replacing(parameters: [String: Tensor]) -> Adapter {
        var copy = self
        for (path, layer) in layers {
            func tensor(_ role: AdapterRole) -> Tensor? { parameters["\(path).\(role.rawValue)"] }
            let delta = layer.delta.map { delta in
                var tensors = delta.tensors
                for role in tensors.keys { tensors[role] = tensor(role) ?? tensors[role] }
                return delta.replacing(tensors, scale: delta.scale)
            }
            copy.layers[path] = LayerAdapter(
                layer.module, delta,
                decomposition: layer.decomposition.map {
                    WeightDecomposition(norms: tensor(.magnitude) ?? $0.norms, axis: $0.axis)
                }, biasDifference: layer.biasDifference.map { tensor(.biasDifference) ?? $0 })
        }
        return copy
    }
}

extension Adapter {
    /// A LoRA that changes nothing yet: `down` is drawn, `up` is zero.
    ///
    /// - Parameters:
    ///   - rank: at most; a convolution's is not above its channels, as in Concept Sliders.
    ///   - alpha: over the rank, the change's factor.
    ///   - bound: of `down`'s uniform numbers, from the fan-in; torch's default for linear layers when nil.
    public static func untrained(
        name: String, modules: [AdaptableModule], rank: Int, alpha: Double, isXL: Bool = false,
        random: inout TorchGenerator, bound: (Int) -> Float = { 1 / Float($0).squareRoot() }
    ) -> Adapter {
        precondition(rank > 0, "untrained: rank \(rank)")
        let layers = modules.map { module in
            let rank = module.isConvolution ? min(rank, module.inputs, module.outputs) : rank
            let shape = [rank, module.inputs] + module.kernel
            let down = random.uniform(shape) * Double(2 * bound(module.fanIn)) - Double(bound(module.fanIn))
            return LayerAdapter(
                module,
                LowRankDelta(
                    down: down.frozen(), up: Tensor.zeros([module.outputs, rank]).frozen(),
                    scale: alpha / Double(rank)))
        }
        return Adapter(name: name, layers: layers, isXL: isXL)
    }
}
