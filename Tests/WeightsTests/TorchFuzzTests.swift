import Foundation
import TensorCore
import Testing
import Weights

/// Mutated checkpoints: none may trap, and every tensor of one that is accepted must be readable to its last element.
@Suite struct TorchFuzzTests {
    /// `ATELIER_FUZZ_ITERATIONS`, or what a normal test run can afford.
    private static let iterations =
        ProcessInfo.processInfo.environment["ATELIER_FUZZ_ITERATIONS"].flatMap { Int($0) } ?? 100_000

    private struct Seed {
        let pickle: [UInt8]
        let storages: [String: [UInt8]]
    }

    private static let seeds: [Seed] = [
        Seed(
            pickle: Pickle.whole(
                Pickle.dictionary(
                    ("a", Pickle.tensor(storage: Pickle.storage(count: 6), shape: [2, 3], strides: [3, 1])),
                    (
                        "b",
                        Pickle.tensor(storage: Pickle.storage(count: 6), offset: 1, shape: [2, 2], strides: [1, 3])
                    ),
                    (
                        "c",
                        Pickle.tensor(storage: Pickle.storage("1", "BoolStorage", count: 3), shape: [3], strides: [1])
                    ))),
            storages: ["0": [UInt8](repeating: 63, count: 24), "1": [0, 1, 2]]),
        Seed(
            pickle: Pickle.whole(
                Pickle.dictionary(
                    ("global_step", Pickle.integer(470_000)),
                    (
                        "state_dict",
                        Pickle.global("collections", "OrderedDict") + Pickle.emptyTuple + Pickle.reduce + Pickle.put(1)
                            + Pickle.text("w")
                            + Pickle.global("torch._utils", "_rebuild_parameter")
                            + Pickle.tuple(
                                Pickle.tensor(
                                    storage: Pickle.storage("0", "HalfStorage", count: 2), shape: [2], strides: [1]),
                                [0x88], Pickle.get(1)) + Pickle.reduce + Pickle.setItem
                    ), ("none", Pickle.none), ("shared", Pickle.get(1)))),
            storages: ["0": [0, 60, 0, 64]]),
        Seed(
            pickle: [0x80, 4, 0x95] + little(UInt64(40)) + Pickle.mark + [0x8C, 1, 97, 0x94, 0x4B, 7, 0x47]
                + little(UInt64(0x3FF0).byteSwapped) + [0x8A, 3, 1, 2, 0xFF] + [0x86, 0x94, 0x5D, 0x94, 0x68, 0, 0x61]
                + [0x74, 0x2E],
            storages: [:]),
    ]

    private static let legacy: [UInt8] =
        [0x80, 2, 0x8A, 0x0A, 0x6C, 0xFC, 0x9C, 0x46, 0xF9, 0x20, 0x6A, 0xA8, 0x50, 0x19, 0x2E]
        + Pickle.whole(Pickle.integer(1001)) + Pickle.whole(Pickle.dictionary(("little_endian", [0x88])))
        + Pickle.whole(
            Pickle.dictionary(
                ("a", Pickle.tensor(storage: Pickle.storage("7", "LongStorage", count: 2), shape: [2], strides: [1]))))
        + Pickle.whole(Pickle.emptyList + Pickle.text("7") + Pickle.append) + little(Int64(2))
        + [UInt8](repeating: 5, count: 16)

    /// Pieces of pickles that steer a mutation toward the reader's decisions.
    private static let words: [[UInt8]] =
        [
            Pickle.mark, Pickle.none, Pickle.emptyTuple, Pickle.emptyList, Pickle.emptyDictionary, Pickle.setItem,
            Pickle.setItems, Pickle.append, [0x65], Pickle.reduce, Pickle.build, Pickle.newObject, Pickle.persistent,
            Pickle.tuple, [0x85], [0x86], [0x87], [0x94], [0x93], Pickle.stop, Pickle.start, Pickle.get(0),
            Pickle.get(1), Pickle.put(0), Pickle.put(1), Pickle.text("a"), Pickle.text("state_dict"), Pickle.long(-1),
            Pickle.long(.max), Pickle.long(.min), Pickle.long(1 << 32), Pickle.integer(2), [0x88], [0x8F], [0x90],
            [0x91],
            Pickle.storage(count: 6), Pickle.storage("0", "HalfStorage", count: 2), Pickle.global("os", "system"),
            Pickle.global("collections", "OrderedDict"), Pickle.global("builtins", "set"),
            Pickle.global("torch", "Size"), Pickle.global("numpy", "dtype"),
            Pickle.global("torch.nn.modules.container", "ParameterDict"),
            Pickle.global("torch._utils", "_rebuild_tensor_v3"),
            Pickle.tensor(storage: Pickle.storage(count: 6), shape: [1 << 20], strides: [0]),
        ]

    @Test(arguments: 0..<4)
    func mutatedCheckpoints(part: Int) {
        var random = SplitMix(state: UInt64(part + 11))
        var (accepted, changed) = (0, 0)
        let count = Self.iterations / 4
        for _ in 0..<count {
            let original = bytes(&random, mutated: false)
            let (mutant, isWhole) = (bytes(&random, mutated: true), random.below(3) == 0)
            var file = isWhole ? original : mutant
            if isWhole { for _ in 0...random.below(3) { mutate(&file, &random) } }
            do {
                let checkpoint = try open(file)
                accepted += 1
                if file != original { changed += 1 }
                if let flaw = flaw(in: checkpoint, fileByteCount: file.count) {
                    Issue.record("\(flaw): \(file)")
                    return
                }
            } catch {
                #expect(!error.description.isEmpty)
            }
        }
        // The mutations are neither all harmless nor all deadly.
        #expect(changed > count / 200)
        #expect(accepted < count / 2)
    }

    // MARK: Mutations

    /// A checkpoint; with `mutated`, its pickle has changed while the container around it is whole.
    private func bytes(_ random: inout SplitMix, mutated: Bool) -> [UInt8] {
        let choice = random.below(Self.seeds.count + 1)
        guard choice < Self.seeds.count else {
            var file = Self.legacy
            if mutated { mutate(&file, &random) }
            return file
        }
        let seed = Self.seeds[choice]
        var pickle = seed.pickle
        if mutated { for _ in 0...random.below(2) { mutate(&pickle, &random) } }
        var zip = ZipBuilder(pickle, storages: seed.storages)
        zip.isWide = random.below(4) == 0
        return zip.bytes
    }

    private func mutate(_ bytes: inout [UInt8], _ random: inout SplitMix) {
        guard !bytes.isEmpty else { return }
        let at = random.below(bytes.count)
        switch random.below(7) {
        case 0: bytes[at] ^= 1 << UInt8(random.below(8))
        case 1: bytes[at] = UInt8(random.below(256))
        case 2, 3: bytes.insert(contentsOf: Self.words[random.below(Self.words.count)], at: at)
        case 4: bytes.removeSubrange(at..<min(bytes.count, at + 1 + random.below(8)))
        case 5: bytes.removeSubrange(at...)
        default:
            let slice = Array(bytes[at..<min(bytes.count, at + 1 + random.below(80))])
            bytes.insert(contentsOf: slice, at: random.below(bytes.count + 1))
        }
    }

    // MARK: Judgement

    /// What is wrong with an accepted checkpoint; nil when nothing is.
    private func flaw(in checkpoint: TorchCheckpoint, fileByteCount: Int) -> String? {
        guard checkpoint.names == checkpoint.names.sorted() else { return "names out of order" }
        for name in checkpoint.names {
            guard let stored = checkpoint[name] else { return "a name without a tensor" }
            let elements = stored.shape.reduce(1.0) { $0 * Double($1) }
            guard elements <= Double(max(fileByteCount, 1 << 20)) else { return "more elements than the file has" }
            do {
                guard let tensor = try checkpoint.tensor(name) else { return "a tensor that is not there" }
                guard tensor.shape == stored.shape else { return "another shape" }
                // Large ones repeat few elements; the corners reach as far as all of them.
                var corner = tensor
                for dimension in 0..<tensor.rank where tensor.size(dimension) > 1 {
                    let last = tensor.size(dimension) - 1
                    corner = corner.narrowed(dimension, start: 0, count: 2, step: last)
                }
                guard corner.contiguous().array(of: UInt8.self).count == corner.count else { return "a short read" }
            } catch {
                guard error.rule == .dtype else { return "\(error)" }
            }
        }
        return checkpoint.contents.description.isEmpty ? "a value without words" : nil
    }
}
