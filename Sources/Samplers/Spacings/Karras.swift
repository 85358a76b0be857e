#if canImport(Glibc)
    internal import Glibc
#elseif canImport(Musl)
    internal import Musl
#endif

extension SigmaSpacing {
    /// Even steps in the seventh root of sigma: short steps where there is little noise.
    ///
    ///     sigma(i) = (a + i / (n - 1) · (b - a))⁷,   a = largest^(1/7),   b = smallest^(1/7)
    ///
    /// Karras et al., "Elucidating the Design Space of Diffusion-Based Generative Models" (arXiv 2206.00364), eq. 5.
    public static let karras = SigmaSpacing(
        name: "karras", title: "Karras", configurationKey: "use_karras_sigmas", roundsTimesteps: true
    ) { largest, smallest, count in
        let rho = 7.0
        let (start, end) = (pow(largest, 1 / rho), pow(smallest, 1 / rho))
        return evenlySpaced(0, 1, count: count).map { pow(start + $0 * (end - start), rho) }
    }
}
