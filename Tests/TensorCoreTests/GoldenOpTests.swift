import TensorCore
import TestSupport
import Testing

/// One entry of `ops.json`: an operation of PyTorch with its arguments.
struct GoldenOp: Decodable, Sendable {
    struct Parameters: Decodable, Sendable {
        var stride, padding, groups, dilation, axis, kernel, correction: Int?
        var padLeftRightTopBottom, axes, size: [Int]?
        var epsilon, scale, minimum, maximum, value: Double?
        var keep, causal: Bool?
    }

    let op: String
    let parameters: Parameters
    let inputs: [String: [Int]]
    let out: [Int]
    let differentiated: [String]
}

/// A case of the golden file by name.
struct GoldenOpCase: Sendable, CustomTestStringConvertible {
    let name: String
    let golden: GoldenOp
    var testDescription: String { name }

    static let all: [GoldenOpCase] = {
        let index = (try? Fixtures.json("ops.json", as: [String: GoldenOp].self)) ?? [:]
        return index.map { GoldenOpCase(name: $0.key, golden: $0.value) }.sorted { $0.name < $1.name }
    }()
}

/// Values and gradients beside those that PyTorch computed in double precision.
@Suite struct GoldenOpTests {
    @Test func everyCaseIsThere() {
        #expect(GoldenOpCase.all.count >= 80)
    }

    @Test(arguments: GoldenOpCase.all)
    func agreesWithPyTorch(subject: GoldenOpCase) throws {
        let (name, golden) = (subject.name, subject.golden)
        let tensors = try GoldenOpTests.tensors.get()
        func tensor(_ key: String) throws -> Tensor { try #require(tensors["\(name)/\(key)"], "\(name)/\(key)") }

        var inputs: [String: Tensor] = [:]
        for key in golden.inputs.keys {
            let input = try tensor(key)
            inputs[key] = golden.differentiated.contains(key) ? input.tracked() : input
        }
        let output = try #require(run(golden, inputs), "no operation named \(golden.op)")
        let expected = try tensor("out")
        // Winograd's rounding goes with the largest elements of a tensor, not with each one's own size.
        func absolute(_ expected: Tensor) -> Float {
            golden.op == "conv2d" ? max(1e-5, 2e-6 * (expected.floats.map(Swift.abs).max() ?? 0)) : 1e-5
        }
        #expect(mismatch(output, expected, absolute: absolute(expected)) == nil)
        let result = gradients(of: output, seed: try tensor("grad_out"))
        for key in golden.differentiated {
            let leaf = try #require(inputs[key])
            let gradient = try #require(result[leaf], "gradient of \(key)")
            let expected = try tensor("grad_\(key)")
            #expect(mismatch(gradient, expected, absolute: absolute(expected)) == nil, "gradient of \(key)")
        }
    }

    private static let tensors = Result { try Fixtures.tensors("ops.safetensors") }

    /// Runs the operation, or gives nil for one that is unknown here.
    private func run(_ golden: GoldenOp, _ inputs: [String: Tensor]) -> Tensor? {
        let parameters = golden.parameters
        let none = Tensor.zeros([0])
        let x = inputs["x"] ?? none
        let (a, b) = (inputs["a"] ?? none, inputs["b"] ?? none)
        let (weight, bias) = (inputs["weight"], inputs["bias"])
        let (indices, source) = (inputs["indices"] ?? none, inputs["source"] ?? none)
        let axis = parameters.axis ?? -1
        let epsilon = Float(parameters.epsilon ?? 0)
        let keep = parameters.keep ?? false
        switch golden.op {
        case "conv2d": return weight.map { convolution(x, $0, bias, geometry(parameters)) }
        case "linear": return weight.map { linear(x, $0, bias) }
        case "matmul", "bmm": return matmul(a, b)
        case "group_norm":
            return groupNorm(x, groups: parameters.groups ?? 0, weight: weight, bias: bias, epsilon: epsilon)
        case "layer_norm": return layerNorm(x, weight: weight, bias: bias, epsilon: epsilon)
        case "rms_norm": return rmsNorm(x, weight: weight, epsilon: epsilon)
        case "softmax": return softmax(x, axis: axis)
        case "log_softmax": return logSoftmax(x, axis: axis)
        case "logsumexp": return logSumExp(x, axis: axis, keepDimensions: keep)
        case "attention":
            let options = AttentionOptions(
                scale: Float(parameters.scale ?? 0), isCausal: parameters.causal ?? false, mask: inputs["mask"])
            // PyTorch has heads before tokens.
            let sources = ["queries", "keys", "values"].map { (inputs[$0] ?? none).transposed(1, 2) }
            return attention(queries: sources[0], keys: sources[1], values: sources[2], options).transposed(1, 2)
        case "silu": return silu(x)
        case "gelu": return gelu(x)
        case "gelu_tanh": return geluTanh(x)
        case "quick_gelu": return quickGELU(x)
        case "sigmoid": return sigmoid(x)
        case "tanh": return tanh(x)
        case "exp": return exp(x)
        case "softplus": return softplus(x)
        case "relu": return relu(x)
        case "sin": return sin(x)
        case "cos": return cos(x)
        case "log": return log(x)
        case "sqrt": return sqrt(x)
        case "rsqrt": return rsqrt(x)
        case "clamp": return clamp(x, (parameters.minimum ?? 0)...(parameters.maximum ?? 0))
        case "geglu": return weight.map { geglu(linear(x, $0, bias)) }
        case "geglu_gate": return geglu(x)
        case "interpolate_nearest": return nearest(x, parameters.size ?? [])
        case "interpolate_bilinear":
            let size = parameters.size ?? [0, 0]
            return resample(x, .bilinear(height: size[0], width: size[1]))
        case "avg_pool2d": return resample(x, .averagePool(size: parameters.kernel ?? 0))
        case "pad_constant":
            let pad = parameters.padLeftRightTopBottom ?? []
            return padded(
                x, before: [0, 0, pad[2], pad[0]], after: [0, 0, pad[3], pad[1]], value: parameters.value ?? 0)
        case "pad_reflect", "pad_replicate":
            let pad = parameters.padLeftRightTopBottom ?? []
            let isReflected = golden.op == "pad_reflect"
            let rows = places(x.size(2), before: pad[2], after: pad[3], isReflected: isReflected)
            let columns = places(x.size(3), before: pad[0], after: pad[1], isReflected: isReflected)
            return picked(picked(x, rows, axis: 2), columns, axis: 3)
        case "embedding": return inputs["table"].map { embedding(indices, $0) }
        case "gather": return gather(x, indices: indices, axis: axis)
        case "index_select": return picked(x, indices.integers, axis: axis)
        case "index_add":
            let all = indices.reshaped([-1, 1]).expanded(to: source.shape)
            return x + scatterAdd(source, indices: all, axis: 0, size: x.size(0))
        case "scatter_add": return x + scatterAdd(source, indices: indices, axis: axis, size: x.size(axis))
        case "cat": return concatenated([a, b], axis: axis)
        case "where": return inputs["condition"].map { select($0, a, b) }
        case "sum": return sum(x, axes: parameters.axes, keepDimensions: keep)
        case "mean": return mean(x, axes: parameters.axes, keepDimensions: keep)
        case "max": return maximum(x, axis: parameters.axes?.first ?? 0, keepDimensions: keep)
        case "var": return variance(x, axes: parameters.axes, correction: parameters.correction ?? 1)
        case "cumsum": return cumulativeSum(x, axis: axis)
        case "cumprod": return cumulativeProduct(x, axis: axis)
        case "multiply": return a * b
        case "divide": return a / b
        default: return nil
        }
    }

    private func geometry(_ parameters: GoldenOp.Parameters) -> ConvolutionGeometry {
        let padding = parameters.padding ?? 0
        let sides = parameters.padLeftRightTopBottom ?? [0, 0, 0, 0]
        return ConvolutionGeometry(
            stride: parameters.stride ?? 1, dilation: parameters.dilation ?? 1, groups: parameters.groups ?? 1,
            paddingBefore: [padding + sides[2], padding + sides[0]],
            paddingAfter: [padding + sides[3], padding + sides[1]])
    }

    /// Nearest neighbours for any size: `torch` takes place `floor(i * old / new)`.
    private func nearest(_ x: Tensor, _ size: [Int]) -> Tensor {
        let (height, width) = (x.size(2), x.size(3))
        if size == [height * 2, width * 2] { return resample(x, .nearest(factor: 2)) }
        let rows = (0..<size[0]).map { Int64($0 * height / size[0]) }
        let columns = (0..<size[1]).map { Int64($0 * width / size[1]) }
        return picked(picked(x, rows, axis: 2), columns, axis: 3)
    }

    /// Which place each place of a padded dimension repeats.
    private func places(_ size: Int, before: Int, after: Int, isReflected: Bool) -> [Int64] {
        (-before..<(size + after)).map { place in
            let inside = min(max(place, 0), size - 1)
            return Int64(isReflected ? 2 * inside - place : inside)
        }
    }

    /// Places of an axis (torch.index_select).
    private func picked(_ x: Tensor, _ places: [Int64], axis: Int) -> Tensor {
        embedding(Tensor(places), x.transposed(0, axis)).transposed(0, axis)
    }
}
