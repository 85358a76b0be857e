import Foundation
import TensorCore
import TestSupport
import Testing
import Weights

/// Checkpoints that torch wrote: `Tests/Fixtures/subjects/torch_checkpoints.py`.
@Suite struct TorchCheckpointTests {
    private let expected: [String: Tensor]

    init() throws { expected = try Fixtures.tensors("torch-checkpoints/expected.safetensors") }

    private func open(_ name: String, section: [String]? = nil) throws -> TorchCheckpoint {
        try TorchCheckpoint(path: Fixtures.path("torch-checkpoints/\(name)"), section: section)
    }

    private func bytes(_ tensor: Tensor) -> [UInt8] {
        tensor.count == 0 ? [] : tensor.contiguous().withUnsafeBytes { Array($0) }
    }

    private func compare(_ tensor: Tensor?, _ key: String) throws {
        let read = try #require(tensor, "\(key)")
        let golden = try Fixtures.require(expected, key)
        #expect(read.dtype == golden.dtype, "\(key)")
        #expect(read.shape == golden.shape, "\(key)")
        #expect(bytes(read) == bytes(golden), "\(key)")
        #expect(read.storage.isFrozen, "\(key)")
    }

    // MARK: Plain state dictionaries

    @Test(arguments: ["tensors.pt", "tensors_protocol4.pt", "tensors_legacy.pt"])
    func everyTensorIsTorchs(name: String) throws {
        let checkpoint = try open(name)
        #expect(checkpoint.section == [])
        // The old form has no uint16.
        #expect(checkpoint.names.count == (name == "tensors_legacy.pt" ? 18 : 19))
        let golden = expected.keys.filter { $0.hasPrefix("tensors/") }
        #expect(golden.count == 17)
        for key in golden { try compare(checkpoint.tensor(String(key.dropFirst("tensors/".count))), key) }
        #expect(try checkpoint.tensor("other") == nil)
    }

    @Test func viewsKeepTheirStridesAndShareTheFile() throws {
        let checkpoint = try open("tensors.pt")
        let whole = try #require(try checkpoint.tensor("view.whole"))
        let rows = try #require(try checkpoint.tensor("view.rows"))
        #expect(try checkpoint.tensor("view.transposed")?.layout.strides == [1, 8])
        #expect(try checkpoint.tensor("view.columns")?.layout.strides == [8, 3])
        #expect(try checkpoint.tensor("view.expanded")?.layout.strides == [0, 1])
        #expect(try checkpoint.tensor("channels_last")?.layout.isChannelsLast == true)
        let start = whole.withUnsafeBytes { UInt(bitPattern: $0.baseAddress) }
        #expect(rows.withUnsafeBytes { UInt(bitPattern: $0.baseAddress) } == start + 2 * 8 * 4)
        let again = try #require(try checkpoint.tensor("view.whole"))
        #expect(again.withUnsafeBytes { UInt(bitPattern: $0.baseAddress) } == start)
    }

    @Test func typesThatAreNotComputedWithAreNamed() throws {
        let checkpoint = try open("tensors.pt")
        #expect(checkpoint["f64"]?.dtype == .f64)
        #expect(checkpoint["u16"]?.dtype == .u16)
        #expect(checkpoint["u16"]?.shape == [3])
        #expect(
            failure { _ = try checkpoint.tensor("f64") }?.description.hasSuffix(
                "tensors.pt: tensor \"f64\": expected one of F32, BF16, F16, I32, I64, U8 and BOOL, found F64") == true)
    }

    @Test func tensorsOutliveTheCheckpoint() throws {
        var tensor: Tensor?
        do { tensor = try open("tensors.pt").tensor("scalar") }
        #expect(tensor?.item == 1.25)
    }

    // MARK: Nested checkpoints

    @Test func aLightningCheckpointGivesItsStateDictionary() throws {
        let checkpoint = try open("lightning.ckpt")
        #expect(checkpoint.section == ["state_dict"])
        #expect(checkpoint.names == ["model.0.bias", "model.0.weight", "model.1.bias", "model.1.weight"])
        for name in checkpoint.names { try compare(checkpoint.tensor(name), "lightning.ckpt/state_dict/\(name)") }
        try compare(
            checkpoint.tensor(at: ["optimizer_states", "0", "state", "0", "exp_avg"]),
            "lightning.ckpt/optimizer_states/0/state/0/exp_avg")
        #expect(try checkpoint.tensor(at: ["global_step"]) == nil)
        #expect(try checkpoint.tensor(at: ["optimizer_states", "1"]) == nil)
    }

    @Test func plainValuesAreThereToo() throws {
        let checkpoint = try open("lightning.ckpt")
        let contents = checkpoint.contents
        guard case .integer(470_000)? = contents["global_step"], case .integer(7)? = contents["epoch"],
            case .string("1.4.2")? = contents["pytorch-lightning_version"], case .none? = contents["loops"],
            case .boolean(true)? = contents["is_training"], case .bytes([0, 255, 128])? = contents["hash"],
            case .string("ü 😀")? = contents["text"], case .opaque("torch.device")? = contents["device"],
            case .opaque("F16")? = contents["dtype"], case .opaque("numpy.ndarray")? = contents["array"],
            case .opaque("an integer of 72 bits")? = contents["seed"], case .list(let size)? = contents["size"],
            case .list(let tags)? = contents["tags"]
        else {
            Issue.record("\(contents)")
            return
        }
        #expect(size.map(\.description) == ["2", "3"])
        #expect(tags.map(\.description) == ["\"a\""])
        let group = try #require(checkpoint.value(at: ["optimizer_states", "0", "param_groups", "0"]))
        #expect(group["lr"]?.description == "0.0001")
        #expect(group["betas"]?["1"]?.description == "0.999")
        let callback = try #require(
            checkpoint.value(at: ["callbacks", "pytorch_lightning.callbacks.model_checkpoint.ModelCheckpoint"]))
        #expect(callback["monitor"]?.description == "\"val/loss\"")
        #expect(callback["current_score"]?.description == "0.1")
        #expect(callback["steps"]?.description == "-3")
        #expect(callback["best_model_score"]?.description == "a tensor F32 []")
    }

    @Test func sectionsAreFoundByTheirPath() throws {
        #expect(try open("lightning.ckpt", section: []).names.count == 6)
        #expect(try open("lightning.ckpt", section: ["state_dict"]).names.count == 4)
        #expect(try open("lightning.ckpt", section: ["global_step"]).names == [])
        #expect(
            failure { _ = try open("embedding.pt", section: ["string_to_param", "cat"]) }?.description.hasSuffix(
                "embedding.pt: expected a section string_to_param/cat, found a dictionary of 6") == true)
    }

    @Test(arguments: ["embedding.pt", "embedding_module.pt"])
    func textualInversion(name: String) throws {
        let checkpoint = try open(name, section: ["string_to_param"])
        #expect(checkpoint.names == ["*"])
        try compare(checkpoint.tensor("*"), "\(name)/string_to_param/*")
        if name == "embedding.pt" {
            #expect(checkpoint.value(at: ["string_to_token", "*"])?.description == "265")
            #expect(checkpoint.contents["name"]?.description == "\"old-style\"")
        } else {
            #expect(try checkpoint.tensor(at: ["string_to_token", "*"])?.integers == [265])
        }
        #expect(try open(name).names.contains("string_to_param.*"))
    }

    // MARK: Handmade

    @Test func aTensorAlone() throws {
        let value = Pickle.tensor(storage: Pickle.storage(count: 2), shape: [2], strides: [1])
        let checkpoint = try WeightsTests.open(
            value: value, storages: ["0": little(Float(1.5).bitPattern) + little(Float(2).bitPattern)])
        #expect(checkpoint.names == [""])
        #expect(try checkpoint.tensor("")?.floats == [1.5, 2])
    }

    /// Data at every remainder of 8: what does not begin at a multiple of the element's size is copied.
    @Test(arguments: 0..<8)
    func misalignedData(padding: Int) throws {
        let numbers: [Int64] = [5, -6, 7, 8]
        var zip = ZipBuilder(
            Pickle.whole(
                Pickle.dictionary(
                    (
                        "a",
                        Pickle.tensor(
                            storage: Pickle.storage("0", "LongStorage", count: 4), shape: [2, 2], strides: [1, 2])
                    ),
                    (
                        "b",
                        Pickle.tensor(
                            storage: Pickle.storage("0", "LongStorage", count: 4), offset: 3, shape: [], strides: [])
                    ))),
            storages: ["0": numbers.flatMap { little($0) }])
        zip.members[1].padding = padding
        let checkpoint = try WeightsTests.open(zip.bytes)
        #expect(try checkpoint.tensor("a")?.integers == [5, 7, -6, 8])
        #expect(try checkpoint.tensor("a")?.storage.isFrozen == true)
        #expect(try checkpoint.tensor("b")?.integers == [8])
    }

    @Test func numbersBesideTensorsHaveNames() throws {
        let one = Pickle.tensor(storage: Pickle.storage(count: 1), shape: [1], strides: [1])
        let value = Pickle.dictionary(
            ("a.weight", one), ("a.alpha", Pickle.integer(4)), ("b", Pickle.dictionary(("alpha", Pickle.long(-2)))),
            // 0.5, a float of eight bytes, the highest first.
            ("c.alpha", [0x47, 0x3F, 0xE0, 0, 0, 0, 0, 0, 0]), ("d", Pickle.text("5")))
        let zip = ZipBuilder(Pickle.whole(value), storages: ["0": little(Float(3).bitPattern)])
        let checkpoint = try WeightsTests.open(zip.bytes)
        #expect(checkpoint.names == ["a.weight"])
        #expect(checkpoint.numbers == ["a.alpha": 4, "b.alpha": -2, "c.alpha": 0.5])
    }

    @Test func wideZipFields() throws {
        let value = Pickle.dictionary(("a", Pickle.tensor(storage: Pickle.storage(count: 1), shape: [1], strides: [1])))
        var zip = ZipBuilder(Pickle.whole(value), storages: ["0": little(Float(3).bitPattern)])
        zip.isWide = true
        zip.members[0].isWide = true
        zip.members[1].isWide = true
        #expect(try WeightsTests.open(zip.bytes).tensor("a")?.floats == [3])
    }

    @Test func booleansAreZeroOrOne() throws {
        let value = Pickle.tensor(storage: Pickle.storage("0", "BoolStorage", count: 4), shape: [4], strides: [1])
        let tensor = try WeightsTests.open(value: value, storages: ["0": [0, 1, 2, 255]]).tensor("")
        #expect(tensor.map(bytes) == [0, 1, 1, 1])
    }

    @Test func aSourceForModels() throws {
        let source = TorchCheckpointSource(try open("tensors.pt"), floatingPoint: .float32)
        #expect(source.keys.count == 19)
        #expect(source.origin(of: "f16.weight").hasSuffix("tensors.pt"))
        let widened = try #require(try source.tensor("f16.weight", shape: [2, 5], initial: nil))
        #expect(widened.dtype == .float32)
        #expect(widened.storage.isFrozen)
        #expect(widened.floats == expected["tensors/f16.weight"]?.floats)
        #expect(try source.tensor("i64", shape: nil, initial: nil)?.dtype == .int64)
        #expect(try source.tensor("none", shape: nil, initial: nil) == nil)
    }
}
