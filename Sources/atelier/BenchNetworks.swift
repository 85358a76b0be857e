import ArgumentParser
import CUDABackend
import DiffusionModels
import Foundation
import Generation
import Layers
import TensorCore
import TextModels
import Weights

/// What `bench unet`, `bench vae`, `bench text` and `bench slider-step` share.
struct NetworkBenchOptions: ParsableArguments {
    @Option(help: "The shape of the network: \(StandardArchitecture.allCases.map(\.rawValue).joined(separator: ", ")).")
    var arch: StandardArchitecture = .sd15
    @Option(help: "Number format of weights and products: fp32 or bf16.")
    var precision: Precision = .fp32
    @Option(name: [.short, .long], help: "Rows of a batch.")
    var batch = 1
    @Option(name: [.short, .long], help: "Threads (default: all cores).")
    var threads: Int?
    @Option(help: "Timed runs, after one that packs the weights.")
    var repeats = 3
    @Option(help: "Height and width of the latents (default: the architecture's own).")
    var latent: Int?
    @OptionGroup var device: DeviceOptions
    @Flag(help: "Print one JSON object.")
    var json = false

    func validate() throws {
        guard (1...64).contains(batch) else { throw ValidationError("--batch: expected 1 to 64, found \(batch)") }
        guard (1...1000).contains(repeats) else {
            throw ValidationError("--repeats: expected 1 to 1000, found \(repeats)")
        }
        let latent = latent ?? 64
        guard (8...512).contains(latent), latent % 8 == 0 else {
            throw ValidationError("--latent: expected a multiple of 8 from 8 to 512, found \(latent)")
        }
    }

    var latentSize: Int { latent ?? arch.unet.sampleSize }
    func weights(root: String = "", sites: SiteIndex = SiteIndex()) throws -> ScopedWeights {
        let random = RandomWeights(floatingPoint: precision == .bf16 ? .bfloat16 : .float32)
        return ScopedWeights(DeviceSource(random, on: try device.backend()), root: root, sites: sites)
    }

    /// Builds a network on the compute thread and times what `make` returns.
    ///
    /// - Parameter make: gets a source of numbers for inputs.
    func time(
        _ network: String, _ make: @Sendable (inout TorchGenerator) throws -> () throws -> Void
    ) throws {
        try useThreads(threads)
        try ComputeThread.shared.run {
            var random = TorchGenerator(seed: 0)
            try measure(network, try make(&random))
        }
    }

    /// One run to pack weights, then the timed ones.
    private func measure(_ network: String, _ run: () throws -> Void) throws {
        let gpu = try device.backend() as? CUDADevice
        try run()
        gpu?.synchronize()
        MemoryPool.shared.resetPeak()
        gpu?.resetPeakMemory()
        let live = gpu?.memoryStatistics.live ?? MemoryPool.shared.statistics.liveBytes
        let seconds = try (0..<repeats).map { _ in
            let start = ContinuousClock.now
            try run()
            gpu?.synchronize()
            return (ContinuousClock.now - start).seconds
        }.sorted()
        let peak = gpu?.memoryStatistics.peak ?? MemoryPool.shared.statistics.peakLiveBytes
        let row = NetworkBenchRow(
            network: network, arch: arch.rawValue, precision: precision.rawValue, batch: batch,
            device: gpu?.deviceName ?? "cpu", threads: ComputeThread.shared.threadCount,
            seconds: seconds[seconds.count / 2], best: seconds[0], activationBytes: peak - live,
            retainedBytes: MemoryPool.shared.statistics.retainedBytes,
            peakBytes: gpu?.memoryStatistics.peak ?? peakResidentBytes())
        if json {
            let encoder = JSONEncoder()
            encoder.outputFormatting = [.sortedKeys]
            encoder.keyEncodingStrategy = .convertToSnakeCase
            return print(String(decoding: try encoder.encode(row), as: UTF8.self))
        }
        print(
            "\(network) \(arch.rawValue) \(precision.rawValue) batch \(batch), "
                + (gpu == nil ? "\(row.threads) threads: " : "\(row.device): ")
                + String(format: "%.4f s (best %.4f), ", row.seconds, row.best)
                + "activations \(row.activationBytes >> 20) MiB, peak \(row.peakBytes >> 20) MiB")
    }
}

/// One measurement; `seconds` is the median.
private struct NetworkBenchRow: Encodable {
    let network: String
    let arch: String
    let precision: String
    let batch: Int
    let device: String
    let threads: Int
    let seconds: Double
    let best: Double
    let activationBytes: Int
    /// Free buffers that are kept for reuse.
    let retainedBytes: Int
    let peakBytes: Int
}

/// The largest resident size of the process so far; 0 where the system does not say.
func peakResidentBytes() -> Int {
    var usage = rusage()
    guard getrusage(__rusage_who_t(RUSAGE_SELF.rawValue), &usage) == 0 else { return 0 }
    return usage.ru_maxrss * 1024
}

/// `atelier bench unet`: one evaluation of a UNet.
struct BenchUNet: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "unet", abstract: "Time one evaluation of a UNet with random weights.")
    @OptionGroup var options: NetworkBenchOptions

    func run() throws {
        try options.time("unet") { [options] random in
            let configuration = options.arch.unet
            let unet = try UNet2DConditionModel(configuration, weights: options.weights())
            let latents = random.normal([
                options.batch, configuration.inChannels, options.latentSize, options.latentSize,
            ])
            let width = options.arch.textEncoders.reduce(0) { $0 + $1.hiddenSize }
            let context = random.normal([options.batch, 77, width])
            var added: AddedConditioning?
            if configuration.additionEmbedType != nil {
                added = AddedConditioning(
                    pooledText: random.normal([options.batch, 1280]), timeIDs: random.normal([options.batch, 6]))
            }
            let timesteps = Tensor([Float(500)], shape: [1])
            return { [added] in _ = unet(latents, timesteps: timesteps, context: context, added: added, Pass()) }
        }
    }
}

/// `atelier bench vae`: one decoded picture.
struct BenchVAE: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "vae", abstract: "Time the decoding of a picture with random weights.")
    @OptionGroup var options: NetworkBenchOptions

    func run() throws {
        try options.time("vae") { [options] random in
            let configuration = options.arch.autoencoder
            let autoencoder = try AutoencoderKL(configuration, weights: options.weights())
            let latents = random.normal(
                [options.batch, configuration.latentChannels, options.latentSize, options.latentSize])
            return { _ = autoencoder.decode(latents, Pass()) }
        }
    }
}

/// `atelier bench text`: 77 tokens through the text encoders.
struct BenchText: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "text", abstract: "Time 77 tokens through the text encoders with random weights.")
    @OptionGroup var options: NetworkBenchOptions

    func run() throws {
        try options.time("text") { [options] _ in
            let encoders = try options.arch.textEncoders.map { try CLIPTextModel($0, weights: options.weights()) }
            let ids = (0..<77).map { $0 == 76 ? Int64(49_407) : Int64($0 * 101) }
            let tokens = Tensor(ids, shape: [1, 77]).expanded(to: [options.batch, 77])
            return { for encoder in encoders { _ = encoder(tokens, Pass()) } }
        }
    }
}
