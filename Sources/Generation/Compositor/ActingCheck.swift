import Adapters
import Foundation
import Samplers

extension StableDiffusion {
    /// Refuses adapters that a picture could never show, before anything is computed: those of a word that the prompt has
    /// not, and those whose window or curve none of the picture's steps comes through. A weight of 0 is never refused.
    ///
    /// - Parameter strength: of the picture that it begins with, which leaves out the first steps; nil without one.
    /// - Throws: `GenerationError` that names the entry and its key; the sampler's errors.
    public func checkActing(
        _ uses: [AdapterUse], in request: GenerationRequest, strength: Double? = nil
    ) throws {
        for use in uses where use.weight != 0 {
            if let word = use.region?.word, text.places(of: word, in: request.prompt).isEmpty {
                throw GenerationError(
                    "\(use.label): region word", expected: "words of the prompt \"\(request.prompt)\"",
                    found: "\"\(word)\"")
            }
            // A plain start may lie behind the last step: that is how a sweep over starts turns a slider off.
            guard let asked = use.schedule, asked.start == nil else { continue }
            let schedule = try asked.schedule(timesteps: scheduler.trainTimesteps, of: use.label)
            let moments = try request.moments(for: self, strength: strength)
            guard moments.allSatisfy({ schedule.factor(at: $0) == 0 }) else { continue }
            let positions = moments.map { Self.short(schedule.position(at: $0) ?? 0) }
            let shown =
                positions.count > 8 ? positions.prefix(6) + ["...", positions[positions.count - 1]] : positions[...]
            let key = asked.curve == nil ? "from, to" : "curve"
            let window = schedule.window.map { window in
                let low = asked.from == nil ? "the beginning" : Self.short(window.lowerBound)
                return "\(low) to \(asked.to == nil ? "the end" : Self.short(window.upperBound))"
            }
            throw GenerationError(
                "\(use.label): \(key)",
                expected: "a factor other than 0 at one of the picture's steps (\(schedule.axis.rawValue) "
                    + "\(shown.joined(separator: ", ")))",
                found: "\(window ?? "a curve") that none of them comes through")
        }
    }

    private static func short(_ value: Double) -> String {
        let rounded = (value * 1e4).rounded() / 1e4
        return Int(exactly: rounded).map(String.init) ?? String(rounded)
    }
}

extension GenerationRequest {
    /// Where the run is at each evaluation of the model, of both passes where there are two.
    ///
    /// - Parameter strength: of the picture that it begins with; nil without one.
    /// - Throws: the sampler's errors.
    func moments(for model: StableDiffusion, strength: Double? = nil) throws -> [SamplingMoment] {
        func moments(_ sampler: Sampler, from first: Int, done: Int, of total: Int) -> [SamplingMoment] {
            var sampler = sampler
            let begin = sampler.begin(at: first)
            return sampler.evaluations[begin...].map { evaluation in
                SamplingMoment(
                    timestep: Double(evaluation.timestep),
                    fraction: Double(done + evaluation.step - first) / Double(total), sigma: Double(evaluation.sigma))
            }
        }
        let sampler = try makeSampler(model.scheduler)
        let count = sampler.stepCount
        let first = strength.map { StartingPicture.firstStep(of: count, strength: $0) } ?? 0
        guard let hires else { return moments(sampler, from: first, done: first, of: count) }
        let next = try hires.request(from: self, latentFactor: model.latentFactor).makeSampler(model.scheduler)
        let skipped = hires.firstStep(of: next.stepCount)
        let total = count + next.stepCount - skipped
        return moments(sampler, from: 0, done: 0, of: total) + moments(next, from: skipped, done: count, of: total)
    }
}
