import Interpretability
import Layers
import TensorCore
import TextModels
import Weights

/// A GPT-2 with weights written by hand, whose fact is in a known place.
///
/// Prompts are `[subject, 8, 9, 10]`. Layer 1's feed-forward part turns the subject into its value, at the subject; head 0
/// of layer 2 carries the value from there to the last token (10), where the head reads object `4 + k` of subject `k`.
/// Layers 0 and 3, and all other heads, write nothing.
///
/// Channels: 0-11 which token, 12-15 the value, 16-19 the answer, 20-25 which position.
enum PlantedCircuit {
    static let width = 26, inner = 4, vocabulary = 12

    static func model() throws -> TracedTextModel {
        var configuration = GPT2Configuration()
        (configuration.vocabularySize, configuration.maximumPositions) = (vocabulary, 6)
        (configuration.hiddenSize, configuration.layers, configuration.heads) = (width, 4, 2)
        (configuration.intermediateSize, configuration.activation, configuration.isTied) = (inner, .relu, false)
        var weights: [String: Matrix] = [:]
        weights["transformer.wte.weight"] = Matrix(vocabulary, width) { row, column in row == column ? 1 : 0 }
        weights["transformer.wpe.weight"] = Matrix(6, width) { row, column in column == 20 + row ? 1 : 0 }
        weights["lm_head.weight"] = Matrix(vocabulary, width) { row, column in
            (4..<8).contains(row) && column == 12 + row ? 3 : 0
        }
        for layer in 0..<4 {
            let path = "transformer.h.\(layer)"
            for (name, rows, columns) in [
                ("attn.c_attn", width, 3 * width), ("attn.c_proj", width, width), ("mlp.c_fc", width, inner),
                ("mlp.c_proj", inner, width),
            ] {
                weights["\(path).\(name).weight"] = Matrix(rows, columns) { _, _ in 0 }
                weights["\(path).\(name).bias"] = Matrix(columns) { _ in 0 }
            }
            for norm in ["ln_1", "ln_2"] { addNorm("\(path).\(norm)", &weights) }
        }
        addNorm("transformer.ln_f", &weights)
        // A subject's channel, three and a half after the norm, is above one; others are below.
        weights["transformer.h.1.mlp.c_fc.weight"] = Matrix(width, inner) { row, column in row == column ? 1 : 0 }
        weights["transformer.h.1.mlp.c_fc.bias"] = Matrix(inner) { _ in -1 }
        weights["transformer.h.1.mlp.c_proj.weight"] = Matrix(inner, width) { row, column in
            column == 12 + row ? 0.4 : 0
        }
        // Head 0: the last token asks for any value; the value's channels answer, and are carried to the answer's.
        weights["transformer.h.2.attn.c_attn.weight"] = Matrix(width, 3 * width) { row, column in
            switch column {
            case 0: row == 10 ? 10 : 0
            case width: (12..<16).contains(row) ? 1 : 0
            case 2 * width..<2 * width + 4: row == 12 + column - 2 * width ? 1 : 0
            default: 0
            }
        }
        weights["transformer.h.2.attn.c_proj.weight"] = Matrix(width, width) { row, column in
            row < 4 && column == 16 + row ? 4 : 0
        }
        let sites = SiteIndex()
        let source = DictionarySource(weights.mapValues(\.tensor))
        let built = configuration
        let (model, _) = try ScopedWeights.load(source, root: "", sites: sites) { try built.model($0) }
        return try TracedTextModel(model, configuration, sites: sites)
    }

    private static func addNorm(_ path: String, _ weights: inout [String: Matrix]) {
        weights["\(path).weight"] = Matrix(width) { _ in 1 }
        weights["\(path).bias"] = Matrix(width) { _ in 0 }
    }

    /// Numbers by row and column.
    struct Matrix {
        let tensor: Tensor

        init(_ rows: Int, _ columns: Int, _ value: (Int, Int) -> Float) {
            tensor = Tensor((0..<rows * columns).map { value($0 / columns, $0 % columns) }, shape: [rows, columns])
        }

        init(tensor: Tensor) { self.tensor = tensor }

        init(_ count: Int, _ value: (Int) -> Float) { tensor = Tensor((0..<count).map(value)) }
    }
}
