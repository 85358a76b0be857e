import Adapters
import DiffusionModels
import Layers
import Samplers
import TensorCore

/// The rows of one evaluation: what the UNet reads beside the latents, the unconditional row first, then the
/// conditional one, then those of the other rules.
struct GuidedRows: Sendable {
    private struct Row: Sendable {
        var text: TextConditioning
        let added: AddedConditioning?
        let role: RowRole

        /// The same row with other words in it.
        func reading(_ context: Tensor) -> Row {
            var copy = self
            copy.text.context = context
            return copy
        }
    }

    private let plain: [Row]
    private let terms: [(term: any GuidanceTerm, rows: [Row])]
    private let scale: Double
    private let rescale: Double
    private let trainTimesteps: Int

    init(_ request: GenerationRequest, _ model: StableDiffusion, _ pass: Pass) {
        scale = request.guidanceScale
        rescale = request.guidanceRescale ?? 0
        trainTimesteps = model.scheduler.trainTimesteps
        func read(_ text: String, _ role: RowRole) -> TextConditioning {
            var pass = pass
            pass.rows = [role]
            return model.text(text, clipSkip: request.clipSkip, pass)
        }
        func row(_ text: TextConditioning, _ role: RowRole) -> Row {
            let added = model.addedConditioning(
                text, width: request.width, height: request.height, isNegative: role == .unconditional)
            return Row(text: text, added: added, role: role)
        }
        terms = request.guidanceTerms.map { term in
            (term, term.rows(prompt: request.prompt).map { row(read($0.text, $0.role), $0.role) })
        }
        let positive = read(request.prompt, .conditional)
        guard scale > 1 else {
            plain = [row(positive, .conditional)]
            return
        }
        let negative =
            request.negativePrompt == nil && model.zeroesMissingNegative
            ? positive.zeroed : read(request.negativePrompt ?? "", .unconditional)
        plain = [row(negative, .unconditional), row(positive, .conditional)]
    }

    /// The guided prediction: `unconditional + scale · (conditional - unconditional)`, what the other rules add, all of it
    /// rescaled as asked for.
    ///
    /// - Parameters:
    ///   - input: `[1, channels, height, width]`.
    ///   - context: what the unconditional row reads instead of its text, `[1, tokens, width]`; nil for the text.
    ///   - maps: gather what the row of the prompt looks at.
    func predict(
        _ input: Tensor, timestep: Float, _ unet: UNet2DConditionModel, _ pass: Pass,
        unconditional context: Tensor? = nil, watching maps: CrossAttentionMaps? = nil
    ) -> Tensor {
        var plain = plain
        if let context, plain.count > 1 { plain[0] = plain[0].reading(context) }
        let active = activeTerms(at: timestep)
        let outputs = evaluate(plain + active.flatMap(\.rows), input, timestep, unet, pass, watching: maps)
        guard outputs.count > 1 else { return outputs[0] }
        let conditional = outputs[plain.count - 1]
        var guided = plain.count == 1 ? conditional : outputs[0] + scale * (conditional - outputs[0])
        var next = plain.count
        for (term, rows, share) in active {
            let change = term.change(Array(outputs[next..<next + rows.count]), conditional: conditional)
            guided = guided + (share == 1 ? change : share * change)
            next += rows.count
        }
        return rescaledGuidance(guided, conditional: conditional, share: rescale)
    }

    /// The rules that change something now, with what each keeps beside the others.
    private func activeTerms(at timestep: Float) -> [(term: any GuidanceTerm, rows: [Row], share: Double)] {
        let active = terms.filter { $0.term.isActive(at: timestep, of: trainTimesteps) }
        let shares = CombineRule.shares(active.map(\.term.combination), coverage: active.map { _ in 1 })
        return zip(active, shares).filter { $1 != 0 }.map { ($0.term, $0.rows, $1) }
    }

    /// What the unconditional row reads, `[1, tokens, width]`; nil where there is no such row.
    var unconditionalContext: Tensor? { plain.count > 1 ? plain[0].text.context : nil }

    /// The prediction of the unconditional row alone, which reads `context` instead of its text.
    func unconditional(
        _ input: Tensor, reading context: Tensor, timestep: Float, _ unet: UNet2DConditionModel, _ pass: Pass
    ) -> Tensor {
        evaluate([plain[0].reading(context)], input, timestep, unet, pass)[0]
    }

    /// The prediction for the prompt alone, without any guidance.
    func conditional(_ input: Tensor, timestep: Float, _ unet: UNet2DConditionModel, _ pass: Pass) -> Tensor {
        evaluate(Array(plain.suffix(1)), input, timestep, unet, pass)[0]
    }

    /// All rows at once where their texts are equally long, one after the other where not.
    private func evaluate(
        _ rows: [Row], _ input: Tensor, _ timestep: Float, _ unet: UNet2DConditionModel, _ pass: Pass,
        watching maps: CrossAttentionMaps? = nil
    ) -> [Tensor] {
        let isEven = Set(rows.map { $0.text.context.size(1) }).count == 1
        var pass = pass
        guard isEven, rows.count > 1 else {
            return rows.map { row in
                var pass = pass
                pass.rows = [row.role]
                if row.role == .conditional, let maps { pass.plan = maps.plan(beside: pass.plan) }
                return unet(
                    input, timesteps: Tensor([timestep]), context: row.text.context, added: row.added, pass)
            }
        }
        pass.rows = rows.map(\.role)
        if let maps { pass.plan = maps.plan(row: rows.firstIndex { $0.role == .conditional }, beside: pass.plan) }
        let added = rows[0].added.map { _ in
            AddedConditioning(
                pooledText: concatenated(rows.compactMap { $0.added?.pooledText }, axis: 0),
                timeIDs: concatenated(rows.compactMap { $0.added?.timeIDs }, axis: 0))
        }
        return unet(
            concatenated([Tensor](repeating: input, count: rows.count), axis: 0),
            timesteps: Tensor([Float](repeating: timestep, count: rows.count)),
            context: concatenated(rows.map(\.text.context), axis: 0), added: added, pass
        ).chunked(0, count: rows.count)
    }
}
