import DiffusionModels
import Layers
import Synchronization
import TensorCore
import Weights

/// Prompt-to-prompt editing (arXiv 2208.01626): the picture of an edited prompt takes over where the first one looked.
///
///     pattern(edited)[.., j] = pattern(source)[.., i]    where word j of the edited prompt is word i of the source
///
/// Both pictures are drawn side by side from the same noise. Words that only the edited prompt has keep their own
/// probabilities. In the first steps self-attention is taken over whole, as well.
public struct PromptToPrompt: Sendable, Hashable {
    /// The share of the steps, from the first on, in which cross-attention is taken over.
    public var crossShare = 0.8
    /// The same for self-attention.
    public var selfShare = 0.4

    public init() {}

    /// Both pictures in the making, done.
    ///
    /// - Parameter request: has the source's prompt.
    public func callAsFunction(
        _ request: GenerationRequest, edited prompt: String, model: StableDiffusion
    ) throws -> (source: Denoising, edited: Denoising) {
        let trace = AttentionTrace(
            model, placing: alignment(model.text.tokens(of: request.prompt), model.text.tokens(of: prompt)))
        var changed = request
        changed.prompt = prompt
        var source = try Denoising(request, model: model, pass: Pass(plan: trace.recording))
        var edited = try Denoising(changed, model: model, pass: Pass(plan: trace.replaying))
        while !source.isComplete {
            let done = Double(source.step) / Double(source.totalSteps)
            source.advance()
            trace.begin(takesCross: done < crossShare, takesSelf: done < selfShare)
            edited.advance()
        }
        return (source, edited)
    }

    /// For each token of the edited prompt the place of the same word in the source, by the longest common sequence; nil
    /// for words that are new.
    func alignment(_ source: [Int], _ edited: [Int]) -> [Int?] {
        var lengths = [[Int]](repeating: [Int](repeating: 0, count: edited.count + 1), count: source.count + 1)
        for i in source.indices.reversed() {
            for j in edited.indices.reversed() {
                lengths[i][j] =
                    source[i] == edited[j] ? lengths[i + 1][j + 1] + 1 : max(lengths[i + 1][j], lengths[i][j + 1])
            }
        }
        var places = [Int?](repeating: nil, count: edited.count)
        var (i, j) = (0, 0)
        while i < source.count, j < edited.count {
            if source[i] == edited[j] {
                places[j] = i
                (i, j) = (i + 1, j + 1)
            } else if lengths[i + 1][j] >= lengths[i][j + 1] {
                i += 1
            } else {
                j += 1
            }
        }
        return places
    }
}

/// The attention of one picture's latest step, for another one to take over. Of a batch the last row counts: the prompt.
private final class AttentionTrace: Sendable {
    private struct State {
        var patterns: [Int: Tensor] = [:]
        var takesCross = false
        var takesSelf = false
    }

    private let state = Mutex(State())
    private let cross: [Int]
    private let own: [Int]
    /// `[tokens, tokens]`: takes the source's words to their places in the edited prompt.
    private let placing: Tensor
    /// `[tokens]`: 1 for words that only the edited prompt has.
    private let added: Tensor

    init(_ model: StableDiffusion, placing places: [Int?]) {
        let paths = model.sites.paths.enumerated().filter { $1.hasPrefix("unet.") }
        cross = paths.filter { $1.hasSuffix(".attn2") }.map(\.offset)
        own = paths.filter { $1.hasSuffix(".attn1") }.map(\.offset)
        let count = places.count
        var matrix = [Float](repeating: 0, count: count * count)
        for (j, i) in places.enumerated() { if let i, i < count { matrix[i * count + j] = 1 } }
        placing = Tensor(matrix, shape: [count, count])
        added = Tensor(places.map { $0 == nil ? 1 : 0 } as [Float])
    }

    func begin(takesCross: Bool, takesSelf: Bool) {
        state.withLock { ($0.takesCross, $0.takesSelf) = (takesCross, takesSelf) }
    }

    var recording: SitePlan {
        var plan = SitePlan()
        for site in cross + own {
            plan.add(
                .observe { [self] pattern in
                    let row = lastRow(pattern.detached) + 0
                    state.withLock { $0.patterns[site] = row }
                }, at: site, .pattern)
        }
        return plan
    }

    var replaying: SitePlan {
        var plan = SitePlan()
        for site in cross {
            plan.add(
                .replace { [self] pattern in
                    guard let source = source(site, like: pattern, \.takesCross), source.size(3) == placing.size(0)
                    else {
                        return pattern
                    }
                    return replacingLast(pattern, matmul(source, placing) + lastRow(pattern) * added)
                }, at: site, .pattern)
        }
        for site in own {
            plan.add(
                .replace { [self] pattern in
                    source(site, like: pattern, \.takesSelf).map { replacingLast(pattern, $0) } ?? pattern
                }, at: site, .pattern)
        }
        return plan
    }

    private func source(_ site: Int, like pattern: Tensor, _ isTaken: KeyPath<State, Bool>) -> Tensor? {
        let found = state.withLock { $0[keyPath: isTaken] ? $0.patterns[site] : nil }
        return found.flatMap { $0.shape == [1] + pattern.shape.dropFirst() ? $0 : nil }
    }

    private func lastRow(_ pattern: Tensor) -> Tensor { pattern.narrowed(0, start: pattern.size(0) - 1, count: 1) }

    private func replacingLast(_ pattern: Tensor, _ row: Tensor) -> Tensor {
        guard pattern.size(0) > 1 else { return row }
        return concatenated([pattern.narrowed(0, start: 0, count: pattern.size(0) - 1), row], axis: 0)
    }
}
