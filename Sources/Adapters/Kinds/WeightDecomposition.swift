public import TensorCore

/// DoRA: the norms that rows or columns of the changed weight are given.
///
///     V = base + change
///     weight = base + strength * (norms * V / |V| - base)
///
/// Follows PEFT `tuners/lora/dora.py` (rows) and LyCORIS `functional/general.py`, weight_decompose (either).
public struct WeightDecomposition: Sendable {
    public enum Axis: Sendable, Hashable {
        /// One norm an output, over inputs and kernel.
        case rows
        /// One norm an input, over outputs and kernel.
        case columns
    }

    /// `[outputs]` or `[inputs]`.
    public let norms: Tensor
    public let axis: Axis

    public init(norms: Tensor, axis: Axis) {
        self.norms = norms
        self.axis = axis
    }

    /// Reads `dora_scale`, `[outputs, 1, ...]` or `[1, inputs, ...]`, or PEFT's vector; nil where there is neither.
    init?(_ tensors: [AdapterRole: Tensor], module: AdaptableModule) throws {
        let reader = RoleReader(tensors: tensors, module: module)
        if let vector = tensors[.magnitudeVector] {
            guard vector.count == module.outputs else {
                throw reader.flaw(.magnitudeVector, expected: "[\(module.outputs)]")
            }
            self.init(norms: vector.reshaped([module.outputs]), axis: .rows)
        } else if let stored = tensors[.magnitude] {
            if stored.count == module.outputs, stored.shape.first == module.outputs {
                self.init(norms: stored.reshaped([module.outputs]), axis: .rows)
            } else if stored.count == module.inputs, stored.rank > 1, stored.shape.first == 1 {
                self.init(norms: stored.reshaped([module.inputs]), axis: .columns)
            } else {
                throw reader.flaw(.magnitude, expected: "[\(module.outputs), 1] or [1, \(module.inputs)]")
            }
        } else {
            return nil
        }
    }

    /// `norms / |V|`, with the norms of `V` held constant for gradients, as PEFT does: `[outputs]` or `[inputs]`.
    ///
    /// - Parameter changed: `V`, of the weight's shape.
    func ratio(changed: Tensor) -> Tensor {
        let other = axis == .rows ? Array(1..<changed.rank) : [0] + Array(2..<changed.rank)
        let lengths = sqrt(sum(square(changed.detached), axes: other))
        return norms.converted(to: .float32) / maximum(lengths, Tensor(scalar: 1e-12))
    }

    /// What the decomposition changes in all: `norms * V / |V| - base`.
    func dense(base: Tensor, change: Tensor) -> Tensor {
        let base = base.converted(to: .float32)
        let changed = base + change
        var shape = [Int](repeating: 1, count: base.rank)
        shape[axis == .rows ? 0 : 1] = -1
        return changed * ratio(changed: changed).reshaped(shape) - base
    }

    /// The tensor as LyCORIS writes it.
    func stored(_ module: AdaptableModule) -> Tensor {
        var shape = [Int](repeating: 1, count: module.shape.count)
        shape[axis == .rows ? 0 : 1] = norms.count
        return norms.reshaped(shape)
    }

    /// The tensor as PEFT writes it, which knows rows only.
    func storedByPEFT(_ module: AdaptableModule) -> Tensor {
        module.isConvolution ? norms.reshaped([1, module.outputs, 1, 1]) : norms
    }
}
