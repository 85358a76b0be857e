import TensorCore

/// Compares `gradients(of:seed:)` with central differences along a few random directions of each input.
///
///     seed · (f(x + εu) - f(x - εu)) / 2ε  ≈  gradient · u
///
/// The sums are taken in double precision, so what limits the left side is the rounding of `f` itself.
///
/// - Parameters:
///   - tolerance: the allowed difference over the norm of the gradient.
///   - step: ε, for directions with normally distributed components.
/// - Returns: what disagrees, in words; empty when nothing does.
func gradientProblems(
    of body: ([Tensor]) -> Tensor, at inputs: [Tensor], tolerance: Double = 2e-3, step: Float = 5e-3,
    directions: Int = 3, seed: UInt64 = 1
) -> [String] {
    var generator = Generator(seed: seed)
    let leaves = inputs.map { $0.tracked() }
    let output = body(leaves)
    let outputSeed = generator.normals(output.shape)
    let weights = outputSeed.floats
    let result = gradients(of: output, seed: outputSeed)

    func objective(_ inputs: [Tensor]) -> Double {
        zip(body(inputs).floats, weights).reduce(0) { $0 + Double($1.0) * Double($1.1) }
    }

    var problems: [String] = []
    for position in inputs.indices {
        guard let gradient = result[leaves[position]] else {
            problems.append("input \(position) has no gradient")
            continue
        }
        guard gradient.shape == inputs[position].shape else {
            problems.append("input \(position): gradient \(gradient.shape) for shape \(inputs[position].shape)")
            continue
        }
        let slope = gradient.floats
        let norm = slope.reduce(0) { $0 + Double($1) * Double($1) }.squareRoot()
        for _ in 0..<directions {
            let direction = generator.normals(inputs[position].shape)
            var moved = inputs
            moved[position] = inputs[position] + direction * Double(step)
            let above = objective(moved)
            moved[position] = inputs[position] - direction * Double(step)
            let below = objective(moved)
            let measured = (above - below) / (2 * Double(step))
            let predicted = zip(slope, direction.floats).reduce(0) { $0 + Double($1.0) * Double($1.1) }
            if !(Swift.abs(measured - predicted) <= tolerance * norm + 1e-3) {
                problems.append(
                    "input \(position): slope \(predicted), measured \(measured), gradient norm \(norm)")
            }
        }
    }
    return problems
}
