import Foundation
import Synchronization
import TestSupport
import Testing

@testable import TensorCore

/// Weights that are made when they are first read, and pages that go back to the system.
@Suite struct DeferredTests {
    private final class Calls: Sendable {
        let count = Mutex(0)
        func tensor(_ shape: [Int], _ dtype: DType) -> Tensor {
            let calls = self
            return .deferred(shape: shape, dtype: dtype) {
                calls.count.withLock { $0 += 1 }
                let values = (0..<shape.reduce(1, *)).map { Float($0 % 17) - 8 }
                return Tensor(values, shape: shape).converted(to: dtype)
            }
        }
        var made: Int { count.withLock { $0 } }
    }

    @Test func `nothing is made before it is read, and then once`() {
        let calls = Calls()
        let x = calls.tensor([3, 4], .float32)
        #expect(calls.made == 0 && x.shape == [3, 4] && x.storage.isFrozen)
        #expect(x.floats.prefix(3) == [-8, -7, -6] && x.transposed(0, 1).floats[1] == -4)
        #expect(calls.made == 1)
    }

    @Test func `a transient copy is not kept, a kept one is used`() {
        let calls = Calls()
        let x = calls.tensor([5], .float32)
        #expect(x.transient.floats == x.transient.floats && calls.made == 2)
        _ = x.floats
        #expect(isBitEqual(x.transient, x) && calls.made == 3)
    }

    /// Packed weights alone stay in memory: the product is that of plain weights, and nobody keeps those.
    @Test func `weights that are packed are made once and not kept`() {
        ComputeThread.shared.run {
            var random = TorchGenerator(seed: 1)
            let x = random.normal([1, 8, 48])
            let calls = Calls()
            let weight = calls.tensor([64, 48], .bfloat16)
            let plain = weight.transient.frozen()
            let before = calls.made
            let expected = linear(x, plain, nil)
            for _ in 0..<3 { #expect(isBitEqual(linear(x, weight, nil), expected)) }
            #expect(calls.made <= before + 1)

            let map = random.normal([1, 32, 8, 8])
            let kernel = calls.tensor([32, 32, 3, 3], .bfloat16)
            let same = kernel.transient.frozen()
            let geometry = ConvolutionGeometry(stride: 1, padding: 1)
            #expect(
                isBitEqual(convolution(map, kernel, nil, geometry), convolution(map, same, nil, geometry)))
        }
    }

    @Test func `a view that does not fill its storage is copied`() {
        let x = Tensor.deferred(shape: [2], dtype: .float32) {
            Tensor([1, 2, 3, 4] as [Float]).narrowed(0, start: 1, count: 2)
        }
        #expect(x.floats == [2, 3])
    }

    @Test func `pages that were dropped come back from their file`() throws {
        final class Owner: Sendable {}
        let count = 1 << 22
        try inTemporaryFolder { folder in
            let path = folder.appending(path: "pages").path
            let bytes = Data((0..<count * 4).map { UInt8(truncatingIfNeeded: $0 &* 31) })
            try bytes.write(to: URL(filePath: path))
            let descriptor = open(path, O_RDONLY)
            defer { close(descriptor) }
            let map = try #require(mmap(nil, count * 4, PROT_READ, MAP_PRIVATE, descriptor, 0))
            defer { munmap(map, count * 4) }
            let storage = Storage(
                mapped: UnsafeRawPointer(map), byteCount: count * 4, owner: Owner(), isReloadable: true)
            let x = Tensor(storage: storage, dtype: .uint8, layout: Layout(rowMajor: [count * 4]))
            #expect(x.withUnsafeBytes { Data($0) } == bytes)
            let before = residentFileKilobytes()
            x.dropPages()
            #expect(before - residentFileKilobytes() > count * 2 / 1024)
            #expect(x.withUnsafeBytes { Data($0) } == bytes)
            // Memory of the pool has no file to come back from.
            let own = Tensor([Float](repeating: 3, count: 5000))
            own.dropPages()
            #expect(own.floats.allSatisfy { $0 == 3 })
        }
    }

    /// What the system says this process has of mapped files in memory.
    private func residentFileKilobytes() -> Int {
        let status = (try? String(contentsOfFile: "/proc/self/status", encoding: .utf8)) ?? ""
        let line = status.split(separator: "\n").first { $0.hasPrefix("RssFile:") }
        return line.flatMap { $0.split(separator: " ").dropLast().last }.flatMap { Int($0) } ?? 0
    }
}
