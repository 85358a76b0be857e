import DiffusionModels
import Foundation
@testable import Generation
import Imaging
import Layers
import TensorCore
import TestSupport
import Testing

/// What the mixed mode costs on the embedded model.
@Suite struct PrecisionTests {
    private static let mini = URL(filePath: #filePath).deletingLastPathComponent()
        .appending(path: "../../Assets/models/mini").standardized.path

    @Test func `mini in bf16 stays above 30 dB of mini in fp32`() throws {
        let request = GenerationRequest(
            prompt: "an old man with white hair, smiling", steps: 20, guidanceScale: 2.5, seed: 5, width: 128,
            height: 128)
        func draw(_ precision: Precision) throws -> [UInt8] {
            let model = try StableDiffusion(ModelFolder(path: Self.mini), precision: precision)
            return try ComputeThread.shared.run {
                var denoising = try Denoising(request, model: model)
                while !denoising.isComplete { denoising.advance() }
                return try denoising.picture().pixels
            }
        }
        let (exact, mixed) = (try draw(.fp32), try draw(.bf16))
        let error = zip(exact, mixed).reduce(0.0) { $0 + pow(Double($1.0) - Double($1.1), 2) } / Double(exact.count)
        let ratio = 10 * log10(255 * 255 / max(error, 1e-9))
        #expect(ratio > 30, "\(ratio) dB")
        #expect(exact != mixed)
    }

    /// The whole network in bf16: neither the rest of the batch nor the number of threads shows in a picture's bits.
    @Test func `a row of mini in bf16 has the same bits alone and in a batch, on one thread and on two`() throws {
        let model = try StableDiffusion(ModelFolder(path: Self.mini), precision: .bf16)
        var random = TorchGenerator(seed: 3)
        // Maps of odd size, too: 12x20 is halved to 6x10 and 3x5.
        for (height, width) in [(16, 16), (12, 20)] {
            let latents = random.normal([3, model.unet.configuration.inChannels, height, width])
            let context = random.normal([3, 77, model.text.width])
            func predict(_ rows: Range<Int>, threads: Int) -> Tensor {
                let usual = ComputeThread.shared.threadCount
                defer { ComputeThread.shared.threadCount = usual }
                ComputeThread.shared.threadCount = threads
                func part(_ x: Tensor) -> Tensor { x.narrowed(0, start: rows.lowerBound, count: rows.count) }
                return model.unet(
                    part(latents), timesteps: Tensor([Float](repeating: 500, count: rows.count), shape: [rows.count]),
                    context: part(context), Pass())
            }
            let whole = predict(0..<3, threads: 2)
            #expect(isBitEqual(predict(0..<3, threads: 1), whole))
            for row in 0..<3 {
                let alone = predict(row..<row + 1, threads: row % 2 + 1)
                #expect(isBitEqual(alone, whole.narrowed(0, start: row, count: 1)), "row \(row) at \(height)x\(width)")
            }
        }
    }
}
