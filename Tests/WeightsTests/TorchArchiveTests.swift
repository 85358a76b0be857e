import Foundation
import TensorCore
import Testing
import Weights

/// Containers: zip archives and legacy files that are cut, packed, contradictory or something else altogether.
@Suite struct TorchArchiveTests {
    private let zip = ZipBuilder(
        Pickle.whole(Pickle.tensor(storage: Pickle.storage(count: 1), shape: [1], strides: [1])),
        storages: ["0": [0, 0, 128, 63]])

    private func rule(_ change: (inout ZipBuilder) -> Void) -> TorchCheckpointError.Rule? {
        var changed = zip
        change(&changed)
        return failure(of: changed.bytes)?.rule
    }

    @Test func whatTorchWritesIsAccepted() {
        #expect(rule { _ in } == nil)
        #expect(rule { $0.members.append(.init(name: "x/version", data: [51, 10])) } == nil)
        #expect(rule { $0.members.append(.init(name: "x/byteorder", data: Array("little".utf8))) } == nil)
    }

    @Test func everyTruncationIsRefused() {
        let bytes = zip.bytes
        for count in 0..<bytes.count { #expect(failure(of: Array(bytes[..<count])) != nil) }
        #expect(failure(of: Array(bytes.dropLast()))?.rule == .truncated)
        #expect(failure(of: bytes + [0]) != nil)
    }

    @Test func packedMembersAreRefused() {
        #expect(rule { $0.members[1].method = 8 } == .compressed)
        #expect(rule { $0.members[0].method = 14 } == .compressed)
        #expect(rule { $0.members[0].flags = 1 } == .compressed)
        var packed = zip
        packed.members[1].method = 8
        #expect(
            failure(of: packed.bytes)?.description
                == "test.pt: member \"x/data/0\": expected bytes stored as they are, as torch writes them, "
                + "found compressed ones (method 8)")
    }

    @Test func membersMustNotOverlap() {
        #expect(rule { $0.members[1].header = 0 } == .archive)
        #expect(rule { $0.members[1].header = 20 } == .archive)
        #expect(rule { $0.members[1].claimedByteCount = 60 } == .archive)
        #expect(rule { $0.members[0].claimedByteCount = 0xFFFF_FFF0 } == .archive)
        #expect(rule { $0.members[1].header = 0xFFFF_FFF0 } == .archive)
        // Many entries for the same bytes, which is how a small archive claims to be a large one.
        var bomb = zip
        for index in 0..<50 {
            bomb.members.append(.init(name: "x/data/\(index + 1)", data: [], claimedByteCount: 4, header: 100))
        }
        #expect(failure(of: bomb.bytes)?.rule == .archive)
    }

    @Test func namesMustBePlainAndAgree() {
        for name in ["/x/data.pkl", "../x/data.pkl", "x\\data.pkl", "x/da\u{0}ta.pkl", ""] {
            #expect(rule { $0.members[0].name = name } == .archive)
        }
        #expect(rule { $0.members[1].claimedName = "x/data/1" } == .archive)
        #expect(rule { $0.members.append($0.members[1]) } == .archive)
        #expect(rule { $0.members[1].attributes = 0xA1FF_0000 } == .archive)
        #expect(rule { $0.members[0].name = "data.pkl" } == .archive)
        #expect(rule { $0.members.append(.init(name: "y/data.pkl", data: [])) } == .archive)
        #expect(rule { $0.members.append(.init(name: "x/byteorder", data: Array("big".utf8))) } == .dtype)
    }

    @Test func directoriesThatLie() {
        #expect(rule { $0.claimedCount = 1 } == .archive)
        #expect(rule { $0.claimedCount = 3 } == .archive)
        #expect(rule { $0.claimedDirectoryStart = 0 } == .archive)
        #expect(rule { $0.claimedDirectoryStart = 0xFFFF_FFFF } == .archive)
        for claim: UInt64 in [0, 1, 3, 1 << 40, .max] {
            let found = rule {
                $0.isWide = true
                $0.claimedCount = claim
            }
            #expect(found == (claim > 1000 ? .limit : .archive))
        }
        for claim: UInt64 in [0, 1 << 40, .max] {
            let found = rule {
                $0.isWide = true
                $0.claimedDirectoryStart = claim
            }
            #expect(found == .archive)
        }
    }

    @Test func otherFilesAreNamed() throws {
        #expect(failure(of: [])?.rule == .format)
        #expect(
            failure(of: Array("version https://git-lfs.github.com/spec/v1\n".utf8))?.description
                == "test.pt: expected a checkpoint of torch (a zip archive or its older form), "
                + "found a file that begins with \"version https://git-lfs.\"")
        #expect(failure(of: Pickle.whole(Pickle.none))?.rule == .format)
        let folder = try TemporaryFolder()
        #expect(
            failure { _ = try TorchCheckpoint(path: folder("none.pt")) }?.description
                == "\(folder("none.pt")): expected a readable file, found No such file or directory")
        #expect(failure { _ = try TorchCheckpoint(path: folder.path) }?.rule == .fileAccess)
        try folder.write([], to: "empty.pt")
        #expect(failure { _ = try TorchCheckpoint(path: folder("empty.pt")) }?.rule == .fileAccess)
    }

    // MARK: Legacy files

    private static let magic: [UInt8] = [
        0x80, 2, 0x8A, 0x0A, 0x6C, 0xFC, 0x9C, 0x46, 0xF9, 0x20, 0x6A, 0xA8, 0x50, 0x19, 0x2E,
    ]

    private func legacy(
        version: Int32 = 1001, isLittle: Bool = true, value: [UInt8]? = nil, keys: [String] = ["0"], claimed: Int64 = 2,
        data: [UInt8] = [0, 0, 128, 63, 0, 0, 0, 64]
    ) -> [UInt8] {
        let tensor = Pickle.tensor(storage: Pickle.storage(count: 2), shape: [2], strides: [1])
        let list = Pickle.emptyList + keys.flatMap { Pickle.text($0) + Pickle.append }
        return Self.magic + Pickle.whole(Pickle.integer(version))
            + Pickle.whole(Pickle.dictionary(("little_endian", [isLittle ? 0x88 : 0x89])))
            + Pickle.whole(value ?? tensor) + Pickle.whole(list) + little(claimed) + data
    }

    @Test func legacyFiles() throws {
        #expect(try open(legacy()).tensor("")?.floats == [1, 2])
        #expect(failure(of: legacy(version: 1000))?.rule == .format)
        #expect(failure(of: legacy(isLittle: false))?.rule == .dtype)
        #expect(failure(of: legacy(keys: []))?.rule == .storage)
        #expect(failure(of: legacy(keys: ["1"]))?.rule == .storage)
        #expect(failure(of: legacy(keys: ["0", "0"]))?.rule == .storage)
        #expect(failure(of: legacy(claimed: 3))?.rule == .storage)
        #expect(failure(of: legacy(claimed: -1))?.rule == .storage)
        #expect(failure(of: legacy(data: [0, 0, 128, 63]))?.rule == .truncated)
        #expect(failure(of: legacy() + [0])?.rule == .storage)
        #expect(failure(of: legacy(value: Pickle.global("os", "system")))?.rule == .forbidden)
        let bytes = legacy()
        for count in 0..<bytes.count { #expect(failure(of: Array(bytes[..<count])) != nil) }
    }

    @Test func legacyViewsOfStorages() throws {
        func view(_ offset: Int64, _ count: Int64) -> [UInt8] {
            let mention = Pickle.tuple(
                Pickle.text("storage"), Pickle.global("torch", "FloatStorage"), Pickle.text("0"), Pickle.text("cpu"),
                Pickle.long(2), Pickle.tuple(Pickle.text("v"), Pickle.long(offset), Pickle.long(count)))
            return Pickle.tensor(storage: mention + Pickle.persistent, shape: [1], strides: [1])
        }
        #expect(try open(legacy(value: view(1, 1))).tensor("")?.floats == [2])
        #expect(failure(of: legacy(value: view(1, 0)))?.rule == .layout)
        for (offset, count) in [(1, 2), (-1, 1), (3, 0), (0, -1), (.max, .max)] as [(Int64, Int64)] {
            #expect(failure(of: legacy(value: view(offset, count)))?.rule == .storage)
        }
    }
}
