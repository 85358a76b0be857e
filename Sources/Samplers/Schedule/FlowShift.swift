#if canImport(Glibc)
    internal import Glibc
#elseif canImport(Musl)
    internal import Musl
#endif

/// How the noise shares of a flow model are moved towards noise, which large pictures need.
public struct FlowShift: Sendable, Equatable {
    /// `shift`: a fixed s, `sigma' = s sigma / (1 + (s - 1) sigma)`.
    public var factor = 1.0
    /// `use_dynamic_shifting`: mu follows from the picture's size, and the fixed factor does not count.
    public var isDynamic = false
    /// `time_shift_type`: whether `e^mu` or mu itself takes the place of s.
    public var isExponential = true
    /// `base_shift`, `max_shift`: mu at the two sizes below.
    public var baseShift = 0.5
    public var maximumShift = 1.15
    /// `base_image_seq_len`, `max_image_seq_len`: sizes in tokens.
    public var baseTokens = 256
    public var maximumTokens = 4096
    /// `shift_terminal`: stretches the shares so that the last one is this.
    public var terminal: Double?
    /// The picture's size in tokens, which the caller sets for a dynamic shift.
    public var tokens: Int?

    public init() {}

    /// Mu at a size, on the line through the two that are given.
    ///
    /// Follows `calculate_shift` of diffusers' `pipeline_flux.py`.
    public func mu(tokens: Int) -> Double {
        let slope = (maximumShift - baseShift) / Double(maximumTokens - baseTokens)
        return Double(tokens) * slope + (baseShift - slope * Double(baseTokens))
    }

    /// The moved share.
    func shifted(_ sigma: Double, mu: Double?) -> Double {
        guard let mu else { return factor * sigma / (1 + (factor - 1) * sigma) }
        let scale = isExponential ? exp(mu) : mu
        return scale / (scale + (1 / sigma - 1))
    }
}

extension SolverContext {
    /// The shares of noise before each step of a flow, falling from 1.
    ///
    /// Linspace goes evenly from the shifted largest to the shifted smallest share of training and shifts again, as
    /// `set_timesteps` of diffusers' FlowMatchEulerDiscreteScheduler does by itself; trailing goes evenly from 1 to
    /// 1 / N, as its pipelines with a dynamic shift ask for.
    /// - Throws: `SamplerError` when a dynamic shift does not know the picture's size.
    func flowSigmas() throws(SamplerError) -> [Double] {
        let (shift, train) = (configuration.flowShift, Double(configuration.trainTimesteps))
        var mu: Double?
        if shift.isDynamic {
            guard let tokens = shift.tokens else {
                throw .configuration(
                    key: "use_dynamic_shifting", expected: "a picture size for the shift", found: "none")
            }
            mu = shift.mu(tokens: tokens)
        }
        let spacing = configuration.timestepSpacing ?? (shift.isDynamic ? .trailing : .linspace)
        var sigmas: [Double]
        if spacing == .trailing {
            sigmas = evenlySpaced(1, 1 / Double(steps), count: steps).map { Double(Float($0)) }
        } else {
            // Training shares are float32, and shifted once when the shift is fixed.
            let ends = [1, 1 / train].map { Double(Float(shift.isDynamic ? $0 : shift.shifted($0, mu: nil))) }
            sigmas = evenlySpaced(ends[0] * train, ends[1] * train, count: steps).map { $0 / train }
        }
        sigmas = sigmas.map { shift.shifted($0, mu: mu) }
        if let terminal = shift.terminal, let last = sigmas.last {
            let scale = (1 - last) / (1 - terminal)
            sigmas = sigmas.map { 1 - (1 - $0) / scale }
        }
        guard let spacing = configuration.sigmaSpacing else { return sigmas }
        return spacing.sigmas(sigmas[0], sigmas[sigmas.count - 1], sigmas.count)
    }
}
