#if canImport(Glibc)
    internal import Glibc
#elseif canImport(Musl)
    internal import Musl
#endif

extension SigmaSpacing {
    /// Even steps in the logarithm of sigma.
    ///
    ///     sigma(i) = exp(ln largest + i / (n - 1) · (ln smallest - ln largest))
    ///
    /// Follows diffusers `_convert_to_exponential`.
    public static let exponential = SigmaSpacing(
        name: "exponential", title: "Exponential", configurationKey: "use_exponential_sigmas", roundsTimesteps: false
    ) { largest, smallest, count in
        evenlySpaced(log(largest), log(smallest), count: count).map { exp($0) }
    }
}
