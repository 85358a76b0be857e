import Foundation
import TensorCore
import TestSupport
import Testing
import Weights

/// Files that want something else than to be read: each ends in one error, and nothing is allocated by a claim.
@Suite(.timeLimit(.minutes(5))) struct TorchHostileTests {
    private let tensor = Pickle.tensor(storage: Pickle.storage(count: 4), shape: [2, 2], strides: [2, 1])
    private let data = [UInt8](repeating: 0, count: 16)

    private func rule(_ value: [UInt8], storages: [String: [UInt8]]? = nil) -> TorchCheckpointError.Rule? {
        failure(ofValue: value, storages: storages ?? ["0": data])?.rule
    }

    // MARK: Code

    @Test func aClassThatCouldRunCodeIsNamed() {
        let call = Pickle.global("os", "system") + Pickle.tuple(Pickle.text("touch /tmp/owned")) + Pickle.reduce
        #expect(
            failure(ofValue: call)?.description
                == "test.pt: expected only tensors and plain values, found the class os.system, which could run code; "
                + "nothing was executed. Save it as safetensors")
    }

    @Test(arguments: [
        ("posix", "system"), ("nt", "system"), ("subprocess", "Popen"), ("builtins", "eval"), ("builtins", "exec"),
        ("__builtin__", "getattr"), ("builtins", "__import__"), ("runpy", "_run_code"), ("webbrowser", "open"),
        ("operator", "attrgetter"), ("functools", "partial"), ("torch", "load"), ("torch.hub", "load"),
        ("torch.storage", "_load_from_bytes"), ("torch._utils", "_rebuild_tensor_v2.__globals__"),
        ("torch._utils", "_import_dotted_name"), ("collections", "defaultdict"), ("copyreg", "_reconstructor"),
        ("numpy", "load"), ("numpy.testing._private.utils", "runstring"), ("pickle", "loads"), ("", ""),
        ("torch.jit", "load"), ("torch.nn.modules.linear", "Linear"), ("pytorch_lightning.callbacksx", "y"),
        ("\u{1B}[31m", "x"), ("torch.serialization", "os"), ("argparse", "Namespace"),
    ])
    func whatIsNotOnTheListIsRefused(module: String, name: String) {
        #expect(rule(Pickle.global(module, name)) == .forbidden)
        // The same through the stack, as protocol 4 does it.
        let stacked = failure(ofValue: Pickle.text(module) + Pickle.text(name) + [0x93])
        #expect(stacked?.rule == .forbidden)
        #expect(stacked?.description.contains("\u{1B}") == false)
    }

    @Test(
        arguments: [
            0x69, 0x6F, 0x92, 0x82, 0x83, 0x84, 0x50, 0x49, 0x4C, 0x46, 0x53, 0x56, 0x67, 0x70, 0x64, 0x6C, 0x30, 0x31,
            0x32, 0x96, 0x97, 0x98,
        ] as [UInt8])
    func instructionsThatAreNotNeeded(code: UInt8) {
        #expect(rule(Pickle.mark + Pickle.text("os") + [code] + Array("os\nsystem\n".utf8)) == .forbidden)
    }

    @Test func namesMayBeMentionedButNotCalled() {
        let callback = Pickle.global("pytorch_lightning.callbacks.model_checkpoint", "ModelCheckpoint")
        #expect(rule(callback) == nil)
        #expect(rule(callback + Pickle.emptyTuple + Pickle.reduce) == .forbidden)
        #expect(rule(callback + Pickle.emptyTuple + Pickle.newObject) == .forbidden)
        #expect(rule(callback + Pickle.emptyDictionary + Pickle.build) == .syntax)
        for (module, name) in [
            ("torch", "FloatStorage"), ("numpy", "ndarray"), ("torch.nn.modules.container", "ParameterDict"),
        ] {
            #expect(rule(Pickle.global(module, name) + Pickle.emptyTuple + Pickle.reduce) == .forbidden)
        }
        #expect(rule(Pickle.global("collections", "OrderedDict") + Pickle.none + Pickle.reduce) == .syntax)
        #expect(rule(Pickle.text("os.system") + Pickle.emptyTuple + Pickle.reduce) == .syntax)
        #expect(rule(Pickle.emptyList + Pickle.emptyTuple + Pickle.newObject) == .syntax)
    }

    @Test func stateIsForKnownObjectsOnly() {
        #expect(rule(tensor + Pickle.emptyDictionary + Pickle.build) == .forbidden)
        #expect(rule(Pickle.emptyList + Pickle.emptyDictionary + Pickle.build) == .forbidden)
        #expect(rule(Pickle.emptyDictionary + Pickle.emptyDictionary + Pickle.build) == nil)
        let module = Pickle.global("torch.nn.modules.container", "ParameterDict") + Pickle.emptyTuple + Pickle.newObject
        #expect(rule(module + Pickle.emptyDictionary + Pickle.build) == nil)
        #expect(rule(module + Pickle.emptyList + Pickle.build) == .forbidden)
        #expect(
            rule(module + Pickle.emptyDictionary + Pickle.build + Pickle.emptyDictionary + Pickle.build) == .forbidden)
    }

    // MARK: Pickles that do not fit together

    @Test func brokenStacks() {
        for value: [UInt8] in [
            [], Pickle.none + Pickle.none, Pickle.mark, Pickle.mark + Pickle.none, Pickle.tuple, Pickle.setItem,
            Pickle.append, Pickle.emptyList + Pickle.mark + Pickle.append, Pickle.none + Pickle.none + Pickle.append,
            Pickle.emptyDictionary + Pickle.mark + Pickle.none + Pickle.setItems,
            Pickle.emptyDictionary + Pickle.mark + Pickle.none + Pickle.setItem, Pickle.get(0), Pickle.put(0),
            Pickle.reduce, Pickle.build, Pickle.newObject, Pickle.persistent, [0x93], [0x94], [0x85], [0x86], [0x87],
            Pickle.emptyDictionary + Pickle.emptyList + Pickle.none + Pickle.setItem, Pickle.start, [0xFF],
            Pickle.text("a") + Pickle.persistent, [0x58, 2, 0, 0, 0, 0xC3, 0x28],
        ] { #expect(rule(value) == .syntax, "\(value)") }
    }

    @Test func claimedLengthsAreCheckedFirst() {
        for value: [UInt8] in [
            [0x58, 0xFF, 0xFF, 0xFF, 0x7F], [0x8D] + little(UInt64.max), [0x8E] + little(UInt64.max >> 1),
            [0x42] + little(UInt32.max),
            [0x8B] + little(Int32.min), [0x8A, 200], [0x55, 9], [0x54] + little(Int32(-1)), [0x95, 1], [0x47, 0],
            [0x4A],
            [0x63] + Array("os".utf8),
        ] { #expect(rule(value) == .truncated, "\(value)") }
        #expect(rule([0x63] + [UInt8](repeating: 65, count: 5000)) == .limit)
        #expect(rule([0x58] + little(UInt32(2 << 20)) + [UInt8](repeating: 65, count: 2 << 20)) == .limit)
        #expect(failure(of: ZipBuilder([0x80, 1, 0x4E, 0x2E]).bytes)?.rule == .format)
        #expect(failure(of: ZipBuilder([0x80, 6, 0x4E, 0x2E]).bytes)?.rule == .format)
        #expect(failure(of: ZipBuilder([]).bytes)?.rule == .truncated)
    }

    @Test func containersThatContainThemselves() {
        let list = Pickle.emptyList + Pickle.put(0) + Pickle.get(0) + Pickle.append
        #expect(rule(list) == .cycle)
        let dictionary = Pickle.emptyDictionary + Pickle.put(0) + Pickle.text("a") + Pickle.get(0) + Pickle.setItem
        #expect(rule(dictionary) == .cycle)
        #expect(rule(Pickle.emptyList + Pickle.put(0) + Pickle.get(0) + [0x85] + Pickle.append) == .cycle)
    }

    @Test func nestingHasALimit() {
        func nested(_ depth: Int) -> [UInt8] {
            [UInt8](repeating: Pickle.emptyList[0], count: depth)
                + [UInt8](repeating: Pickle.append[0], count: depth - 1)
        }
        #expect(rule(nested(64)) == nil)
        #expect(rule(nested(65)) == .limit)
        #expect(rule(nested(400_000)) == .limit)
        #expect(rule(Pickle.none + [UInt8](repeating: 0x85, count: 400_000)) == .limit)
        // Each list holds the one before, which has been seen already: only its height tells how deep this goes.
        var stacked = Pickle.emptyList + Pickle.emptyList + Pickle.put(0) + Pickle.append
        for _ in 0..<200 {
            stacked += Pickle.emptyList + Pickle.get(0) + Pickle.append + Pickle.put(0) + Pickle.append
        }
        #expect(rule(stacked) == .limit)
    }

    /// Lists of two that each hold the one before twice: 2^60 values in 600 bytes.
    @Test func sharedContainersDoNotMultiply() {
        var value = Pickle.mark + tensor + Pickle.put(0)
        for _ in 0..<60 { value += Pickle.get(0) + Pickle.get(0) + [0x86] + Pickle.put(0) }
        value += Pickle.tuple
        #expect(rule(value) == .limit)
        let dull = Pickle.none + (0..<50).flatMap { _ in Pickle.put(0) + Pickle.get(0) + [0x86] }
        #expect(rule(dull) == .limit)
    }

    @Test func copiesAreCounted() {
        // One long list, turned into a set again and again.
        let list =
            Pickle.emptyList + Pickle.mark + [UInt8](repeating: 0x4E, count: 200_000) + [0x65] + [0x85] + Pickle.put(0)
        let again = Pickle.global("builtins", "set") + Pickle.get(0) + Pickle.reduce
        let sets = (0..<1000).flatMap { _ in again }
        #expect(rule(Pickle.mark + list + sets + Pickle.tuple) == .limit)
        let text =
            Pickle.tuple(Pickle.text(String(repeating: "é", count: 400_000)), Pickle.text("latin1")) + Pickle.put(0)
        let decode = Pickle.global("_codecs", "encode") + Pickle.get(0) + Pickle.reduce
        #expect(rule(Pickle.mark + text + (0..<1000).flatMap { _ in decode } + Pickle.tuple) == .limit)
    }

    @Test func instructionsAreCounted() {
        #expect(rule(Pickle.mark + [UInt8](repeating: 0x4E, count: 1_100_000) + Pickle.tuple) == .limit)
        #expect(rule([UInt8](repeating: 0x28, count: 1_100_000)) == .limit)
        let lists = (0..<1_100_000).flatMap { _ in [0x5D, 0x61] as [UInt8] }
        #expect(rule(Pickle.emptyList + lists) == .limit)
    }

    @Test func keysAreGivenOnce() {
        #expect(rule(Pickle.dictionary(("a", Pickle.none), ("a", Pickle.none))) == .duplicateKey)
        #expect(rule(Pickle.dictionary(("a.b", tensor), ("a", Pickle.dictionary(("b", tensor))))) == .duplicateKey)
        #expect(
            rule(
                Pickle.emptyDictionary + Pickle.text("1") + Pickle.none + Pickle.setItem + [0x4B, 1] + Pickle.none
                    + Pickle.setItem) == .duplicateKey)
        #expect(rule(Pickle.emptyDictionary + Pickle.emptyTuple + Pickle.none + Pickle.setItem) == .syntax)
        #expect(rule(Pickle.dictionary((String(repeating: "k", count: 2000), Pickle.none))) == .limit)
        for name in ["../a", "a\nb", String(repeating: "n", count: 513), ""] {
            #expect(rule(Pickle.dictionary((name, tensor))) == .name)
        }
    }

    // MARK: Storages and layouts

    @Test func storagesMustBeThereAndFit() {
        #expect(rule(tensor) == nil)
        #expect(rule(tensor, storages: [:]) == .storage)
        #expect(rule(tensor, storages: ["0": Array(data.dropLast())]) == .storage)
        #expect(rule(tensor, storages: ["0": data + [0]]) == .storage)
        #expect(rule(Pickle.storage(count: -1)) == .storage)
        #expect(rule(Pickle.storage(count: .max)) == .storage)
        #expect(rule(Pickle.storage(count: 1 << 60)) == .storage)
        #expect(rule(Pickle.tuple(Pickle.storage(count: 4), Pickle.storage("0", "IntStorage", count: 4))) == .storage)
        #expect(rule(Pickle.tuple(Pickle.storage(count: 4), Pickle.storage(count: 3))) == .storage)
        #expect(rule(Pickle.storage("0", "QInt8Storage", count: 4)) == .dtype)
        #expect(rule(Pickle.tuple(Pickle.text("module"), Pickle.none) + Pickle.persistent) == .syntax)
        #expect(
            rule(Pickle.storage(String(repeating: "0", count: 200), count: 4)) == .syntax)
    }

    @Test(
        arguments: [
            (0, [5], [1]), (1, [4], [1]), (0, [2, 2], [3, 1]), (4, [1], [1]), (5, [0], [1]), (-1, [1], [1]),
            (0, [-1], [1]),
            (0, [2], [-1]), (0, [.max], [1]), (0, [.max, .max], [0, 0]), (0, [2], [.max]),
            (0, [3, 3], [.max / 2, .max / 2]),
            (.max, [1], [1]), (0, [1 << 21], [0]), (0, [2, 2], [1]), (0, [.max, 2, 0], [1, 1, 1]), (0, [1 << 62], [0]),
            (0, [0, .max, .max], [1, 1, 1]),
        ] as [(Int64, [Int64], [Int64])])
    func layoutsThatReachOutside(offset: Int64, shape: [Int64], strides: [Int64]) {
        let value = Pickle.tensor(storage: Pickle.storage(count: 4), offset: offset, shape: shape, strides: strides)
        #expect(rule(value) == .layout)
    }

    /// The numbers fit each other, and nothing else: the file holds 16 bytes.
    @Test func layoutsOfStoragesThatAreNotThere() {
        for (shape, strides) in [
            ([1, 2], [1, 1 << 62]), ([1, 1, 3], [0, 0, 1 << 61]), ([1 << 59], [1]), ([1, 1 << 59], [.max, 1]),
        ] as [([Int64], [Int64])] {
            let storage = Pickle.storage("0", "ByteStorage", count: .max)
            #expect(rule(Pickle.tensor(storage: storage, shape: shape, strides: strides)) == .storage)
        }
    }

    @Test func oddLayoutsThatStayInside() throws {
        for (offset, shape, strides) in [
            (0, [2, 2], [1, 1]), (4, [0], [1]), (3, [], []), (3, [1, 1], [.max, .max]), (0, [0, 5], [.max, .max]),
            (0, [1 << 20], [0]), (1, [1, 3], [.max, 1]),
        ] as [(Int64, [Int64], [Int64])] {
            let value = Pickle.tensor(storage: Pickle.storage(count: 4), offset: offset, shape: shape, strides: strides)
            let tensor = try #require(try open(value: value, storages: ["0": data]).tensor(""))
            #expect(tensor.shape == shape.map { Int($0) })
            #expect(tensor.unsqueezed(0).contiguous().floats.allSatisfy { $0 == 0 })
        }
        let deep = [Int64](repeating: 1, count: 9)
        #expect(rule(Pickle.tensor(storage: Pickle.storage(count: 4), shape: deep, strides: deep)) == .limit)
    }

    /// What people take for a model by mistake.
    @Test(
        arguments: [
            ([0x89, 0x50, 0x4E, 0x47, 0x0D, 0x0A, 0x1A, 0x0A, 0, 0, 0, 13], "a PNG picture"),
            (Array("version https://git-lfs.github.com/spec/v1\n".utf8), "a pointer of Git LFS"),
            (Array("<!DOCTYPE html><html><head></head></html>".utf8), "a web page"),
            (Array("\n<html><body>Access denied</body></html>".utf8), "a web page"),
            (Array("GGUF and more".utf8), "a GGUF file"),
        ] as [([UInt8], String)])
    func whatIsNoModelIsNamed(bytes: [UInt8], kind: String) throws {
        try inTemporaryFolder { folder in
            let path = folder.appending(path: "file.safetensors")
            try Data(bytes).write(to: path)
            let error = #expect(throws: WeightsError.self) { try TensorFile(path: path.path) }
            #expect(error?.found.hasPrefix(kind) == true, "\(error?.description ?? "")")
        }
    }
}
