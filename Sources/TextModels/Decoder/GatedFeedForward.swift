internal import Layers
internal import TensorCore
internal import Weights

/// The gated feed-forward part of Llama and its relatives.
///
///     y = down_proj(activation(gate_proj(x)) * up_proj(x))
struct GatedFeedForward: Layer {
    private var gate: Linear
    private var up: Linear
    private var down: Linear
    private let activation: Activation
    private let activationSite: Int
    private let site: Int

    init(
        _ width: Int, inner: Int, activation: Activation, hasBias: Bool, initial: Initialization,
        _ weights: ScopedWeights
    ) throws {
        func projection(_ inputs: Int, _ outputs: Int, _ name: String) throws -> Linear {
            try Linear(
                inputs, outputs, hasBias: hasBias, initialWeight: initial, initialBias: .zeros, weights.scope(name))
        }
        gate = try projection(width, inner, "gate_proj")
        up = try projection(width, inner, "up_proj")
        down = try projection(inner, width, "down_proj")
        self.activation = activation
        activationSite = weights.scope("act_fn").site
        site = weights.site
    }

    /// The three maps, where SiLU is between them.
    var maps: (gate: AffineMap, up: AffineMap, down: AffineMap)? {
        activation == .silu ? (gate.map, up.map, down.map) : nil
    }

    func callAsFunction(_ x: Tensor, _ pass: Pass) -> Tensor {
        // Both products read what a plan puts here.
        let x = pass.visit(site, .input, x)
        let inner = Linear.outputs(of: [gate, up], x, pass)
        let isVisited = pass.isVisiting(activationSite, .input) || pass.isVisiting(activationSite, .output)
        let isFused = activation == .silu && !isVisited
        let h =
            isFused
            ? swiglu(gate: inner[0], up: inner[1])
            : pass.visit(
                activationSite, .output, activation(pass.visit(activationSite, .input, inner[0]))) * inner[1]
        return pass.visit(site, .output, down(h, pass))
    }

    mutating func mapParameters(_ transform: (Tensor) -> Tensor) {
        gate.mapParameters(transform)
        up.mapParameters(transform)
        down.mapParameters(transform)
    }
}
