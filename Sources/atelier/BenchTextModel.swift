import ArgumentParser
import Foundation
import Layers
import TensorCore
import TextModels
import Weights

/// `atelier bench text-model`: tokens a second of a language model, prefill and decode.
struct BenchTextModel: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "text-model",
        abstract: "Time a language model; without --model, a Llama of SmolLM2-135M's shape with random weights.")

    @Option(name: [.short, .long], help: "A folder of transformers, a GGUF file, or a file's name in the cache.")
    var model: String?
    @Flag(help: "Widen all weights to 32 bits.")
    var full = false
    @Option(parsing: .unconditional, help: "Tokens of the prompt.")
    var prefill = 512
    @Option(parsing: .unconditional, help: "Tokens to decode after it.")
    var decode = 32
    @Option(help: "Timed runs; the median counts, the best is shown beside it.")
    var repeats = 3
    @Option(name: [.short, .long], parsing: .unconditional, help: "Threads (default: all cores).")
    var threads: Int?
    @Flag(help: "Print one JSON object.")
    var json = false

    func validate() throws {
        guard (1...65_536).contains(prefill), (1...65_536).contains(decode), (1...1000).contains(repeats) else {
            throw ValidationError("--prefill, --decode, --repeats: expected 1 to 65536 tokens and 1 to 1000 runs")
        }
    }

    func run() throws {
        try useThreads(threads)
        let (name, model) = try load()
        let ids = Tensor((0..<prefill).map { Int64(($0 * 7919 + 13) % model.vocabularySize) }, shape: [1, prefill])
        let (prefills, decodes) = ComputeThread.shared.run { measure(model, ids) }
        if json {
            func list(_ values: [Double]) -> String {
                values.map { String(format: "%.5f", $0) }.joined(separator: ", ")
            }
            print(
                "{\"model\": \"\(name)\", \"threads\": \(ComputeThread.shared.threadCount), \"prefill\": \(prefill), "
                    + "\"prefill_seconds\": [\(list(prefills))], \"decode\": \(decode), "
                    + "\"decode_seconds\": [\(list(decodes))]}")
            return
        }
        func rate(_ tokens: Int, _ seconds: [Double]) -> String {
            let sorted = seconds.sorted()
            return String(
                format: "%.1f tokens/s (best %.1f)", Double(tokens) / sorted[sorted.count / 2],
                Double(tokens) / sorted[0])
        }
        print("\(name), \(ComputeThread.shared.threadCount) threads")
        print("prefill \(prefill): \(rate(prefill, prefills))")
        print("decode \(decode): \(rate(decode, decodes))")
        print("process peak \(peakResidentBytes() >> 20) MiB")
    }

    private func load() throws -> (String, any LanguageModel) {
        if let model {
            let path = TextModelOptions.path(model)
            let loaded = try TextModel(path: path, floatingPoint: full ? .float32 : nil)
            return (URL(filePath: path).lastPathComponent + (full ? " as fp32" : ""), loaded.model)
        }
        var configuration = LlamaConfiguration()
        configuration.vocabularySize = 49152
        configuration.hiddenSize = 576
        configuration.intermediateSize = 1536
        configuration.layers = 30
        configuration.heads = 9
        configuration.keyHeads = 3
        configuration.headDimension = 64
        configuration.maximumPositions = 8192
        configuration.isTied = true
        return ("llama-135m fp32, random", try LlamaModel(configuration, weights: ScopedWeights(RandomWeights())))
    }

    private func likeliest(_ output: LanguageModelOutput) -> Tensor { argumentMaximum(output.logits, axis: 2) }

    /// One run to pack weights, then the timed ones.
    private func measure(_ model: any LanguageModel, _ ids: Tensor) -> ([Double], [Double]) {
        var (prefills, decodes) = ([Double](), [Double]())
        for run in 0...repeats {
            let start = ContinuousClock.now
            var output = model(TokenBatch(ids), after: DecodingState(), logits: .last, Pass())
            var token = likeliest(output)
            let middle = ContinuousClock.now
            for _ in 0..<decode {
                output = model(TokenBatch(token), after: output.state, logits: .last, Pass())
                token = likeliest(output)
            }
            let end = ContinuousClock.now
            if run > 0 {
                prefills.append((middle - start).seconds)
                decodes.append((end - middle).seconds)
            }
        }
        return (prefills, decodes)
    }
}
