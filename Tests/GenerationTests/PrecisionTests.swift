import Foundation
@testable import Generation
import Imaging
import TensorCore
import TestSupport
import Testing

/// What the mixed mode costs on the embedded model.
@Suite struct PrecisionTests {
    @Test func `mini in bf16 stays above 30 dB of mini in fp32`() throws {
        let folder = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
            .deletingLastPathComponent().appending(path: "Assets/models/mini")
        let request = GenerationRequest(
            prompt: "an old man with white hair, smiling", steps: 20, guidanceScale: 2.5, seed: 5, width: 128,
            height: 128)
        func draw(_ precision: Precision) throws -> [UInt8] {
            let model = try StableDiffusion(ModelFolder(path: folder.path), precision: precision)
            return try ComputeThread.shared.run {
                var denoising = try Denoising(request, model: model)
                while !denoising.isComplete { denoising.advance() }
                return denoising.picture().pixels
            }
        }
        let (exact, mixed) = (try draw(.fp32), try draw(.bf16))
        let error = zip(exact, mixed).reduce(0.0) { $0 + pow(Double($1.0) - Double($1.1), 2) } / Double(exact.count)
        let ratio = 10 * log10(255 * 255 / max(error, 1e-9))
        #expect(ratio > 30, "\(ratio) dB")
        #expect(exact != mixed)
    }
}
