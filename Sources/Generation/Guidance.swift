import DiffusionModels
import Layers
import TensorCore

/// The rows of one evaluation: what the UNet reads beside the latents, the unconditional row first.
struct GuidedRows: Sendable {
    private let rows: [(text: TextConditioning, added: AddedConditioning?)]
    private let scale: Double
    private let rescale: Double

    init(_ request: GenerationRequest, _ model: StableDiffusion, _ pass: Pass) {
        scale = request.guidanceScale
        rescale = request.guidanceRescale ?? 0
        var pass = pass
        pass.rows = [.conditional]
        let positive = model.text(request.prompt, clipSkip: request.clipSkip, pass)
        func row(_ text: TextConditioning, isNegative: Bool) -> (TextConditioning, AddedConditioning?) {
            let added = model.addedConditioning(
                text, width: request.width, height: request.height, isNegative: isNegative)
            return (text, added)
        }
        guard scale > 1 else {
            rows = [row(positive, isNegative: false)]
            return
        }
        pass.rows = [.unconditional]
        // Without a negative prompt SDXL was trained on zeros, the others on the empty text.
        let negative =
            request.negativePrompt == nil && model.unet.configuration.additionEmbedType != nil
            ? positive.zeroed : model.text(request.negativePrompt ?? "", clipSkip: request.clipSkip, pass)
        rows = [row(negative, isNegative: true), row(positive, isNegative: false)]
    }

    /// The guided prediction: `unconditional + scale · (conditional - unconditional)`, rescaled as asked for.
    ///
    /// - Parameters:
    ///   - input: `[1, channels, height, width]`.
    func predict(_ input: Tensor, timestep: Float, _ unet: UNet2DConditionModel, _ pass: Pass) -> Tensor {
        let outputs = evaluate(input, timestep, unet, pass)
        guard outputs.count == 2 else { return outputs[0] }
        let guided = outputs[0] + scale * (outputs[1] - outputs[0])
        return rescaledGuidance(guided, conditional: outputs[1], share: rescale)
    }

    /// All rows at once where their texts are equally long, one after the other where not.
    private func evaluate(_ input: Tensor, _ timestep: Float, _ unet: UNet2DConditionModel, _ pass: Pass) -> [Tensor] {
        let isEven = Set(rows.map { $0.text.context.size(1) }).count == 1
        let roles: [RowRole] = rows.count == 1 ? [.conditional] : [.unconditional, .conditional]
        var pass = pass
        guard isEven, rows.count > 1 else {
            return zip(rows, roles).map { row, role in
                pass.rows = [role]
                return unet(
                    input, timesteps: Tensor([timestep]), context: row.text.context, added: row.added, pass)
            }
        }
        pass.rows = roles
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
