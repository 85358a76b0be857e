extension StepPlan {
    /// Where diffusers' schedulers differ in choosing their steps.
    struct Rules: Sendable {
        /// Spaces N + 1 points for N steps.
        var hasExtraPoint = false
        /// The model is asked at fractions of timesteps; otherwise they are rounded before their sigmas are looked up.
        var keepsFractions = false
        /// A sigma spacing covers the whole training range, not only that of the chosen timesteps.
        var spacesWholeRange = false
        /// `sigma_min` and `sigma_max` of the configuration replace the ends of that range.
        var usesSigmaRange = false
        /// `lambda_min_clipped` counts.
        var clipsLambda = false
        /// `final_sigmas_type` does not count.
        var endsAtZero = false
        /// A `final_sigmas_type` of `sigma_min` means the spacing's smallest sigma, not the table's.
        var endsAtSpacedMinimum = false
        /// What becomes of the fractional timesteps of a sigma spacing; nil leaves them.
        var rounding: @Sendable (SigmaSpacing, BetaSchedule) -> FloatingPointRoundingRule? = { _, _ in nil }

        /// EulerDiscreteScheduler
        static let euler = Rules(keepsFractions: true, usesSigmaRange: true)

        /// EulerAncestralDiscreteScheduler, HeunDiscreteScheduler, DPMSolverSDEScheduler
        static let exploding = Rules(keepsFractions: true, endsAtZero: true)

        /// KDPM2DiscreteScheduler
        static let dpm2 = Rules(
            keepsFractions: true, endsAtZero: true,
            rounding: { spacing, _ in spacing.roundsTimesteps ? .toNearestOrEven : nil })

        /// DPMSolverMultistepScheduler, which rounds where its code says so, and truncates where its integers do.
        static let dpmPlusPlus = Rules(
            hasExtraPoint: true, spacesWholeRange: true, clipsLambda: true,
            rounding: { spacing, betas in
                spacing.roundsTimesteps && betas != .squaredCosine ? .toNearestOrEven : .towardZero
            })

        /// UniPCMultistepScheduler, likewise.
        static let uniPC = Rules(
            hasExtraPoint: true, spacesWholeRange: true, usesSigmaRange: true, endsAtSpacedMinimum: true,
            rounding: { spacing, _ in spacing.roundsTimesteps ? .toNearestOrEven : .towardZero })
    }
}
