/// How the training noise grows; the raw value is diffusers' `beta_schedule`.
public enum BetaSchedule: String, Sendable, CaseIterable, Codable {
    /// `linspace(start, end)`.
    case linear
    /// `linspace(sqrt(start), sqrt(end))²`, the schedule of latent diffusion.
    case scaledLinear = "scaled_linear"
    /// From the cosine `ᾱ(t) = cos²(π/2 · (t + 0.008) / 1.008)`, each beta at most 0.999.
    case squaredCosine = "squaredcos_cap_v2"
}

/// Which of the training timesteps a trajectory visits; the raw value is diffusers' `timestep_spacing`.
public enum TimestepSpacing: String, Sendable, CaseIterable, Codable {
    /// Evenly from the last timestep to 0, both included.
    case linspace
    /// Multiples of a whole stride plus an offset; the last timestep is usually left out.
    case leading
    /// Evenly from the last timestep, which is included, to just before 0.
    case trailing
}

/// What the model predicts; the raw value is diffusers' `prediction_type`.
public enum PredictionType: String, Sendable, CaseIterable, Codable {
    /// The noise.
    case epsilon
    /// `v = sqrt(ᾱ) noise - sqrt(1 - ᾱ) x0`.
    case velocity = "v_prediction"
    /// The clean sample x0.
    case sample
    /// The direction from the clean sample to the noise: `v = noise - x0` where `x = (1 - sigma) x0 + sigma noise`.
    case flow = "flow_prediction"

    /// stable-diffusion.cpp's spelling, such as `eps`.
    public var name: String {
        switch self {
        case .epsilon: "eps"
        case .velocity: "v"
        case .sample: "sample"
        case .flow: "flow"
        }
    }

    private var aliases: [String] {
        switch self {
        case .epsilon: ["epsilon"]
        case .velocity: ["velocity"]
        case .sample: ["x0"]
        case .flow: ["sd3_flow"]
        }
    }

    /// Finds a prediction type by its name, alias or raw value, however it is spelled.
    ///
    /// - Throws: `SamplerError.unknownPrediction` with the known names.
    public static func find(_ name: String) throws(SamplerError) -> PredictionType {
        let wanted = folded(name)
        let found = allCases.first { type in
            ([type.name, type.rawValue] + type.aliases).contains { folded($0) == wanted }
        }
        if let found { return found }
        let known = allCases.map(\.name)
        throw .unknownPrediction(name, known: known, suggestion: suggestion(for: name, among: known))
    }
}

/// The sigma after the last step; the raw value is diffusers' `final_sigmas_type`.
public enum FinalSigma: String, Sendable, CaseIterable, Codable {
    case zero
    /// The smallest sigma of the training schedule.
    case minimum = "sigma_min"
}

/// The second-order correction of DPM++ 2M; the raw value is diffusers' `solver_type`.
public enum SecondOrderRule: String, Sendable, CaseIterable, Codable {
    case midpoint, heun
}

/// The weights `B(h)` of UniPC; the raw value is diffusers' `solver_type`.
public enum UniPCRule: String, Sendable, CaseIterable, Codable {
    /// `B(h) = h`
    case bh1
    /// `B(h) = e^h - 1`
    case bh2
}
