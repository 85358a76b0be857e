#if canImport(FoundationEssentials)
    internal import FoundationEssentials
#else
    internal import Foundation
#endif

extension SchedulerConfiguration: Codable {
    /// Reads the text of a `scheduler_config.json`.
    ///
    /// Python writes an infinite `lambda_min_clipped` as a bare `-Infinity`, which JSON does not know; such a value
    /// counts as missing.
    /// - Throws: `SamplerError.configuration`, naming the key.
    public init(json: String) throws(SamplerError) {
        do {
            self = try JSONDecoder().decode(Self.self, from: Data(json.withoutBareConstants.utf8))
        } catch let error as SamplerError {
            throw error
        } catch DecodingError.typeMismatch {
            throw .configuration(key: "JSON", expected: "an object", found: "another value")
        } catch {
            throw .configuration(key: "JSON", expected: "an object", found: "text that is no JSON")
        }
    }

    public init(from decoder: any Decoder) throws {
        let values = try Values(decoder)
        self.init()
        className = try values.value("_class_name")
        setDefaults(ofClass: className)
        trainTimesteps = try values.value("num_train_timesteps") ?? trainTimesteps
        betaStart = try values.value("beta_start") ?? betaStart
        betaEnd = try values.value("beta_end") ?? betaEnd
        betaSchedule = try values.choice("beta_schedule") ?? betaSchedule
        trainedBetas = try values.value("trained_betas")
        rescalesToZeroSNR = try values.value("rescale_betas_zero_snr") ?? rescalesToZeroSNR
        predictionType = try values.choice("prediction_type") ?? predictionType
        timestepSpacing = try values.choice("timestep_spacing")
        stepsOffset = try values.value("steps_offset") ?? stepsOffset
        sigmaSpacing = try values.sigmaSpacing()
        sigmaMinimum = try values.value("sigma_min")
        sigmaMaximum = try values.value("sigma_max")
        finalSigma = try values.choice("final_sigmas_type") ?? finalSigma
        clipsSample = try values.value("clip_sample")
        clipRange = try values.value("clip_sample_range") ?? clipRange
        setsAlphaToOne = try values.value("set_alpha_to_one")
        lowersFinalOrder = try values.value("lower_order_final") ?? lowersFinalOrder
        usesEulerAtFinal = try values.value("euler_at_final") ?? usesEulerAtFinal
        (secondOrderRule, uniPCRule) = try values.solverType()
        uncorrectedSteps = try values.value("disable_corrector") ?? uncorrectedSteps
        solverOrder = try values.value("solver_order") ?? solverOrder
        algorithm = try values.value("algorithm_type") ?? algorithm
        lambdaMinimum = try values.value("lambda_min_clipped") ?? lambdaMinimum
        skipsRungeKutta = try values.value("skip_prk_steps")
        originalSteps = try values.value("original_inference_steps") ?? originalSteps
        timestepScaling = try values.value("timestep_scaling") ?? timestepScaling
        flowShift.factor = try values.value("shift") ?? flowShift.factor
        flowShift.isDynamic = try values.value("use_dynamic_shifting") ?? flowShift.isDynamic
        flowShift.isExponential = try values.value("time_shift_type") != "linear"
        flowShift.baseShift = try values.value("base_shift") ?? flowShift.baseShift
        flowShift.maximumShift = try values.value("max_shift") ?? flowShift.maximumShift
        flowShift.baseTokens = try values.value("base_image_seq_len") ?? flowShift.baseTokens
        flowShift.maximumTokens = try values.value("max_image_seq_len") ?? flowShift.maximumTokens
        flowShift.terminal = try values.value("shift_terminal")
        try values.refuse("thresholding", unless: false)
        try values.refuse("predict_x0", unless: true)
        try values.refuse("invert_sigmas", unless: false)
        try values.refuse("stochastic_sampling", unless: false)
        try values.refuse("interpolation_type", unless: "linear")
        try values.refuse("timestep_type", unless: "discrete")
        try validate()
    }

    /// Writes the keys under which diffusers reads them back; those that are nil or infinite are left out.
    public func encode(to encoder: any Encoder) throws {
        var container = encoder.container(keyedBy: Key.self)
        func put(_ key: String, _ value: (some Encodable)?) throws {
            try container.encodeIfPresent(value, forKey: Key(stringValue: key))
        }
        try put("_class_name", className)
        try put("num_train_timesteps", trainTimesteps)
        try put("beta_start", betaStart)
        try put("beta_end", betaEnd)
        try put("beta_schedule", betaSchedule)
        try put("trained_betas", trainedBetas)
        try put("rescale_betas_zero_snr", rescalesToZeroSNR)
        try put("prediction_type", predictionType)
        try put("timestep_spacing", timestepSpacing)
        try put("steps_offset", stepsOffset)
        if let sigmaSpacing { try put(sigmaSpacing.configurationKey, true) }
        try put("sigma_min", sigmaMinimum)
        try put("sigma_max", sigmaMaximum)
        try put("final_sigmas_type", finalSigma)
        try put("clip_sample", clipsSample)
        try put("clip_sample_range", clipRange)
        try put("set_alpha_to_one", setsAlphaToOne)
        try put("lower_order_final", lowersFinalOrder)
        try put("euler_at_final", usesEulerAtFinal)
        if className == "UniPCMultistepScheduler" {
            try put("solver_type", uniPCRule)
            try put("disable_corrector", uncorrectedSteps)
        } else {
            try put("solver_type", secondOrderRule)
        }
        try put("solver_order", solverOrder)
        try put("algorithm_type", algorithm)
        if lambdaMinimum.isFinite { try put("lambda_min_clipped", lambdaMinimum) }
        try put("skip_prk_steps", skipsRungeKutta)
        if ["LCMScheduler", "TCDScheduler"].contains(className) {
            try put("original_inference_steps", originalSteps)
            try put("timestep_scaling", timestepScaling)
        }
        if predictionType == .flow {
            try put("shift", flowShift.factor)
            try put("use_dynamic_shifting", flowShift.isDynamic)
            try put("time_shift_type", flowShift.isExponential ? "exponential" : "linear")
            try put("base_shift", flowShift.baseShift)
            try put("max_shift", flowShift.maximumShift)
            try put("base_image_seq_len", flowShift.baseTokens)
            try put("max_image_seq_len", flowShift.maximumTokens)
            try put("shift_terminal", flowShift.terminal)
        }
    }

    /// Sets what the classes do not share and a saved file may leave out.
    private mutating func setDefaults(ofClass name: String?) {
        switch name {
        case "HeunDiscreteScheduler", "KDPM2DiscreteScheduler", "DPMSolverSDEScheduler":
            (betaStart, betaEnd) = (0.00085, 0.012)
        case "LCMScheduler", "TCDScheduler":
            (betaStart, betaEnd, betaSchedule) = (0.00085, 0.012, .scaledLinear)
        case "FlowMatchEulerDiscreteScheduler":
            predictionType = .flow
        default: break
        }
    }

    /// Checks what a schedule is computed from.
    func validate() throws(SamplerError) {
        guard (1...1_000_000).contains(trainTimesteps) else {
            throw .configuration(key: "num_train_timesteps", expected: "1 to 1000000", found: "\(trainTimesteps)")
        }
        for (key, beta) in [("beta_start", betaStart), ("beta_end", betaEnd)] where !(beta >= 0 && beta < 1) {
            throw .configuration(key: key, expected: "a number from 0 to below 1", found: "\(beta)")
        }
        guard (0..<trainTimesteps).contains(stepsOffset) else {
            throw .configuration(key: "steps_offset", expected: "0 to \(trainTimesteps - 1)", found: "\(stepsOffset)")
        }
        guard originalSteps >= 1 else {
            throw .configuration(key: "original_inference_steps", expected: "at least 1", found: "\(originalSteps)")
        }
        guard flowShift.factor > 0 && flowShift.factor.isFinite else {
            throw .configuration(key: "shift", expected: "a number above 0", found: "\(flowShift.factor)")
        }
        if let trainedBetas {
            guard trainedBetas.count == trainTimesteps else {
                throw .configuration(
                    key: "trained_betas", expected: "\(trainTimesteps) numbers (num_train_timesteps)",
                    found: "\(trainedBetas.count)")
            }
            if let beta = trainedBetas.first(where: { !($0 >= 0 && $0 <= 1) }) {
                throw .configuration(key: "trained_betas", expected: "numbers from 0 to 1", found: "\(beta)")
            }
        }
    }
}

private struct Key: CodingKey {
    let stringValue: String
    var intValue: Int? { nil }

    init(stringValue: String) { self.stringValue = stringValue }
    init?(intValue: Int) { nil }
}

/// Reads keys with errors that name the key, the expected and the found value.
private struct Values {
    let container: KeyedDecodingContainer<Key>

    init(_ decoder: any Decoder) throws { container = try decoder.container(keyedBy: Key.self) }

    /// The value of a key, or nil when it is missing or null.
    func value<Value: Decodable>(_ key: String) throws -> Value? {
        do {
            return try container.decodeIfPresent(Value.self, forKey: Key(stringValue: key))
        } catch is DecodingError {
            throw SamplerError.configuration(key: key, expected: "a value of type \(Value.self)", found: found(key))
        }
    }

    func choice<Choice: RawRepresentable & CaseIterable>(_ key: String) throws -> Choice?
    where Choice.RawValue == String {
        guard let name: String = try value(key) else { return nil }
        guard let choice = Choice(rawValue: name) else {
            let known = Choice.allCases.map(\.rawValue).joined(separator: ", ")
            throw SamplerError.configuration(key: key, expected: "one of \(known)", found: "\"\(name)\"")
        }
        return choice
    }

    /// The rules that `solver_type` sets; each class reads the other one's names as its own default.
    func solverType() throws -> (SecondOrderRule, UniPCRule) {
        guard let name: String = try value("solver_type"), name != "logrho" else { return (.midpoint, .bh2) }
        if let rule = SecondOrderRule(rawValue: name) { return (rule, .bh2) }
        if let rule = UniPCRule(rawValue: name) { return (.midpoint, rule) }
        let known = (SecondOrderRule.allCases.map(\.rawValue) + UniPCRule.allCases.map(\.rawValue))
        throw SamplerError.configuration(
            key: "solver_type", expected: "one of \(known.joined(separator: ", "))", found: "\"\(name)\"")
    }

    /// The spacing whose `use_..._sigmas` is true.
    func sigmaSpacing() throws -> SigmaSpacing? {
        var chosen: SigmaSpacing?
        for key in container.allKeys.map(\.stringValue).sorted()
        where key.hasPrefix("use_") && (key.hasSuffix("_sigmas") || key.hasSuffix("_lambdas")) {
            guard try value(key) == true else { continue }
            let known = SigmaSpacing.all.map(\.configurationKey)
            guard let spacing = SigmaSpacing.all.first(where: { $0.configurationKey == key }) else {
                throw SamplerError.configuration(
                    key: key, expected: "false (known spacings: \(known.joined(separator: ", ")))", found: "true")
            }
            if let chosen {
                throw SamplerError.configuration(
                    key: key, expected: "false beside \(chosen.configurationKey)", found: "true")
            }
            chosen = spacing
        }
        return chosen
    }

    /// Rejects a setting that would change the numbers and is not implemented.
    func refuse<Value: Decodable & Equatable>(_ key: String, unless supported: Value) throws {
        guard let found: Value = try value(key), found != supported else { return }
        throw SamplerError.configuration(key: key, expected: "\(supported)", found: "\(found)")
    }

    private func found(_ key: String) -> String {
        let key = Key(stringValue: key)
        if let text = try? container.decode(String.self, forKey: key) { return "\"\(text)\"" }
        if let number = try? container.decode(Double.self, forKey: key) { return "\(number)" }
        if let flag = try? container.decode(Bool.self, forKey: key) { return "\(flag)" }
        return "an array or an object"
    }
}

extension String {
    /// Python's `NaN`, `Infinity` and `-Infinity` outside of strings replaced by `null`.
    fileprivate var withoutBareConstants: String {
        var pieces = split(separator: "\"", omittingEmptySubsequences: false).map(String.init)
        var isInside = false
        for index in pieces.indices {
            if !isInside {
                for constant in ["-Infinity", "Infinity", "NaN"] {
                    pieces[index] = pieces[index].replacing(constant, with: "null")
                }
            }
            // A quote that follows an odd number of backslashes does not end a string.
            let backslashes = pieces[index].reversed().prefix { $0 == "\\" }.count
            if !(isInside && backslashes % 2 == 1) { isInside.toggle() }
        }
        return pieces.joined(separator: "\"")
    }
}
