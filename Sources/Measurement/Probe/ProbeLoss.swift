public import TensorCore
public import World

/// How far a probe's answers are from the truth.
///
///     number: |answer - value|, both as shares of the range
///     circle: |answer - (cos, sin)| / 2
///     choice: -log softmax(answer)[class] / 4
///
/// Each is averaged over the pictures that show the trait, then over the traits.
public struct ProbeLoss: Sendable {
    private let traits: [Trait]

    public init(_ traits: [Trait]) { self.traits = traits }

    /// - Parameters:
    ///   - answers: `[batch, answers]`.
    ///   - scenes: what the pictures show; those of another family have no traits here.
    public func callAsFunction(_ answers: Tensor, scenes: [Scene], family: SceneFamily) -> Tensor {
        let values = scenes.map { $0.family == family ? $0.traitValues : traits.map { _ in nil } }
        var total = Tensor(scalar: 0)
        var start = 0
        for (index, trait) in traits.enumerated() {
            let column = values.map { $0[index] }
            let answer = answers.narrowed(1, start: start, count: trait.width)
            start += trait.width
            let shown = Tensor(column.map { $0 == nil ? 0 : 1 } as [Float])
            let count = Double(max(column.count { $0 != nil }, 1))
            let target = Tensor(column.flatMap { trait.target($0 ?? trait.anyValue) }, shape: answer.shape)
            let errors: Tensor
            switch trait.kind {
            case .number: errors = abs(answer - target).squeezed(1)
            case .circle: errors = sum(abs(answer - target), axes: [1]) * 0.5
            case .choice: errors = sum(logSoftmax(answer) * target, axes: [1]) * -0.25
            }
            total = total + sum(errors * shown) * (1 / count)
        }
        return total * (1 / Double(traits.count))
    }
}

extension Trait {
    /// What a network should answer for a value.
    func target(_ value: Double) -> [Float] {
        switch kind {
        case .number(let low, let high): return [Float((value - low) / (high - low))]
        case .circle(let period): return [Float(cosine(value / period)), Float(sine(value / period))]
        case .choice(let classes): return classes.indices.map { Double($0) == value ? 1 : 0 }
        }
    }

    /// The value that an answer stands for.
    func value(_ answer: ArraySlice<Float>) -> Double {
        switch kind {
        case .number(let low, let high):
            return low + (high - low) * min(max(Double(answer[answer.startIndex]), 0), 1)
        case .circle(let period):
            return period * turn(Double(answer[answer.startIndex]), Double(answer[answer.startIndex + 1]))
        case .choice:
            let best = answer.indices.max { answer[$0] < answer[$1] } ?? answer.startIndex
            return Double(best - answer.startIndex)
        }
    }

    /// The probability of each class, from its logits; empty for numbers.
    func chances(_ answer: ArraySlice<Float>) -> [Double] {
        guard case .choice = kind else { return [] }
        let top = Double(answer.max() ?? 0)
        let weights = answer.map { exponential(Double($0) - top) }
        let total = weights.reduce(0, +)
        return weights.map { $0 / total }
    }

    /// A value to put where there is none to compare with.
    fileprivate var anyValue: Double {
        switch kind {
        case .number(let low, _): low
        case .circle, .choice: 0
        }
    }
}
