import World

/// Curves of distance to the style over distance to the content, and the areas under them.
struct ParetoCurves: Sendable {
    /// `[arm][strength]`, the plain pictures first.
    let samples: [[StyleEvaluation.Sample]]
    /// Pictures of each prompt, which are drawn together when prompts are drawn.
    let seeds: Int

    /// The distance to the content that every arm reaches.
    var commonRange: Double {
        samples.map { arm in arm.map { mean($0.toContent) }.max() ?? 0 }.min() ?? 0
    }

    /// The area under each arm's curve within the common range, over some prompts, over the width of the range: a mean
    /// distance to the style.
    func areas(prompts: [Int]) -> [Double] {
        let curves = samples.map { arm in
            arm.map { (x: average($0.toContent, prompts), y: average($0.toStyle, prompts)) }.sorted { $0.x < $1.x }
        }
        let width = curves.map { $0.last?.x ?? 0 }.min() ?? 0
        guard width > 0 else { return curves.map { $0.first?.y ?? 0 } }
        return curves.map { Self.area(under: $0, to: width) / width }
    }

    /// The interval that holds 95 % of each arm's area less the first arm's, over prompts drawn with replacement.
    func bootstrap(_ count: Int, prompts: Int, seed: UInt64) -> [[Double]] {
        var random = SplitMix64(seed: seed, index: 0xB007)
        var excesses = [[Double]](repeating: [], count: samples.count)
        for _ in 0..<count {
            let areas = areas(prompts: (0..<prompts).map { _ in random.index(prompts) })
            for (arm, area) in areas.enumerated() { excesses[arm].append(area - areas[0]) }
        }
        return excesses.map { values in
            let sorted = values.sorted()
            guard let first = sorted.first, let last = sorted.last else { return [0, 0] }
            let cut = Int(0.025 * Double(sorted.count))
            return sorted.count > 2 * cut ? [sorted[cut], sorted[sorted.count - 1 - cut]] : [first, last]
        }
    }

    private func average(_ values: [Double], _ prompts: [Int]) -> Double {
        var sum = 0.0
        for prompt in prompts { for seed in 0..<seeds { sum += values[prompt * seeds + seed] } }
        return sum / Double(max(prompts.count * seeds, 1))
    }

    /// By trapezes between the corners.
    static func area(under curve: [(x: Double, y: Double)], to width: Double) -> Double {
        var sum = 0.0
        for (a, b) in zip(curve, curve.dropFirst()) where a.x < width && b.x > a.x {
            let end = min(b.x, width)
            let y = a.y + (b.y - a.y) * (end - a.x) / (b.x - a.x)
            sum += (a.y + y) / 2 * (end - a.x)
        }
        return sum
    }
}
