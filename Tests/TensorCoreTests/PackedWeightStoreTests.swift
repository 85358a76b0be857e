import Testing

@testable import TensorCore

/// Packed forms of weights, and which of them are kept.
@Suite struct PackedWeightStoreTests {
    private func key(_ weight: Tensor) -> PackedWeightStore.Key {
        PackedWeightStore.Key(
            storage: ObjectIdentifier(weight.storage), layout: weight.layout, format: .primitive(0))
    }

    @Test func `what finds no room is not kept, and what is kept stays over any number of passes`() {
        let weights = (0..<5).map { Tensor.zeros([256]) + Double($0) }
        let store = PackedWeightStore(byteBudget: 3 * 1024, enlargedByteBudget: 0)
        for _ in 0..<3 {
            let kept = weights.map { store[key($0)] != nil || store.insert($0, for: key($0)) }
            #expect(kept == [true, true, true, false, false])
        }
    }

    @Test func `a forgotten storage makes room`() {
        let weights = (0..<3).map { Tensor.zeros([256]) + Double($0) }
        let store = PackedWeightStore(byteBudget: 2 * 1024, enlargedByteBudget: 0)
        for weight in weights { _ = store.insert(weight, for: key(weight)) }
        #expect(store[key(weights[2])] == nil)
        store.remove(ObjectIdentifier(weights[0].storage))
        #expect(store[key(weights[0])] == nil)
        #expect(store.insert(weights[2], for: key(weights[2])))
        #expect(store[key(weights[1])] != nil)
    }

    @Test func `the budget holds an SDXL UNet in bf16 on a machine that has the memory`() {
        #expect(PackedWeightStore.defaultByteBudget >= 4 << 30)
    }
}

/// The memory that packed forms share.
@Suite struct PackedMemoryTests {
    @Test func `small forms share a piece without touching each other, and a piece lives as long as one of them`() {
        let memory = PackedMemory()
        var forms = (1...40).map { memory.empty($0 * 7919) }
        for (index, form) in forms.enumerated() {
            form.rawPointer.initializeMemory(as: UInt8.self, repeating: UInt8(index), count: form.count)
        }
        // Forms that go leave those that stay; what is taken next is none of theirs.
        forms.removeAll { $0.count % 2 == 0 }
        let later = (0..<200).map { _ in memory.empty(100_000) }
        for form in later { form.rawPointer.initializeMemory(as: UInt8.self, repeating: 255, count: form.count) }
        for form in forms {
            let bytes = UnsafeRawBufferPointer(start: form.rawPointer, count: form.count)
            #expect(bytes.allSatisfy { $0 == UInt8(form.count / 7919 - 1) })
            #expect(UInt(bitPattern: form.rawPointer) % 64 == 0)
        }
    }
}
