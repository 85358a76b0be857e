#if canImport(Glibc)
    internal import Glibc
#elseif canImport(Musl)
    internal import Musl
#endif

/// How the learning rate changes during a training, as a factor of its largest value.
///
/// Every schedule rises evenly from 0 during its warm-up. Follows diffusers `optimization.get_scheduler`.
public enum LearningRateSchedule: Sendable, Hashable {
    case constant(warmupSteps: Int = 0)
    /// Falls evenly to 0.
    case linear(warmupSteps: Int, totalSteps: Int)
    /// Falls to 0 along half a cosine.
    case cosine(warmupSteps: Int, totalSteps: Int)
    /// Falls to 0 along half a cosine, `cycles` times.
    case cosineWithRestarts(warmupSteps: Int, totalSteps: Int, cycles: Int = 1)
    /// Falls to `end` as a power of the share of steps left.
    case polynomial(warmupSteps: Int, totalSteps: Int, power: Double = 1, end: Double = 0)

    /// The factor of a step.
    ///
    /// - Parameter step: steps done before it, from 0.
    public func factor(step: Int) -> Double {
        if step < warmupSteps { return Double(step) / Double(max(1, warmupSteps)) }
        switch self {
        case .constant: return 1
        case .linear(_, let total):
            return max(0, Double(total - step) / Double(max(1, total - warmupSteps)))
        case .cosine(_, let total):
            return max(0, 0.5 * (1 + cos(.pi * progress(step, total))))
        case .cosineWithRestarts(_, let total, let cycles):
            let progress = progress(step, total)
            if progress >= 1 { return 0 }
            let phase = (Double(cycles) * progress).truncatingRemainder(dividingBy: 1)
            return max(0, 0.5 * (1 + cos(.pi * phase)))
        case .polynomial(_, let total, let power, let end):
            if step > total { return end }
            return (1 - end) * pow(1 - progress(step, total), power) + end
        }
    }

    public var warmupSteps: Int {
        switch self {
        case .constant(let steps), .linear(let steps, _), .cosine(let steps, _),
            .cosineWithRestarts(let steps, _, _), .polynomial(let steps, _, _, _):
            steps
        }
    }

    private func progress(_ step: Int, _ total: Int) -> Double {
        Double(step - warmupSteps) / Double(max(1, total - warmupSteps))
    }
}
