import Interpretability
import Layers
import TensorCore
import TextModels
import Weights

/// Models with weights written by hand that know 32 facts, in places that are known.
///
/// A prompt is `[first name, last name, 10, relation]`. The 16 subjects are pairs of a first name (0-3) and a last name
/// (4-7); relations are 8 and 9; the object of subject `s` under relation `r` is token `11 + 16 r + place(r, s)`.
///
/// In both models layer 0 copies the first name to the last name's token, layer 1 turns the two names into what is known
/// of the subject, there, layer 2 moves the object that the relation asks for to the last token, and layer 3 does nothing.
enum PlantedRecall {
    static let vocabulary = 43, layers = 4

    static func prompt(_ subject: Int, _ relation: Int) -> [Int] { [subject / 4, 4 + subject % 4, 10, 8 + relation] }

    /// Another order of the objects for each relation.
    static func place(_ relation: Int, _ subject: Int) -> Int { (relation == 0 ? 5 : 11) * subject % 16 }
    static func object(_ relation: Int, _ subject: Int) -> Int { 11 + 16 * relation + place(relation, subject) }

    typealias Matrix = PlantedCircuit.Matrix

    // MARK: - A transformer

    /// Channels: 0-10 which token, 11-14 which position, 15-18 the first name's copy, 19-34 the subject, 35-66 objects.
    static func transformer() throws -> TracedTextModel {
        let (width, inner, headWidth) = (72, 16, 18)
        var configuration = GPT2Configuration()
        (configuration.vocabularySize, configuration.maximumPositions) = (vocabulary, 4)
        (configuration.hiddenSize, configuration.layers, configuration.heads) = (width, layers, 4)
        (configuration.intermediateSize, configuration.activation, configuration.isTied) = (inner, .relu, false)
        var weights: [String: Matrix] = [:]
        weights["transformer.wte.weight"] = Matrix(vocabulary, width) { row, column in
            row < 11 && row == column ? 1 : 0
        }
        weights["transformer.wpe.weight"] = Matrix(4, width) { row, column in column == 11 + row ? 1 : 0 }
        weights["lm_head.weight"] = Matrix(vocabulary, width) { row, column in
            row >= 11 && column == 35 + row - 11 ? 3 : 0
        }
        func addNorm(_ path: String) {
            weights["\(path).weight"] = Matrix(width) { _ in 1 }
            weights["\(path).bias"] = Matrix(width) { _ in 0 }
        }
        for layer in 0..<layers {
            let path = "transformer.h.\(layer)"
            for (name, rows, columns) in [
                ("attn.c_attn", width, 3 * width), ("attn.c_proj", width, width), ("mlp.c_fc", width, inner),
                ("mlp.c_proj", inner, width),
            ] {
                weights["\(path).\(name).weight"] = Matrix(rows, columns) { _, _ in 0 }
                weights["\(path).\(name).bias"] = Matrix(columns) { _ in 0 }
            }
            for norm in ["ln_1", "ln_2"] { addNorm("\(path).\(norm)") }
        }
        addNorm("transformer.ln_f")
        // Layer 0: the second token asks for the first, and takes its name.
        weights["transformer.h.0.attn.c_attn.weight"] = Matrix(width, 3 * width) { row, column in
            switch column {
            case 0: row == 12 ? 5 : 0
            case width: row == 11 ? 1 : 0
            case 2 * width..<2 * width + 4: row == column - 2 * width ? 1 : 0
            default: 0
            }
        }
        weights["transformer.h.0.attn.c_proj.weight"] = Matrix(width, width) { row, column in
            row < 4 && column == 15 + row ? 0.17 : 0
        }
        // Layer 1: one neuron a subject, which wants both names.
        weights["transformer.h.1.mlp.c_fc.weight"] = Matrix(width, inner) { row, column in
            row == 15 + column / 4 || row == 4 + column % 4 ? 1 : 0
        }
        weights["transformer.h.1.mlp.c_fc.bias"] = Matrix(inner) { _ in -7.1 }
        weights["transformer.h.1.mlp.c_proj.weight"] = Matrix(inner, width) { row, column in
            column == 19 + row ? 1 : 0
        }
        // Layer 2: head r is for relation r; any subject answers, and is carried to the object's channel.
        weights["transformer.h.2.attn.c_attn.weight"] = Matrix(width, 3 * width) { row, column in
            let (part, place) = (column / width, column % width)
            let (head, channel) = (place / headWidth, place % headWidth)
            guard head < 2 else { return 0 }
            switch part {
            case 0: return channel > 0 ? 0 : row == 8 + head ? 5 : row == 9 - head ? -5 : 0
            case 1: return channel == 0 && (19..<35).contains(row) ? 1 : 0
            default: return channel < 16 && row == 19 + channel ? 1 : 0
            }
        }
        weights["transformer.h.2.attn.c_proj.weight"] = Matrix(width, width) { row, column in
            let (head, subject) = (row / headWidth, row % headWidth)
            guard head < 2, subject < 16 else { return 0 }
            return column == 35 + 16 * head + place(head, subject) ? 0.6 : 0
        }
        return try traced(configuration, weights)
    }

    // MARK: - A Mamba

    /// Channels: 0-10 which token, 11 always 1, 12-15 the first name's copy, 16-47 what is known of the subject, by
    /// relation, 48-79 objects.
    static func mamba() throws -> TracedTextModel {
        let (width, states, rank) = (80, 2, 5)
        var configuration = MambaConfiguration()
        (configuration.vocabularySize, configuration.hiddenSize, configuration.layers) = (vocabulary, width, layers)
        (configuration.states, configuration.expand, configuration.timeStepRank) = (states, 1, rank)
        (configuration.hasConvolutionBias, configuration.isTied) = (false, false)
        var weights: [String: Matrix] = [:]
        weights["backbone.embeddings.weight"] = Matrix(vocabulary, width) { row, column in
            row < 11 && row == column || column == 11 ? 1 : 0
        }
        weights["backbone.norm_f.weight"] = Matrix(width) { _ in 1 }
        weights["lm_head.weight"] = Matrix(vocabulary, width) { row, column in
            row >= 11 && column == 48 + row - 11 ? 3 : 0
        }
        for layer in 0..<layers {
            let path = "backbone.layers.\(layer).mixer"
            weights["backbone.layers.\(layer).norm.weight"] = Matrix(width) { _ in 1 }
            weights["\(path).in_proj.weight"] = Matrix(2 * width, width) { _, _ in 0 }
            weights["\(path).x_proj.weight"] = Matrix(rank + 2 * states, width) { _, _ in 0 }
            weights["\(path).dt_proj.weight"] = Matrix(width, rank) { _, _ in 0 }
            // A step of length 1 and states that never fade.
            weights["\(path).dt_proj.bias"] = Matrix(width) { _ in 0.5413 }
            weights["\(path).A_log"] = Matrix(width, states) { _, _ in -20 }
            weights["\(path).D"] = Matrix(width) { _ in layer < 2 ? 1 : 0 }
            weights["\(path).conv1d.weight"] = Matrix(width, 4) { _, tap in tap == (layer == 0 ? 2 : 3) ? 1 : 0 }
            weights["\(path).out_proj.weight"] = Matrix(width, width) { _, _ in 0 }
        }
        func set(_ layer: Int, _ name: String, _ rows: Int, _ columns: Int, _ value: (Int, Int) -> Float) {
            weights["backbone.layers.\(layer).mixer.\(name).weight"] = Matrix(rows, columns, value)
        }
        // Layer 0: the convolution sees the token before.
        set(0, "in_proj", 2 * width, width) { row, column in
            if row < 4 { return column == row ? 2 : 0 }
            return (width..<width + 4).contains(row) && column == 11 ? 1 : 0
        }
        set(0, "out_proj", width, width) { row, column in column < 4 && row == 12 + column ? 0.0125 : 0 }
        // Layer 1: a channel for each subject, which wants both names; what is known of it is in the output's matrix.
        set(1, "in_proj", 2 * width, width) { row, column in
            if row < 16 { return column == 11 ? -9 : column == 12 + row / 4 || column == 4 + row % 4 ? 6 : 0 }
            return (width..<width + 16).contains(row) && column == 11 ? 1 : 0
        }
        set(1, "out_proj", width, width) { row, column in
            guard column < 16, (16..<48).contains(row) else { return 0 }
            let relation = (row - 16) / 16
            return (row - 16) % 16 == place(relation, column) ? 0.025 : 0
        }
        // Layer 2: the states keep what is known; the relation opens the gate of its half.
        set(2, "in_proj", 2 * width, width) { row, column in
            if row < 32 { return column == 16 + row ? 1 : 0 }
            if row == 32 { return column == 11 ? 1 : 0 }
            guard (width..<width + 32).contains(row) else { return 0 }
            return column == 8 + (row - width) / 16 ? 1 : 0
        }
        set(2, "x_proj", rank + 2 * states, width) { row, column in
            column == 32 && (row == rank || row == rank + states) ? 0.4 : 0
        }
        set(2, "out_proj", width, width) { row, column in column < 32 && row == 48 + column ? 0.06 : 0 }
        for layer in 0..<layers {
            let name = "backbone.layers.\(layer).mixer.conv1d.weight"
            weights[name] = weights[name].map { $0.reshaped([width, 1, 4]) }
        }
        return try traced(configuration, weights)
    }

    private static func traced(
        _ configuration: some LanguageModelConfiguration, _ weights: [String: Matrix]
    ) throws -> TracedTextModel {
        let sites = SiteIndex()
        let (model, _) = try ScopedWeights.load(
            DictionarySource(weights.mapValues(\.tensor)), root: "", sites: sites
        ) { try configuration.model($0) }
        return try TracedTextModel(model, configuration, sites: sites)
    }
}

extension PlantedCircuit.Matrix {
    func reshaped(_ shape: [Int]) -> Self { Self(tensor: tensor.reshaped(shape)) }
}
