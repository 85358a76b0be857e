import Generation
import TensorCore

/// Denoising runs that serve several training steps: the slider changes slowly, and a run costs many evaluations.
///
/// Part of the training's state, so that a resumed training goes on with the same latents.
struct KeptRuns: Sendable {
    private(set) var runs: [Run] = []
    let limit: Int

    struct Run: Sendable {
        var entry: Int
        /// `[latents, batch, channels, height, width]`: after each step, the noise first.
        var latents: Tensor
        var origin: PictureOrigin?
    }

    init(limit: Int) { self.limit = limit }

    /// Adds a run in the place of the oldest one.
    mutating func add(_ run: Run) {
        if runs.count >= limit { runs.removeFirst() }
        runs.append(run)
    }

    /// `run.<index>`, `run.<index>.entry` and, where there is one, `run.<index>.origin`.
    var tensors: [String: Tensor] {
        var result: [String: Tensor] = [:]
        for (index, run) in runs.enumerated() {
            result["run.\(index)"] = run.latents
            result["run.\(index).entry"] = Tensor([Int64(run.entry)])
            result["run.\(index).origin"] = run.origin.map {
                Tensor([$0.width, $0.height, $0.top, $0.left].map(Int64.init))
            }
        }
        return result
    }

    mutating func restore(_ tensors: [String: Tensor]) {
        runs = []
        while let latents = tensors["run.\(runs.count)"], let entry = tensors["run.\(runs.count).entry"] {
            let origin = tensors["run.\(runs.count).origin"].map { stored in
                let numbers = stored.integers.map(Int.init)
                return PictureOrigin(width: numbers[0], height: numbers[1], top: numbers[2], left: numbers[3])
            }
            runs.append(Run(entry: Int(entry.integers[0]), latents: latents, origin: origin))
        }
    }
}
