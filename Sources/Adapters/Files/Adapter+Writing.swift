internal import Foundation
public import TensorCore
import Weights

extension Adapter {
    /// Writes the adapter to a safetensors file.
    ///
    /// Where a format has no place for alpha, it is multiplied into the factors, so that every reader comes to the same
    /// change.
    ///
    /// - Parameter floatingPoint: the number format of the tensors; nil keeps each one's own.
    /// - Throws: `AdapterError` that names the layer for what the format cannot say.
    public func write(to path: String, format: AdapterFormat, floatingPoint: DType? = nil) throws {
        let tensors = try tensors(in: format)
        for (key, tensor) in tensors.sorted(by: { $0.key < $1.key }) where !tensor.isFinite {
            throw AdapterError(
                "\(path): \(key)", expected: "finite numbers", found: "an infinity or NaN; nothing was written")
        }
        try writeSafetensors(
            tensors, floatingPoint: floatingPoint, metadata: metadata(for: format), to: path)
    }

    /// The tensors under the keys of a format.
    public func tensors(in format: AdapterFormat) throws -> [String: Tensor] {
        var result: [String: Tensor] = [:]
        for layer in sortedLayers {
            for (role, tensor) in try layer.stored(in: format) {
                guard let key = format.spell(layer.module, role, isXL) else {
                    throw AdapterError(
                        layer.module.path, expected: "what the format '\(format.name)' has names for",
                        found: "\(role.rawValue) (try --format kohya)")
                }
                result[key] = tensor
            }
        }
        return result
    }

    /// The metadata beside the tensors: what the adapter carries, and what readers of the format look for.
    private func metadata(for format: AdapterFormat) throws -> [String: String] {
        var metadata = metadata
        metadata["lora_adapter_metadata"] = nil
        let ranks = layers.values.compactMap { $0.delta?.rank }
        let common = Dictionary(grouping: ranks, by: { $0 }).max { ($0.value.count, $1.key) < ($1.value.count, $0.key) }
        if format.name == AdapterFormat.peft.name, let rank = common?.key {
            metadata["format"] = "pt"
            metadata["lora_adapter_metadata"] = try peftMetadata(rank: rank)
        }
        if format.name == AdapterFormat.kohya.name {
            metadata["ss_network_module"] = metadata["ss_network_module"] ?? "networks.lora"
            if let rank = common?.key {
                metadata["ss_network_dim"] = metadata["ss_network_dim"] ?? "\(rank)"
                let scale = layers.values.first { $0.delta?.rank == rank }?.delta?.scale ?? 1
                metadata["ss_network_alpha"] = metadata["ss_network_alpha"] ?? "\(scale * Double(rank))"
            }
        }
        return metadata
    }

    /// diffusers' JSON of ranks: alpha is in the factors, so each alpha is its rank.
    private func peftMetadata(rank: Int) throws -> String {
        var fields: [String: Any] = [:]
        for part in Set(layers.values.map(\.module.part)) {
            fields["\(part).r"] = rank
            fields["\(part).lora_alpha"] = rank
            var pattern: [String: Int] = [:]
            for layer in layers.values where layer.module.part == part {
                if let own = layer.delta?.rank, own != rank { pattern[layer.module.name] = own }
            }
            fields["\(part).rank_pattern"] = pattern
            fields["\(part).alpha_pattern"] = pattern
            fields["\(part).target_modules"] =
                layers.values.filter { $0.module.part == part }.map(\.module.name).sorted()
        }
        let data = try JSONSerialization.data(withJSONObject: fields, options: [.sortedKeys, .withoutEscapingSlashes])
        return String(decoding: data, as: UTF8.self)
    }
}

extension LayerAdapter {
    /// The tensors by role, as a format keeps them.
    fileprivate func stored(in format: AdapterFormat) throws -> [AdapterRole: Tensor] {
        var result: [AdapterRole: Tensor] = [:]
        if var delta {
            let keepsCore = format.spell(module, .mid, false) != nil
            if let lowRank = delta as? LowRankDelta, lowRank.mid != nil, !keepsCore, let product = lowRank.product {
                delta = LowRankDelta(down: product.down, up: product.up, scale: delta.scale)
            }
            let hasAlpha = format.storesAlpha && delta.rank != nil
            if !hasAlpha { delta = delta.folded() }
            result = delta.tensors
            if module.isConvolution, let up = result[.up] { result[.up] = up.reshaped(up.shape + [1, 1]) }
            if hasAlpha, let rank = delta.rank {
                let alpha = Tensor(scalar: Float(delta.scale * Double(rank)))
                result[.alpha] = alpha
            }
        }
        if let decomposition {
            if format.spell(module, .magnitudeVector, false) != nil {
                guard decomposition.axis == .rows else {
                    throw AdapterError(
                        module.path, expected: "DoRA of rows, which is all that '\(format.name)' knows",
                        found: "DoRA of columns")
                }
                result[.magnitudeVector] = decomposition.storedByPEFT(module)
            } else {
                result[.magnitude] = decomposition.stored(module)
            }
        }
        result[.biasDifference] = biasDifference
        return result
    }
}
