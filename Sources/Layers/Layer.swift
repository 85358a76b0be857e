internal import Synchronization
public import TensorCore

/// A part of a model: an immutable value with parameters.
///
/// Layers are functions: `layer(x, pass)`. The protocol only says where their parameters are, so that a block can be
/// run again with other tensors in their place.
public protocol Layer: Sendable {
    /// Puts `transform(parameter)` in the place of every parameter, always in the same order.
    mutating func mapParameters(_ transform: (Tensor) -> Tensor)
}

extension Layer {
    /// The parameters in the order of `mapParameters`.
    public var parameters: [Tensor] {
        var result: [Tensor] = []
        var copy = self
        copy.mapParameters { parameter in
            result.append(parameter)
            return parameter
        }
        return result
    }

    /// The same layer with other parameters, in the order of `parameters`.
    public func replacing(parameters: [Tensor]) -> Self {
        var copy = self
        var next = parameters.makeIterator()
        copy.mapParameters { parameter in next.next() ?? parameter }
        return copy
    }

    /// Runs `body`, and as a checkpoint where the pass's policy is `policy`: its results are dropped and computed again
    /// when gradients are asked for. The trainable parameters of the layer and of the pass's adapters keep their gradients, and
    /// gradients are the same bits under every policy.
    ///
    /// - Parameter body: a pure function of what it is given; it must not capture tensors.
    public func checkpointed(
        _ inputs: [Tensor], _ pass: Pass, under policy: CheckpointPolicy = .blocks,
        body: @escaping @Sendable (_ layer: Self, _ inputs: [Tensor], _ pass: Pass) -> Tensor
    ) -> Tensor {
        guard pass.checkpointing == policy else { return body(self, inputs.map(\.gathering), pass) }
        let own = parameters
        let all = own + (pass.adaptation?.parameters ?? [])
        guard (inputs + all).contains(where: \.isTracked) else { return body(self, inputs, pass) }
        let runs = RunCounter()
        return checkpoint(inputs: inputs, parameters: all) { inputs, parameters in
            var pass = pass
            pass.isReplay = runs.next() > 1
            pass.adaptation = pass.adaptation?.replacing(parameters: Array(parameters[own.count...]))
            return body(replacing(parameters: Array(parameters[..<own.count])), inputs, pass)
        }
    }
}

extension Tensor {
    /// The same tensor behind a node of its own. The gradients of everything that reads it are summed there first, in
    /// the order in which a checkpoint of those readers sums them: so both give the same bits.
    fileprivate var gathering: Tensor { isTracked ? unsqueezed(0).squeezed(0) : self }
}

/// Tells the first run of a checkpoint's body from its replays.
private final class RunCounter: Sendable {
    private let count = Atomic<Int>(0)

    /// 1 for the first run.
    func next() -> Int { count.wrappingAdd(1, ordering: .relaxed).newValue }
}

extension Array where Element: Layer {
    public mutating func mapParameters(_ transform: (Tensor) -> Tensor) {
        for index in indices { self[index].mapParameters(transform) }
    }
}

extension Optional where Wrapped: Layer {
    public mutating func mapParameters(_ transform: (Tensor) -> Tensor) {
        self?.mapParameters(transform)
    }
}
