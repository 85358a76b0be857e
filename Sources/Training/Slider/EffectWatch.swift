import Adapters
import Foundation
import Generation
import Imaging
import Layers
import Measurement
import TensorCore
import World

/// Measures a slider while it learns, by the same few pictures at each check, and tells when it is enough.
///
/// Its checks and the last slider that had not drifted are part of the training's state.
struct EffectWatch: Sendable {
    private let stop: SliderStop
    private let gauge: SliderGauge
    private let requests: [GenerationRequest]
    private let model: StableDiffusion
    /// Pictures without the slider, drawn at the first check.
    private var base: SliderGauge.Read?
    private(set) var checks: [SliderStop.Check] = []
    /// What the last check with a bearable drift measured.
    private(set) var good: [String: Tensor] = [:]

    /// - Parameters:
    ///   - trait: what the slider is to move.
    ///   - probes: the folder of the probes `a`, which are there for losses and early stops.
    init(_ stop: SliderStop, trait: String, probes: String, model: StableDiffusion) throws {
        self.stop = stop
        self.model = model
        gauge = try SliderGauge(trait, probes: ProbePair(folder: probes, version: "a"))
        // Other prompts than those of reports, which a stop must not look at.
        var cases = SliderCases(prompts: stop.pictures ?? 8, seeds: 1)
        cases.seed = 4_409
        requests = cases(family: gauge.family, without: [trait]).map {
            GenerationRequest(
                prompt: $0.prompt, steps: stop.samplingSteps ?? 10, guidanceScale: 3, seed: $0.seed,
                width: model.defaultSize, height: model.defaultSize)
        }
    }

    var reason: SliderStop.Reason? { stop.reason(checks) }

    func isDue(_ step: Int) -> Bool { step % stop.every == 0 }

    /// Measures scale 1 against the stack without the slider.
    ///
    /// - Returns: what to log.
    mutating func check(step: Int, _ stack: AdapterStack, parameters: [String: Tensor]) throws -> [String: Double] {
        if base == nil { base = try gauge.readings(of: draw(stack.withoutFirst)) }
        guard let base else { return [:] }
        let change = gauge.change(from: base, to: try gauge.readings(of: draw(stack)))
        checks.append(.init(step: step, effect: Float(change.effect), drift: Float(change.drift)))
        if reason != .drifted { good = parameters }
        return ["effect": change.effect, "drift": change.drift, "interference": change.meanInterference]
    }

    private func draw(_ stack: AdapterStack?) throws -> [Image] {
        try ComputeThread.shared.concurrently(requests.count) { index in
            var denoising = try Denoising(requests[index], model: model, pass: Pass(adaptation: stack))
            denoising.advanceToEnd()
            return try denoising.picture()
        }
    }

    /// `watch`: `[checks, 3]` of step, effect and drift; `good.<parameter>`.
    var tensors: [String: Tensor] {
        guard !checks.isEmpty else { return [:] }
        var result = ParameterSet(good).prefixed("good")
        result["watch"] = Tensor(checks.flatMap { [Float($0.step), $0.effect, $0.drift] }, shape: [checks.count, 3])
        return result
    }

    mutating func restore(_ tensors: [String: Tensor]) {
        good = ParameterSet.scoped(tensors, "good").tensors
        let numbers = tensors["watch"]?.floats ?? []
        checks = stride(from: 0, to: numbers.count, by: 3).map {
            .init(step: Int(numbers[$0]), effect: numbers[$0 + 1], drift: numbers[$0 + 2])
        }
    }

    /// Why the training has ended.
    var sentence: String? {
        guard let reason, let last = checks.last else { return nil }
        let effect = "\((Double(last.effect) * 1000).rounded() / 1000)"
        return switch reason {
        case .saturated: "for its effect on \(gauge.target.name) grows no further (\(effect) of the range)"
        case .reached: "for its effect on \(gauge.target.name) is \(effect) of the range"
        case .drifted:
            "for its drift of \((Double(last.drift) * 1000).rounded() / 1000) is above \(stop.drift ?? 0); "
                + "the slider of the check before is written"
        }
    }
}
