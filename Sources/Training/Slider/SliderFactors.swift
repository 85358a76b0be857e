import Adapters
import Foundation
import Generation
import Measurement
import TensorCore
import Weights

/// What a slider's training starts from: its layers before any step, and the sliders beside it.
struct SliderFactors: Sendable {
    /// Layers, ranks and scales; it changes nothing yet.
    let untrained: Adapter
    /// The stack that the slider learns in.
    let companions: [StackEntry]
    /// What holds the slider orthogonal to them; nil where it is free.
    private let bases: [String: Tensor]

    init(
        _ recipe: SliderRecipe, model: StableDiffusion, folder: URL?, random: inout TorchGenerator
    ) throws {
        let modules = try recipe.network.target().modules(of: model.modules)
        guard !modules.isEmpty else {
            throw TrainingError.invalidRecipe(
                key: "network.training_method", expected: "a method that picks layers of the model",
                found: "\(recipe.network.trainingMethod), which picks none")
        }
        let isXL = model.text.encoders.count > 1
        var start: Adapter
        if let rank = recipe.network.rank.value {
            // Text sliders draw their first factors wider, as the original's two trainers do.
            let width: Float = recipe.pairs == nil ? 3 : 1
            start = Adapter.untrained(
                name: recipe.name, modules: modules, rank: rank, alpha: recipe.network.alpha, isXL: isXL,
                random: &random
            ) { fanIn in (width / Float(fanIn)).squareRoot() }
        } else {
            start = Adapter(
                name: recipe.name,
                layers: modules.map { LayerAdapter($0, FullDelta(Tensor.zeros($0.shape).frozen())) }, isXL: isXL)
        }
        companions = try (recipe.stack ?? []).map { companion in
            let path = companion.slider
            let file = path.hasPrefix("/") ? path : folder?.appending(path: path).path ?? path
            let adapter = try Adapter(path: file, modules: model.modules)
            return SliderDrawer.entry(
                adapter, model, weight: companion.scale * adapter.unit)
        }
        bases =
            recipe.orthogonal ?? false
            ? try Self.bases(start, beside: companions.map(\.adapter), isFull: recipe.network.rank.value == nil) : [:]
        untrained = start.replacing(parameters: Self.projected(start.parameters, bases))
    }

    /// What a layer of the slider must not contain, by the key of the parameter that is held to it: orthonormal columns.
    ///
    /// Of a low-rank change the rows of `down` are kept orthogonal to those of the companions: then `U D` and `U' D'`
    /// have no inner product whatever `U` learns, for `<U D, U' D'> = <U, U' (D' Dᵀ)>`. Whole weights are kept orthogonal
    /// to the companions' whole changes.
    private static func bases(_ slider: Adapter, beside companions: [Adapter], isFull: Bool) throws -> [String: Tensor]
    {
        var result: [String: Tensor] = [:]
        for (path, layer) in slider.layers {
            let partners = companions.compactMap { $0.layers[path] }
            guard !partners.isEmpty else { continue }
            let rows = try partners.map { partner -> Tensor in
                if isFull { return try (partner.dense() ?? Tensor.zeros(layer.module.shape)).reshaped([1, -1]) }
                guard let product = partner.delta?.product, partner.decomposition == nil else {
                    throw TrainingError.invalidRecipe(
                        key: "orthogonal", expected: "low-rank sliders in the stack",
                        found: "\(partner.kind) at \(path)")
                }
                return product.down.reshaped([product.rank, -1])
            }
            let all = rows.count == 1 ? rows[0] : concatenated(rows, axis: 0)
            guard all.size(0) < all.size(1) else {
                throw TrainingError.invalidRecipe(
                    key: "orthogonal", expected: "sliders whose ranks together are below the inputs of \(path)",
                    found: "\(all.size(0)) of \(all.size(1))")
            }
            let key = isFull ? "\(path).diff" : "\(path).lora_down.weight"
            precondition(slider.parameters[key] != nil, "\(key): no such parameter")
            result[key] = try qrFactorization(all.transposed(0, 1).contiguous()).q
        }
        return result
    }

    /// Parameters without what the companions have already.
    ///
    ///     down - (down Q) Qᵀ
    func projected(_ parameters: [String: Tensor]) -> [String: Tensor] { Self.projected(parameters, bases) }

    private static func projected(_ parameters: [String: Tensor], _ bases: [String: Tensor]) -> [String: Tensor] {
        var result = parameters
        for (key, basis) in bases {
            guard let tensor = parameters[key] else { continue }
            let isWhole = key.hasSuffix(".diff")
            let flat = tensor.converted(to: .float32).reshaped([isWhole ? 1 : tensor.size(0), -1])
            let rest = flat - matmul(matmul(flat, basis), basis.transposed(0, 1).contiguous())
            result[key] = rest.reshaped(tensor.shape)
        }
        return result
    }

    /// The stack with the slider in front, at scale 1.
    func stack(of slider: Adapter, sites: SiteIndex, isTrainable: Bool) throws -> AdapterStack {
        try AdapterStack([StackEntry(slider, isTrainable: isTrainable)] + companions, sites: sites)
    }
}

extension AdapterStack {
    /// The first entry at a scale, the others as they are.
    func scaled(_ scale: Double) -> AdapterStack { weighted([scale] + entries.dropFirst().map(\.weight)) }

    /// Everything but the first entry; nil where there is nothing else.
    var withoutFirst: AdapterStack? { entries.count > 1 ? scaled(0) : nil }
}
