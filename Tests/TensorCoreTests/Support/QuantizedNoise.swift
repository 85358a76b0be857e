import TestSupport

@testable import TensorCore

/// Random blocks of a format with small scales.
func quantizedNoise(_ dtype: DType, _ shape: [Int], _ generator: inout Generator) -> Tensor {
    let bytes = (0..<dtype.byteCount(of: shape.reduce(1, *))).map { _ in UInt8(truncatingIfNeeded: generator.next()) }
    let storage = Storage(byteCount: bytes.count)
    storage.pointer.copyMemory(from: bytes, byteCount: bytes.count)
    // Scales are half-precision numbers at the places that the formats have for them.
    let blockBytes = dtype.byteCount(of: dtype.blockCount)
    let places = dtype == .q6_K ? [208] : [.q4_0, .q5_0, .q8_0].contains(dtype) ? [0] : [0, 2]
    for block in 0..<bytes.count / blockBytes {
        for place in places {
            let scale = Float16(generator.uniform(0.001...0.01))
            (storage.pointer + block * blockBytes + place).storeBytes(of: scale.bitPattern, as: UInt16.self)
        }
    }
    return Tensor(storage: storage, dtype: dtype, layout: Layout(rowMajor: shape))
}
