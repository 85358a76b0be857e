import Foundation
import TensorCore
import Testing
import Weights

/// Finding a model part's weights in its folder.
@Suite struct WeightFilesTests {
    private let folder: TemporaryFolder

    init() throws { folder = try TemporaryFolder() }

    private func write(_ tensors: [String], to name: String) throws {
        let items = tensors.map { SafetensorsItem(name: $0, dtype: .u8, shape: [4], bytes: [1, 2, 3, 4]) }
        try writeSafetensors(items, to: folder(name))
    }

    private func find(variant: String? = nil) throws -> [String] {
        try WeightFiles(in: folder.path, baseName: "model", variant: variant).paths.map {
            URL(fileURLWithPath: $0).lastPathComponent
        }
    }

    private func message(_ body: () throws -> Void) -> String {
        do {
            try body()
            return "no error"
        } catch { return "\(error)" }
    }

    private func writeIndex(
        _ map: [String: String], total: String? = nil, name: String = "model.safetensors.index.json"
    ) throws {
        let members = map.sorted { $0.key < $1.key }.map { "\"\($0.key)\": \"\($0.value)\"" }.joined(separator: ", ")
        let metadata = total.map { "\"metadata\": {\"total_parameters\": 3, \"total_size\": \($0)}, " } ?? ""
        try folder.write(Array("{\(metadata)\"weight_map\": {\(members)}}\n".utf8), to: name)
    }

    // MARK: Single files and variants

    @Test func thePlainFileIsPreferred() throws {
        try write(["a"], to: "model.safetensors")
        try write(["a"], to: "model.fp16.safetensors")
        #expect(try find() == ["model.safetensors"])
        #expect(try find(variant: "fp16") == ["model.fp16.safetensors"])
    }

    @Test func theOnlyVariantIsTaken() throws {
        try write(["a"], to: "model.fp16.safetensors")
        try write(["a"], to: "other.bf16.safetensors")
        #expect(try find() == ["model.fp16.safetensors"])
        #expect(try WeightFiles(in: folder.path + "/", baseName: "model").variant == "fp16")
        try write(["a"], to: "model.ema.safetensors")
        #expect(message { _ = try find() }.hasSuffix("or the choice of a variant, found the variants ema, fp16"))
    }

    @Test func aMissingVariantIsAnError() throws {
        try write(["a"], to: "model.safetensors")
        #expect(
            message { _ = try find(variant: "fp16") }
                == "\(folder.path): expected model.fp16.safetensors or its index, found model.safetensors")
    }

    @Test func foldersWithoutWeights() throws {
        #expect(message { _ = try find() }.hasSuffix("found an empty folder"))
        try folder.write([], to: "config.json")
        #expect(message { _ = try find() }.hasSuffix("found config.json"))
        #expect(
            message { _ = try WeightFiles(in: folder("none"), baseName: "model") }
                == "\(folder("none")): expected a folder with weights, found none that can be read")
    }

    @Test func cachesOfLinks() throws {
        try write(["a"], to: "blob1")
        try write(["b"], to: "blob2")
        try FileManager.default.createDirectory(atPath: folder("snapshot"), withIntermediateDirectories: false)
        for (shard, blob) in [("model-1-of-2.safetensors", "blob1"), ("model-2-of-2.safetensors", "blob2")] {
            try FileManager.default.createSymbolicLink(
                atPath: folder("snapshot/\(shard)"), withDestinationPath: "../\(blob)")
        }
        try writeIndex(
            ["a": "model-1-of-2.safetensors", "b": "model-2-of-2.safetensors"],
            name: "snapshot/model.safetensors.index.json")
        let set = try SafetensorsSet(WeightFiles(in: folder("snapshot"), baseName: "model"))
        #expect(set.names == ["a", "b"])
    }

    // MARK: Checkpoints of torch

    /// A checkpoint of one tensor of four bytes.
    private func writeTorch(_ tensor: String, to name: String) throws {
        let value = Pickle.tensor(storage: Pickle.storage("0", "ByteStorage", count: 4), shape: [4], strides: [1])
        let zip = ZipBuilder(Pickle.whole(Pickle.dictionary((tensor, value))), storages: ["0": [1, 2, 3, 4]])
        try folder.write(zip.bytes, to: name)
    }

    @Test func pickledWeightsAreTakenWhereThereIsNothingElse() throws {
        try writeTorch("a", to: "pytorch_model.bin")
        try writeTorch("a", to: "model.bin")
        #expect(try find() == ["pytorch_model.bin"])
        let files = try WeightFiles(in: folder.path, baseName: "model")
        #expect(files.format == .torch)
        let source = try files.source()
        #expect(source.keys == ["a"])
        #expect(try source.tensor("a", shape: [4], initial: nil)?.array(of: UInt8.self) == [1, 2, 3, 4])
        #expect(
            message { _ = try SafetensorsSet(files) }
                == "\(folder("pytorch_model.bin")): expected safetensors, found a checkpoint of torch")
        try write(["b"], to: "model.fp16.safetensors")
        #expect(try find() == ["model.fp16.safetensors"])
        #expect(try WeightFiles(in: folder.path, baseName: "model").source().keys == ["b"])
    }

    @Test func pickledVariantsFollowTheSameRules() throws {
        try writeTorch("a", to: "pytorch_model.fp16.bin")
        #expect(try find() == ["pytorch_model.fp16.bin"])
        #expect(try find(variant: "fp16") == ["pytorch_model.fp16.bin"])
        try writeTorch("a", to: "pytorch_model.ema.bin")
        #expect(
            message { _ = try find() }.hasSuffix(
                "expected pytorch_model.bin or the choice of a variant, found the variants ema, fp16"))
        try writeTorch("a", to: "diffusion_pytorch_model.bin")
        #expect(try WeightFiles(in: folder.path, baseName: "diffusion_pytorch_model").format == .torch)
    }

    @Test func pickledShards() throws {
        try writeTorch("a", to: "pytorch_model-00001-of-00002.bin")
        try writeTorch("b", to: "pytorch_model-00002-of-00002.bin")
        let map = ["a": "pytorch_model-00001-of-00002.bin", "b": "pytorch_model-00002-of-00002.bin"]
        try writeIndex(map, total: "8", name: "pytorch_model.bin.index.json")
        #expect(try find() == map.values.sorted())
        let source = try WeightFiles(in: folder.path, baseName: "model").source()
        #expect(source.keys == ["a", "b"])
        #expect(source.origin(of: "b") == folder("pytorch_model-00002-of-00002.bin"))
        try writeIndex(["a": "pytorch_model-00002-of-00002.bin"], name: "pytorch_model.bin.index.json")
        #expect(
            message { _ = try WeightFiles(in: folder.path, baseName: "model").source() }.hasSuffix(
                "expected tensor \"a\" in pytorch_model-00002-of-00002.bin, found no such tensor there"))
        try writeIndex(["a": "../pytorch_model.bin"], name: "pytorch_model.bin.index.json")
        #expect(message { _ = try find() }.contains("the name of a .bin file in the index's own folder"))
    }

    @Test func theEndingOfOneFileSaysWhatItIs() {
        for name in ["a.ckpt", "a.pt", "a.pth", "a.bin"] { #expect(WeightFiles(file: name).format == .torch) }
        for name in ["a.safetensors", "blob", "a.pt.safetensors"] {
            #expect(WeightFiles(file: name).format == .safetensors)
        }
    }

    // MARK: Shards

    @Test func shardsAreOpenedByTheirIndex() throws {
        try write(["a", "b"], to: "model-00001-of-00002.safetensors")
        try write(["c"], to: "model-00002-of-00002.safetensors")
        try writeIndex(
            [
                "a": "model-00001-of-00002.safetensors", "b": "model-00001-of-00002.safetensors",
                "c": "model-00002-of-00002.safetensors",
            ], total: "12")
        #expect(try find() == ["model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors"])
        let set = try SafetensorsSet(WeightFiles(in: folder.path, baseName: "model"))
        #expect(set.names == ["a", "b", "c"])
        #expect(set.file(of: "c")?.path == folder("model-00002-of-00002.safetensors"))
        #expect(set.file(of: "d") == nil)
    }

    @Test(arguments: ["model.safetensors.index.fp16.json", "model.fp16.safetensors.index.json"])
    func shardedVariants(index: String) throws {
        try write(["a"], to: "model.fp16-00001-of-00001.safetensors")
        try writeIndex(["a": "model.fp16-00001-of-00001.safetensors"], name: index)
        #expect(try find(variant: "fp16") == ["model.fp16-00001-of-00001.safetensors"])
        #expect(try find() == ["model.fp16-00001-of-00001.safetensors"])
    }

    @Test func shardsThatDoNotMatchTheIndex() throws {
        func open(_ rules: SafetensorsHeader.Rules = .strict) -> String {
            message { _ = try SafetensorsSet(WeightFiles(in: folder.path, baseName: "model"), rules: rules) }
        }
        try write(["a"], to: "x.safetensors")
        try writeIndex(["a": "x.safetensors", "b": "x.safetensors"])
        #expect(
            open().hasSuffix("expected tensor \"b\" in x.safetensors, found no such tensor there (1 missing in all)"))
        try writeIndex(["a": "x.safetensors", "b": "y.safetensors"])
        #expect(open() == "\(folder("y.safetensors")): expected a readable file, found No such file or directory")
        try writeIndex(["a": "x.safetensors"], total: "5")
        #expect(open().hasSuffix("expected shards of 5 bytes in all (total_size), found 4"))
        #expect(open(.lenient) == "no error")
        for total in ["4", "4.0", "\"4\"", "null"] {
            try writeIndex(["a": "x.safetensors"], total: total)
            #expect(open() == "no error", "\(total)")
        }
    }

    @Test(arguments: [
        "../x.safetensors", "/etc/x.safetensors", "sub/x.safetensors", "..", "", "x.bin", "a\\\\x.safetensors",
        "x\\u0000.safetensors", ".safetensors",
    ])
    func shardsMayNotLeaveTheFolder(name: String) throws {
        try writeIndex(["a": name])
        #expect(message { _ = try find() }.contains("the name of a safetensors file in the index's own folder"))
    }

    @Test(arguments: [
        "", "[]", "{}", "{\"weight_map\":{}}", "{\"weight_map\":[]}", "{\"weight_map\":{\"a\":1}}",
        "{\"weight_map\":null}",
        "{\"weight_map\":{\"a\":\"x.safetensors\",\"a\":\"x.safetensors\"}}",
        "{\"weight_map\":{\"a\":\"x.safetensors\"},\"weight_map\":{\"a\":\"x.safetensors\"}}",
        "{\"weight_map\":{\"a\":\"x.safetensors\"}} x", "{\"weight_map\":{\"a\":\"x.safetensors\"}",
    ])
    func brokenIndices(json: String) throws {
        try folder.write(Array(json.utf8), to: "model.safetensors.index.json")
        #expect(throws: SafetensorsError.self) { try find() }
    }
}
