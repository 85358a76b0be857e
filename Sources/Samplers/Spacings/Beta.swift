#if canImport(Glibc)
    internal import Glibc
#elseif canImport(Musl)
    internal import Musl
#endif

extension SigmaSpacing {
    /// The quantiles of a beta distribution: short steps at both ends.
    ///
    ///     sigma(i) = smallest + q(1 - i / (n - 1)) · (largest - smallest),   q the quantiles of Beta(0.6, 0.6)
    ///
    /// Lee et al., "Beta Sampling is All You Need" (arXiv 2407.12173). Follows diffusers `_convert_to_beta`.
    public static let beta = SigmaSpacing(
        name: "beta", title: "Beta", configurationKey: "use_beta_sigmas", roundsTimesteps: false
    ) { largest, smallest, count in
        evenlySpaced(0, 1, count: count).map { smallest + betaQuantile(1 - $0, 0.6, 0.6) * (largest - smallest) }
    }
}

/// Where the distribution function of Beta(a, b) reaches a probability, by bisection.
private func betaQuantile(_ probability: Double, _ a: Double, _ b: Double) -> Double {
    if probability <= 0 { return 0 }
    if probability >= 1 { return 1 }
    var (low, high) = (0.0, 1.0)
    while true {
        let middle = (low + high) / 2
        if middle <= low || middle >= high { return middle }
        if regularizedIncompleteBeta(middle, a, b) < probability { low = middle } else { high = middle }
    }
}

/// The share of Beta(a, b) below x.
///
///     I(x; a, b) = x^a (1 - x)^b / (a B(a, b)) · 1 / (1 + d1 / (1 + d2 / (1 + ...)))
///     d(2m + 1) = -(a + m)(a + b + m) x / ((a + 2m)(a + 2m + 1)),   d(2m) = m (b - m) x / ((a + 2m - 1)(a + 2m))
///
/// The continued fraction of Abramowitz & Stegun 26.5.8, by Lentz's method; `I(x; a, b) = 1 - I(1 - x; b, a)` keeps x
/// where it converges fast.
private func regularizedIncompleteBeta(_ x: Double, _ a: Double, _ b: Double) -> Double {
    if x > (a + 1) / (a + b + 2) { return 1 - regularizedIncompleteBeta(1 - x, b, a) }
    let scale = exp(lgamma(a + b) - lgamma(a) - lgamma(b) + a * log(x) + b * log1p(-x)) / a
    var (c, d, fraction) = (1.0, 0.0, 1.0)
    for term in 0..<300 {
        let m = Double(term / 2)
        let numerator =
            switch term {
            case 0: 1.0
            case _ where term % 2 == 0: m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m))
            default: -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1))
            }
        d = 1 / nonzero(1 + numerator * d)
        c = nonzero(1 + numerator / c)
        fraction *= c * d
        if term > 0 && abs(c * d - 1) < 1e-16 { break }
    }
    return scale * (fraction - 1)
}

private func nonzero(_ value: Double) -> Double { abs(value) < 1e-300 ? 1e-300 : value }
