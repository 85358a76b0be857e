import Adapters
import ArgumentParser
import DiffusionModels
import Foundation
import Generation
import Layers
import Measurement
import TensorCore
import TextModels
import Weights

/// `atelier bench adapters`: what sliders cost beside the step without them.
struct BenchAdapters: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "adapters", abstract: "Time a UNet's step with several numbers of sliders, in turn with none.")
    @OptionGroup var options: NetworkBenchOptions
    @Option(help: "The numbers of sliders, with commas between.")
    var counts = "1,8,50"
    @Option(help: "The rank of a slider.")
    var rank = 4
    @Option(help: "The kind of network: \(SliderTarget.Network.allCases.map(\.rawValue).joined(separator: ", ")).")
    var network: SliderTarget.Network = .c3lier
    @Option(help: "The layers: \(SliderTarget.Method.allCases.map(\.rawValue).joined(separator: ", ")).")
    var method: SliderTarget.Method = .noxattn
    @Option(help: "How they are applied: automatic, beside or folded.")
    var application: AdapterStack.Application = .automatic
    @Flag(help: "Change every strength a little before each step, as curves do, so that nothing of a step is kept.")
    var moving = false

    func validate() throws {
        guard (1...256).contains(rank) else { throw ValidationError("--rank: expected 1 to 256, found \(rank)") }
        guard !numbers.isEmpty, numbers.allSatisfy({ (1...500).contains($0) }) else {
            throw ValidationError("--counts: expected numbers from 1 to 500, found '\(counts)'")
        }
    }

    private var numbers: [Int] { counts.split(separator: ",").map { Int($0) ?? 0 } }

    func run() throws {
        try useThreads(options.threads)
        try ComputeThread.shared.run { try measure() }
    }

    private func measure() throws {
        var random = TorchGenerator(seed: 0)
        let configuration = options.arch.unet
        let sites = SiteIndex()
        let source = RandomWeights(floatingPoint: options.precision == .bf16 ? .bfloat16 : .float32)
        let unet = try UNet2DConditionModel(configuration, weights: ScopedWeights(source, root: "unet", sites: sites))
        let modules = SliderTarget(network, method).modules(of: try options.arch.modules())
        let entries = (0..<(numbers.max() ?? 1)).map { number in
            var adapter = Adapter.untrained(
                name: "slider \(number)", modules: modules, rank: rank, alpha: 1, random: &random)
            // A trained slider's factors: small, and none zero.
            for (path, layer) in adapter.layers {
                guard let delta = layer.delta as? LowRankDelta else { continue }
                let up = (random.normal(delta.up.shape) * 0.01).frozen()
                adapter.layers[path] = LayerAdapter(
                    layer.module, LowRankDelta(down: delta.down, up: up, scale: delta.scale))
            }
            return StackEntry(adapter, weight: 0.5 + Double(number % 3))
        }
        let stacks = try numbers.map {
            try AdapterStack(Array(entries.prefix($0)), sites: sites, application: application)
        }
        let latents = random.normal([
            options.batch, configuration.inChannels, options.latentSize, options.latentSize,
        ])
        let context = random.normal([options.batch, 77, options.arch.textEncoders.reduce(0) { $0 + $1.hiddenSize }])
        let timesteps = Tensor([Float](repeating: 500, count: options.batch))
        var added: AddedConditioning?
        if configuration.additionEmbedType != nil {
            added = AddedConditioning(
                pooledText: random.normal([options.batch, 1280]), timeIDs: random.normal([options.batch, 6]))
        }
        var steps = 0
        func passes() -> [Pass] {
            steps += 1
            return [Pass()]
                + stacks.map { stack in
                    let factor = moving ? 1 + 0.001 * Double(steps) : 1
                    return Pass(adaptation: moving ? stack.weighted(stack.entries.map { $0.weight * factor }) : stack)
                }
        }
        func time(_ pass: Pass) -> (wall: Double, processor: Double) {
            let (start, work) = (ContinuousClock.now, processorSeconds())
            _ = unet(latents, timesteps: timesteps, context: context, added: added, pass)
            return ((ContinuousClock.now - start).seconds, processorSeconds() - work)
        }
        let first = passes().map { time($0).wall }
        var seconds = [[Double]](repeating: [], count: first.count)
        var work = [[Double]](repeating: [], count: first.count)
        for _ in 0..<options.repeats {
            for (index, pass) in passes().enumerated() {
                let (wall, processor) = time(pass)
                seconds[index].append(wall)
                work[index].append(processor)
            }
        }
        // There is a repetition at least.
        func middle(_ values: [Double]) -> Double { median(values) ?? 0 }
        let base = middle(seconds[0])
        for (index, count) in ([0] + numbers).enumerated() {
            // Neighbours in time are compared, so that other work on the machine weighs on both.
            let ratio = middle(zip(seconds[index], seconds[0]).map { $0 / $1 })
            let workRatio = middle(zip(work[index], work[0]).map { $0 / $1 })
            let row = AdapterBenchRow(
                arch: options.arch.rawValue, precision: options.precision.rawValue, batch: options.batch,
                threads: ComputeThread.shared.threadCount, application: application.rawValue, moving: moving,
                sliders: count,
                rank: rank,
                layers: modules.count, first: first[index], seconds: middle(seconds[index]),
                best: seconds[index].min() ?? 0, base: base, ratio: ratio,
                processorSeconds: middle(work[index]), processorRatio: workRatio)
            try show(row)
        }
    }

    private func show(_ row: AdapterBenchRow) throws {
        if options.json {
            let encoder = JSONEncoder()
            encoder.outputFormatting = [.sortedKeys]
            return print(String(decoding: try encoder.encode(row), as: UTF8.self))
        }
        print(
            "\(row.arch) \(row.precision) batch \(row.batch), \(row.sliders) sliders of rank \(row.rank): "
                + String(format: "%.3f s (best %.3f, first %.3f), ", row.seconds, row.best, row.first)
                + String(format: "%.3f times the base step, ", row.ratio)
                + String(format: "%.3f of its processor time", row.processorRatio))
    }
}

/// One number of sliders; `seconds` and `ratio` are medians.
private struct AdapterBenchRow: Encodable {
    let arch: String
    let precision: String
    let batch: Int
    let threads: Int
    let application: String
    let moving: Bool
    let sliders: Int
    let rank: Int
    let layers: Int
    let first: Double
    let seconds: Double
    let best: Double
    let base: Double
    let ratio: Double
    /// Of all threads, those that wait for work included: with one thread, what the step costs whatever else runs.
    let processorSeconds: Double
    let processorRatio: Double
}

/// The processor time that the process has used so far.
private func processorSeconds() -> Double {
    var time = timespec()
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time)
    return Double(time.tv_sec) + Double(time.tv_nsec) * 1e-9
}
