import Layers
import TextModels

extension CLIPTextConfiguration {
    /// The configuration that the shapes of a text encoder under transformers' names tell (CLIP-L in single files).
    ///
    /// - Throws: `GenerationError` when a tensor that tells something is missing.
    init(transformers shapes: StoredShapes, path: String) throws {
        // Some files leave `text_model.` out.
        let root = shapes.contains("embeddings.token_embedding.weight") ? "" : "text_model."
        try self.init(
            shapes, table: root + "embeddings.token_embedding.weight",
            positions: root + "embeddings.position_embedding.weight", layers: root + "encoder.layers",
            inner: root + "encoder.layers.0.mlp.fc1.weight", path: path)
        activation = .quickGELU
    }

    /// The configuration that the shapes of an OpenCLIP text encoder tell.
    ///
    /// - Parameter dropsLastLayer: Stable Diffusion 2 reads the layer before the last, so the last one is left out, the 24th; in a
    ///   file made from a diffusers folder it is not there any more.
    init(openCLIP shapes: StoredShapes, dropsLastLayer: Bool, path: String) throws {
        try self.init(
            shapes, table: "token_embedding.weight", positions: "positional_embedding",
            layers: "transformer.resblocks", inner: "transformer.resblocks.0.mlp.c_fc.weight", path: path)
        activation = .gelu
        if dropsLastLayer && layers != 23 { layers -= 1 }
        if !dropsLastLayer, let width = shapes.size("text_projection", 1) {
            projectionSize = width
            architectures = ["CLIPTextModelWithProjection"]
        }
    }

    private init(
        _ shapes: StoredShapes, table: String, positions: String, layers path: String, inner: String, path file: String
    ) throws {
        self.init()
        for key in [table, positions, inner] where shapes[key]?.count != 2 {
            throw GenerationError(
                file, expected: "a text encoder with \(shapes.prefix)\(key)", found: "no such matrix")
        }
        vocabularySize = shapes.size(table, 0) ?? 0
        hiddenSize = shapes.size(table, 1) ?? 0
        projectionSize = hiddenSize
        maximumTokens = shapes.size(positions, 0) ?? 0
        intermediateSize = shapes.size(inner, 0) ?? 0
        layers = shapes.count(path)
        heads = max(hiddenSize / 64, 1)
        // The rows at the end token are found as for transformers' old configurations: by the largest number.
        endTokenID = 2
        try validate()
    }
}
