import ArgumentParser
import Foundation
import TensorCore

/// `atelier bench ...`: how fast this machine runs the engine.
struct Bench: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Measure the engine on this machine.",
        subcommands: [
            BenchOps.self, BenchUNet.self, BenchVAE.self, BenchText.self, BenchAdapters.self, BenchTextModel.self,
            BenchTrace.self, BenchBatch.self, BenchSliderStep.self,
        ])
}

/// `atelier bench ops`: convolutions, products and attention beside the raw primitives.
struct BenchOps: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "ops", abstract: "GFLOP/s of convolutions and products beside the fastest raw primitive.")

    @Flag(help: "Leave out the largest shapes.")
    var quick = false
    @Flag(help: "Print JSON lines.")
    var json = false
    @Option(name: [.short, .long], help: "Threads (default: all cores).")
    var threads: Int?
    @Option(help: "Measure every convolution kernel and write the kernel table, a Swift file, instead.")
    var writeTable: String?

    private static let convolutions: [KernelBenchmark.ConvolutionShape] = [
        .init(320, 320, size: 64), .init(640, 640, size: 32), .init(1280, 1280, size: 16), .init(1280, 1280, size: 8),
        .init(512, 512, size: 64), .init(256, 256, size: 256), .init(128, 128, size: 512),
    ]
    private static let products = [
        (4096, 320, 320), (4096, 320, 2560), (4096, 1280, 320), (1024, 640, 640), (1024, 640, 5120),
        (1024, 2560, 640), (256, 1280, 1280), (256, 1280, 10240), (256, 5120, 1280), (77, 768, 320),
        (2048, 2048, 2048),
    ]

    func run() throws {
        try useThreads(threads)
        let backend = CPUBackend.shared
        if let writeTable {
            let source = KernelBenchmark(repetitions: quick ? 3 : 15).kernelTableSource { print($0) }
            return try Data(source.utf8).write(to: URL(filePath: writeTable), options: .atomic)
        }
        if !json {
            print("kernels \(backend.instructionSet), \(ComputeThread.shared.threadCount) threads")
            print("peak fp32 \(Int(backend.peakRate())) GFLOP/s\n")
            print(column("", 44) + "GFLOP    ours   fastest primitive            share")
        }
        let benchmark = KernelBenchmark(repetitions: quick ? 3 : 7)
        for shape in quick ? Array(Self.convolutions.prefix(4)) : Self.convolutions {
            benchmark.convolution(shape).forEach(show)
        }
        for (rows, input, output) in quick ? Array(Self.products.prefix(4)) : Self.products {
            benchmark.linear(rows: rows, input: input, output: output).forEach(show)
        }
        for (tokens, dimension) in [(4096, 40), (1024, 80), (256, 160)] where !quick || tokens < 4096 {
            show(benchmark.attention(heads: 8, tokens: tokens, headDimension: dimension))
        }
    }

    private func show(_ row: KernelBenchmark.Row) {
        if json {
            let data = (try? JSONEncoder().encode(row)) ?? Data()
            return print(String(decoding: data, as: UTF8.self))
        }
        let fastest = row.fastest.map { String(format: "%7.0f  ", $0.rate) + column($0.name, 22) } ?? column("", 31)
        let share = row.fastest == nil ? "" : String(format: "%5.2f", row.share)
        let half = row.primitives.first { $0.key.contains("bf16") }.map {
            String(format: "  (%@ %.0f)", $0.key, $0.value)
        }
        print(
            column(row.name, 44) + String(format: "%5.2f %7.0f  ", row.gigaflop, row.ours) + fastest + share
                + (half ?? ""))
    }

    private func column(_ text: String, _ width: Int) -> String {
        text.padding(toLength: max(width, text.count), withPad: " ", startingAt: 0)
    }
}
