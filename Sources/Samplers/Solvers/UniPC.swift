public import TensorCore

#if canImport(Glibc)
    internal import Glibc
#elseif canImport(Musl)
    internal import Musl
#endif

extension SamplingMethod {
    static let uniPC = SamplingMethod(
        name: "unipc", title: "UniPC", aliases: ["UniPCMultistepScheduler", "uni_pc", "uni_pc_bh2"], family: .sigmas
    ) { context throws(SamplerError) in try UniPC(context) }
}

/// Unified predictor-corrector: a multistep prediction, corrected once the model's answer at its end is known.
///
///     D(i) = (x0(i) - x0) / r(i),   r(i) = (lambda(i) - lambda) / h
///     x' = beta' / beta · x - alpha' (e^-h - 1) x0 - alpha' B(h) Σ rho(i) D(i)
///
/// over earlier evaluations i, with h and the other letters of `DPMPlusPlus2M`. The corrector takes the step to the
/// present again, with the new x0 as one more D of r = 1, before the predictor goes on; it costs no evaluation. The
/// weights rho solve `Σ r(i)^(k - 1) rho(i) = b(k)` for `k = 1 ... order`. Zhao et al., "UniPC" (arXiv 2302.04867).
/// Follows diffusers `UniPCMultistepScheduler.step` with `predict_x0`, scalars in float32.
public struct UniPC: VariancePreservingSolver {
    let plan: StepPlan
    private let points: [SigmaPoint]
    private let predictionType: PredictionType
    private let rule: UniPCRule
    private let order: Int
    private let lowersFinalOrder: Bool
    private let uncorrected: Set<Int>
    /// The x0 of the last steps, the latest first; at most `order`.
    private var history: [Tensor] = []
    /// Where the last step began, and its order.
    private var last: (latents: Tensor, order: Int)?

    init(_ context: SolverContext) throws(SamplerError) {
        let configuration = context.configuration
        plan = StepPlan(context, rules: .uniPC)
        points = plan.points
        predictionType = configuration.predictionType
        rule = configuration.uniPCRule
        order = configuration.solverOrder
        guard (1...3).contains(order) else {
            throw .configuration(key: "solver_order", expected: "1 to 3", found: "\(order)")
        }
        // A step to no noise is infinitely long in lambda: earlier answers have no weight there.
        lowersFinalOrder = configuration.lowersFinalOrder || configuration.finalSigma == .zero
        uncorrected = Set(configuration.uncorrectedSteps)
    }

    public mutating func advance(
        _ latents: Tensor, prediction: Tensor, at index: Int, noise: (_ shape: [Int]) -> Tensor
    ) -> SamplerStep {
        if index == 0 { (history, last) = ([], nil) }
        let now = points[index]
        let denoised = predictionType.denoised(
            prediction, latents: latents, signal: now.signal, deviation: now.deviation)
        var origin = latents
        if let last, index > 0, !uncorrected.contains(index - 1) {
            origin = step(last.latents, from: index - 1, order: last.order, answer: denoised)
        }
        history = [denoised] + history.prefix(order - 1)
        let remaining = lowersFinalOrder ? points.count - 1 - index : order
        let current = min(order, remaining, history.count)
        last = (origin, current)
        return SamplerStep(latents: step(origin, from: index, order: current), denoised: denoised)
    }

    /// A step from an evaluation to the next, by the history that ends with its x0.
    ///
    /// - Parameter answer: x0 at the step's end, for the corrector; nil predicts.
    private func step(_ latents: Tensor, from index: Int, order: Int, answer: Tensor? = nil) -> Tensor {
        let (now, next) = (points[index], points[index + 1])
        let h = next.lambda - now.lambda
        let weights = Weights(
            h: h, ratios: (1..<order).map { (points[index - $0].lambda - now.lambda) / h }, rule: rule,
            corrects: answer != nil)
        var result =
            latents * Double(next.deviation / now.deviation) - history[0] * Double(next.signal * weights.first)
        guard !weights.rhos.isEmpty else { return result }
        var sum: Tensor?
        for (position, rho) in weights.rhos.enumerated() {
            // The last D of the corrector is that of the answer.
            let difference =
                if let answer, position == weights.rhos.count - 1 {
                    answer - history[0]
                } else {
                    (history[position + 1] - history[0]) / Double(weights.ratios[position])
                }
            let term = difference * Double(rho)
            sum = sum.map { $0 + term } ?? term
        }
        if let sum { result = result - sum * Double(next.signal * weights.scale) }
        return result
    }
}

extension UniPC {
    /// The numbers of a step that depend on its length and on the ratios of earlier ones to it.
    private struct Weights {
        /// `e^-h - 1`
        let first: Float
        /// `B(h)`
        let scale: Float
        let ratios: [Float]
        let rhos: [Float]

        init(h: Float, ratios: [Float], rule: UniPCRule, corrects: Bool) {
            first = expm1(-h)
            scale = rule == .bh1 ? -h : first
            self.ratios = ratios
            let order = ratios.count + 1
            let unknowns = corrects ? order : order - 1
            // The reference sets the predictor of second order and the corrector of first to one half.
            if unknowns == 1 {
                rhos = [0.5]
                return
            }
            var phi = first / -h - 1
            var factorial: Float = 1
            var right: [Float] = []
            for k in 1...order {
                right.append(phi * factorial / scale)
                factorial *= Float(k + 1)
                phi = phi / -h - 1 / factorial
            }
            let columns = ratios + [1]
            let matrix = (0..<unknowns).map { row in (0..<unknowns).map { pow(columns[$0], Float(row)) } }
            rhos = solved(matrix, Array(right.prefix(unknowns)))
        }
    }
}

/// The solution of a small linear system, by elimination with the largest pivots.
private func solved(_ matrix: [[Float]], _ right: [Float]) -> [Float] {
    var rows = zip(matrix, right).map { $0 + [$1] }
    let count = rows.count
    for column in 0..<count {
        let pivot = (column..<count).max { abs(rows[$0][column]) < abs(rows[$1][column]) } ?? column
        rows.swapAt(column, pivot)
        for row in (column + 1)..<max(count, column + 1) {
            let factor = rows[row][column] / rows[column][column]
            for position in column...count { rows[row][position] -= factor * rows[column][position] }
        }
    }
    var result = [Float](repeating: 0, count: count)
    for row in (0..<count).reversed() {
        let known = ((row + 1)..<max(count, row + 1)).reduce(Float(0)) { $0 + rows[row][$1] * result[$1] }
        result[row] = (rows[row][count] - known) / rows[row][row]
    }
    return result
}
