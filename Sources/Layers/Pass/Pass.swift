public import TensorCore

/// The part that a row of the batch plays in guidance.
public enum RowRole: Sendable, Hashable {
    case unconditional, conditional
    /// The branch of a style adapter, by its number in the stack.
    case style(Int)
}

/// Which results a pass with gradients keeps, and which it computes again.
public enum CheckpointPolicy: Sendable, Hashable {
    /// Keeps everything.
    case none
    /// Keeps the inputs of each feed-forward part of a UNet's transformers and runs it again in the backward pass: its gates
    /// are the widest of all maps, and quickly made.
    case feedForward
    /// Keeps the inputs of each residual block and transformer and runs them again in the backward pass.
    case blocks
}

/// Everything that is done to a model during one forward call: the last argument of every layer.
///
/// Layers are immutable; nothing switches a model on or off. `Pass()` is the plain model.
public struct Pass: Sendable {
    public var adaptation: (any Adaptation)?
    public var plan: SitePlan?
    /// One role for each row of the batch; empty when rows have no roles.
    public var rows: [RowRole]
    public var checkpointing: CheckpointPolicy
    /// Whether a checkpoint is running its block again.
    public internal(set) var isReplay = false

    public init(
        adaptation: (any Adaptation)? = nil, plan: SitePlan? = nil, rows: [RowRole] = [],
        checkpointing: CheckpointPolicy = .none
    ) {
        self.adaptation = adaptation
        self.plan = plan
        self.rows = rows
        self.checkpointing = checkpointing
    }

    /// Offers a value to the plan; without a plan this is one comparison with nil.
    @inline(__always)
    public func visit(_ site: Int, _ port: Port, _ value: @autoclosure () -> Tensor) -> Tensor {
        guard let plan else { return value() }
        return plan.visit(site, port, value(), isReplay: isReplay)
    }

    /// Whether the plan does anything at a site; a layer that fuses the value away then takes its plain path.
    public func isVisiting(_ site: Int, _ port: Port) -> Bool {
        plan?.contains(site, port) ?? false
    }

    /// Whether nothing is visited or adapted.
    public var isPlain: Bool { plan == nil && adaptation == nil }

    /// Whether what only products with these weights read may be rounded where it is made, which changes no bit of them.
    func roundsOperands(of weight: Tensor) -> Bool { isPlain && weight.roundsOperands }

    /// Whether the plan wants nothing more of this pass, so that the blocks that follow can be left out.
    public var isFinished: Bool { plan?.isFinished ?? false }

    /// The output of a layer with the adapters of this pass.
    func adapted(_ layer: BaseLayer, input: Tensor, at site: Int) -> Tensor {
        guard let adaptation else { return layer(input) }
        return adaptation.adapted(layer, input: input, at: site, self)
    }
}
