import Foundation
import Testing
import Weights

/// Files on the disk: written, read back, refused, and never half there.
@Suite struct SafetensorsFileTests {
    private let folder: TemporaryFolder

    init() throws { folder = try TemporaryFolder() }

    private func item(_ name: String, _ dtype: SafetensorsDType, _ shape: [Int]) throws -> SafetensorsItem {
        let count = try #require(dtype.byteCount(ofShape: shape))
        return SafetensorsItem(
            name: name, dtype: dtype, shape: shape, bytes: (0..<count).map { UInt8(truncatingIfNeeded: $0 * 7 + 1) })
    }

    private func bytes(_ file: SafetensorsFile, _ name: String) -> [UInt8]? { file.withBytes(of: name) { Array($0) } }

    @Test func everyDTypeComesBack() throws {
        let items = try SafetensorsDType.allCases.map { try item("t.\($0.rawValue)", $0, [3, 8]) }
        try writeSafetensors(items, metadata: ["b": "é\n\"\\\u{1}", "a": ""], to: folder("all.safetensors"))
        let file = try SafetensorsFile(path: folder("all.safetensors"))
        #expect(file.names.count == SafetensorsDType.allCases.count)
        #expect(file.header.metadata == ["b": "é\n\"\\\u{1}", "a": ""])
        for item in items {
            #expect(file.header[item.name]?.dtype == item.dtype)
            #expect(file.header[item.name]?.shape == [3, 8])
            var written: [UInt8] = []
            try item.yieldBytes { written += $0 }
            #expect(bytes(file, item.name) == written)
        }
        #expect(folder.contents == ["all.safetensors"])
    }

    @Test func scalarsAndEmptyTensors() throws {
        let items = [try item("scalar", .f32, []), try item("empty", .f32, [0, 4]), try item("one", .u8, [1])]
        try writeSafetensors(items, to: folder("small.safetensors"))
        let file = try SafetensorsFile(path: folder("small.safetensors"))
        #expect(file.header["scalar"]?.shape == [])
        #expect(bytes(file, "scalar") == [1, 8, 15, 22])
        #expect(bytes(file, "empty") == [])
        #expect(bytes(file, "one") == [1])
        #expect(bytes(file, "two") == nil)

        try writeSafetensors([], to: folder("none.safetensors"))
        #expect(try SafetensorsFile(path: folder("none.safetensors")).names == [])
    }

    /// The layout of the reference library: wide dtypes first, then names; header padded to eight bytes.
    @Test func theBytesAreTheReferenceLibrarys() throws {
        let items = [
            try item("b", .u8, [1]), try item("c", .f32, [1]), try item("a", .i32, [1]), try item("b2", .f32, [0]),
        ]
        try writeSafetensors(items, metadata: ["format": "pt"], to: folder("order.safetensors"))
        let json =
            "{\"__metadata__\":{\"format\":\"pt\"},\"b2\":{\"dtype\":\"F32\",\"shape\":[0],\"data_offsets\":[0,0]},"
            + "\"c\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,4]},"
            + "\"a\":{\"dtype\":\"I32\",\"shape\":[1],\"data_offsets\":[4,8]},"
            + "\"b\":{\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":[8,9]}}"
        let padding = String(repeating: " ", count: (8 - json.utf8.count % 8) % 8)
        let expected = fileBytes((json + padding).utf8, data: [1, 8, 15, 22, 1, 8, 15, 22, 1])
        #expect(try Array(Data(contentsOf: URL(fileURLWithPath: folder("order.safetensors")))) == expected)

        try writeSafetensors(items.reversed(), metadata: ["format": "pt"], to: folder("again.safetensors"))
        #expect(try Array(Data(contentsOf: URL(fileURLWithPath: folder("again.safetensors")))) == expected)
    }

    @Test func dataMayBeginAtAnyByte() throws {
        // A header of odd length, as other writers leave it.
        try folder.write(
            fileBytes(("{" + entry("a", "F32", "1", "0,4") + "}").utf8, data: [1, 2, 3, 4]), to: "odd.safetensors")
        let file = try SafetensorsFile(path: folder("odd.safetensors"))
        #expect(!file.header.dataOffset.isMultiple(of: 4))
        #expect(bytes(file, "a") == [1, 2, 3, 4])
    }

    @Test func linksAreFollowed() throws {
        try writeSafetensors([try item("a", .f32, [2])], to: folder("blob"))
        try FileManager.default.createSymbolicLink(atPath: folder("link.safetensors"), withDestinationPath: "blob")
        #expect(try SafetensorsFile(path: folder("link.safetensors")).names == ["a"])
    }

    @Test func mappedBytesOutliveTheNameOfTheFile() throws {
        try writeSafetensors([try item("a", .u8, [4])], to: folder("a.safetensors"))
        let old = try SafetensorsFile(path: folder("a.safetensors"))
        try writeSafetensors([try item("b", .u8, [9])], to: folder("a.safetensors"))
        #expect(bytes(old, "a") == [1, 8, 15, 22])
        #expect(try SafetensorsFile(path: folder("a.safetensors")).names == ["b"])
    }

    // MARK: Refusals

    private func failure(_ body: () throws -> Void) -> SafetensorsError? {
        do {
            try body()
            return nil
        } catch { return error as? SafetensorsError }
    }

    @Test func filesThatCannotBeOpened() throws {
        let missing = failure { _ = try SafetensorsFile(path: folder("missing.safetensors")) }
        #expect(missing?.rule == .fileAccess)
        #expect(
            missing?.description
                == "\(folder("missing.safetensors")): expected a readable file, found No such file or directory")
        #expect(failure { _ = try SafetensorsFile(path: folder.path) }?.found == "a folder")
        #expect(mkfifo(folder("pipe"), 0o600) == 0)
        #expect(failure { _ = try SafetensorsFile(path: folder("pipe")) }?.expected == "a regular file")
        try folder.write([], to: "empty")
        #expect(failure { _ = try SafetensorsFile(path: folder("empty")) }?.rule == .truncated)
    }

    @Test func aLyingLengthIsRefusedBeforeAnythingIsRead() throws {
        for (length, rule) in [(UInt64(4) << 30, SafetensorsError.Rule.headerLength), (90_000_000, .truncated)] {
            try folder.write(withUnsafeBytes(of: length.littleEndian, Array.init) + Array("{}".utf8), to: "liar")
            #expect(failure { _ = try SafetensorsFile(path: folder("liar")) }?.rule == rule)
        }
    }

    @Test func aTruncatedFileIsRefused() throws {
        try writeSafetensors([try item("a", .f32, [64])], to: folder("a.safetensors"))
        let whole = try Array(Data(contentsOf: URL(fileURLWithPath: folder("a.safetensors"))))
        for count in [whole.count - 1, whole.count / 2, 8, 7, 0] {
            try folder.write(Array(whole[..<count]), to: "cut.safetensors")
            #expect(failure { _ = try SafetensorsFile(path: folder("cut.safetensors")) }?.rule == .truncated)
        }
    }

    @Test func whatTheReaderRefusesTheWriterRefuses() throws {
        let path = folder("bad.safetensors")
        func rule(_ items: [SafetensorsItem], _ metadata: [String: String] = [:]) -> SafetensorsError.Rule? {
            failure { try writeSafetensors(items, metadata: metadata, to: path) }?.rule
        }
        let good = try item("a", .f32, [2])
        #expect(rule([good, good]) == .duplicateKey)
        for name in ["", "../a", "\n", "__metadata__", String(repeating: "n", count: 513)] {
            #expect(rule([try item(name, .f32, [1])]) == .name)
        }
        #expect(rule([good], [String(repeating: "n", count: 513): ""]) == .name)
        #expect(rule([SafetensorsItem(name: "a", dtype: .f32, shape: [2], bytes: [1])]) == .size)
        #expect(rule([SafetensorsItem(name: "a", dtype: .f32, shape: [-2], bytes: [])]) == .size)
        #expect(rule([SafetensorsItem(name: "a", dtype: .f32, shape: [.max, .max], bytes: [])]) == .size)
        #expect(rule([try item("a", .u8, [1, 1, 1, 1, 1, 1, 1, 1, 1])]) == .size)
        #expect(folder.contents == [])
    }

    @Test func aFailedWriteLeavesTheOldFile() throws {
        struct Stop: Error {}
        let path = folder("a.safetensors")
        try writeSafetensors([try item("old", .f32, [2])], to: path)
        let failing = SafetensorsItem(name: "new", dtype: .f32, shape: [2]) { _ in throw Stop() }
        #expect(throws: Stop.self) { try writeSafetensors([failing], to: path) }
        #expect(folder.contents == ["a.safetensors"])
        #expect(try SafetensorsFile(path: path).names == ["old"])
    }

    @Test func outputsThatCannotBeWritten() throws {
        let items = [try item("a", .f32, [2])]
        let missing = failure { try writeSafetensors(items, to: folder("no/such/a.safetensors")) }
        #expect(missing?.rule == .fileAccess)
        #expect(missing?.path == folder("no/such/a.safetensors"))
        #expect(failure { try writeSafetensors(items, to: folder.path) }?.found == "a folder")
        #expect(failure { try writeSafetensors(items, to: "/dev/null") }?.rule == .fileAccess)
        #expect(failure { try writeSafetensors(items, to: "/proc/a.safetensors") }?.rule == .fileAccess)
        #expect(folder.contents == [])
    }
}
