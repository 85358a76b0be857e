import DiffusionModels
import Layers

extension UNet2DConditionConfiguration {
    /// The configuration that the shapes of a latent-diffusion checkpoint's UNet tell.
    ///
    /// Everything but the heads is there to be read: input blocks say where residual blocks, transformers and samplers
    /// are. Stable Diffusion 1 has 8 heads everywhere and projects by convolutions; all later models project by linear
    /// layers and have heads of 64 channels.
    ///
    /// - Parameter shapes: of the keys under `model.diffusion_model.`.
    /// - Throws: `GenerationError` when a tensor that tells something is missing.
    init(ldm shapes: StoredShapes, path: String) throws {
        self.init()
        func missing(_ key: String) -> GenerationError {
            GenerationError(path, expected: "a UNet with \(shapes.prefix)\(key)", found: "no such tensor")
        }
        guard let first = shapes["input_blocks.0.0.weight"], first.count == 4 else {
            throw missing("input_blocks.0.0.weight")
        }
        inChannels = first[1]
        outChannels = shapes.size("out.2.weight", 0) ?? 4
        var levels: [Level] = [Level()]
        for index in 1..<max(shapes.count("input_blocks"), 1) {
            let block = "input_blocks.\(index)"
            if shapes.contains("\(block).0.op.weight") {
                levels.append(Level())
                continue
            }
            guard let channels = shapes.size("\(block).0.out_layers.3.weight", 0) else {
                throw missing("\(block).0.out_layers.3.weight")
            }
            try levels[levels.count - 1].add(
                channels: channels, depth: shapes.count("\(block).1.transformer_blocks"), block: block, path: path)
        }
        blockOutChannels = levels.map(\.channels)
        layersPerBlock = Self.perBlock(levels.map(\.layers))
        downBlockTypes = levels.map { $0.depth > 0 ? "CrossAttnDownBlock2D" : "DownBlock2D" }
        upBlockTypes = levels.reversed().map { $0.depth > 0 ? "CrossAttnUpBlock2D" : "UpBlock2D" }
        let middleDepth = shapes.count("middle_block.1.transformer_blocks")
        midBlockType = middleDepth > 0 ? "UNetMidBlock2DCrossAttn" : "UNetMidBlock2D"
        transformerLayersPerBlock = try Self.depths(levels, middle: middleDepth, path: path)
        if let projection = shapes.keys.filter({ $0.hasSuffix(".1.proj_in.weight") }).min() {
            useLinearProjection = shapes[projection]?.count == 2
        }
        let contexts = Set(
            shapes.keys.filter { $0.hasSuffix(".attn2.to_k.weight") }.compactMap { shapes.size($0, 1) })
        guard let context = contexts.first, contexts.count == 1 else {
            throw GenerationError(
                path, expected: "cross-attention to texts of one width", found: "\(contexts.sorted())")
        }
        crossAttentionDim = .all(context)
        attentionHeads =
            useLinearProjection ? .each(blockOutChannels.map { max($0 / 64, 1) }) : 8
        if let width = shapes.size("label_emb.0.0.weight", 1) {
            additionEmbedType = "text_time"
            additionTimeEmbedDim = 256
            projectionInputDim = width
        }
        if let width = shapes.size("time_embed.cond_proj.weight", 1) { timeCondProjDim = width }
        sampleSize = additionEmbedType == nil ? 64 : 128
        try validate()
    }

    /// What the input blocks of one resolution have in common.
    private struct Level {
        var channels = 0
        var layers = 0
        var depth = 0

        mutating func add(channels: Int, depth: Int, block: String, path: String) throws {
            guard layers == 0 || (channels == self.channels && depth == self.depth) else {
                throw GenerationError(
                    "\(path): model.diffusion_model.\(block)",
                    expected: "\(self.channels) channels and \(self.depth) transformer blocks, as before it",
                    found: "\(channels) and \(depth) (a pruned model?)")
            }
            self.channels = channels
            self.depth = depth
            layers += 1
        }
    }

    /// How many transformer blocks each resolution has; the middle has as many as the last one. Where there are none the
    /// number says nothing, so that it is the others' if these agree.
    private static func depths(_ levels: [Level], middle: Int, path: String) throws -> PerBlock<Int> {
        var depths = levels.map(\.depth)
        if let last = depths.last, last == 0 { depths[depths.count - 1] = middle }
        guard middle <= 1 || middle == depths.last else {
            throw GenerationError(
                path, expected: "as many transformer blocks in the middle as in the last resolution",
                found: "\(middle)")
        }
        let told = Set(depths).subtracting([0])
        return perBlock(depths.map { $0 > 0 ? $0 : told.count == 1 ? told.first ?? 1 : 1 })
    }

    private static func perBlock(_ values: [Int]) -> PerBlock<Int> {
        if let first = values.first, values.allSatisfy({ $0 == first }) { return .all(first) }
        return .each(values)
    }
}
