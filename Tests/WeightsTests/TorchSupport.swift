import Foundation
import Weights

/// Pieces of a pickle, as bytes.
enum Pickle {
    static let start: [UInt8] = [0x80, 2]
    static let stop: [UInt8] = [0x2E]
    static let mark: [UInt8] = [0x28]
    static let none: [UInt8] = [0x4E]
    static let emptyTuple: [UInt8] = [0x29]
    static let emptyList: [UInt8] = [0x5D]
    static let emptyDictionary: [UInt8] = [0x7D]
    static let setItem: [UInt8] = [0x73]
    static let setItems: [UInt8] = [0x75]
    static let append: [UInt8] = [0x61]
    static let reduce: [UInt8] = [0x52]
    static let build: [UInt8] = [0x62]
    static let newObject: [UInt8] = [0x81]
    static let persistent: [UInt8] = [0x51]
    static let tuple: [UInt8] = [0x74]

    static func text(_ text: String) -> [UInt8] { [0x58] + little(UInt32(text.utf8.count)) + Array(text.utf8) }
    static func global(_ module: String, _ name: String) -> [UInt8] { [0x63] + Array("\(module)\n\(name)\n".utf8) }
    static func integer(_ value: Int32) -> [UInt8] { [0x4A] + little(value) }
    static func long(_ value: Int64) -> [UInt8] { [0x8A, 8] + little(value) }
    static func tuple(_ items: [UInt8]...) -> [UInt8] { mark + items.joined() + tuple }
    static func put(_ key: UInt8) -> [UInt8] { [0x71, key] }
    static func get(_ key: UInt8) -> [UInt8] { [0x68, key] }

    /// `{"key": value, ...}`
    static func dictionary(_ members: (String, [UInt8])...) -> [UInt8] {
        emptyDictionary + mark + members.flatMap { text($0.0) + $0.1 } + setItems
    }

    static func storage(_ key: String = "0", _ type: String = "FloatStorage", count: Int64) -> [UInt8] {
        tuple(text("storage"), global("torch", type), text(key), text("cpu"), long(count)) + persistent
    }

    /// A call of `_rebuild_tensor_v2`.
    static func tensor(
        storage: [UInt8], offset: Int64 = 0, shape: [Int64], strides: [Int64]
    ) -> [UInt8] {
        global("torch._utils", "_rebuild_tensor_v2")
            + tuple(
                storage, long(offset), mark + shape.flatMap(long) + tuple, mark + strides.flatMap(long) + tuple,
                [0x89], global("collections", "OrderedDict") + emptyTuple + reduce) + reduce
    }

    static func whole(_ value: [UInt8]) -> [UInt8] { start + value + stop }
}

func little(_ value: some FixedWidthInteger) -> [UInt8] { withUnsafeBytes(of: value.littleEndian, Array.init) }

/// A zip archive with whatever a test wants to be wrong with it.
struct ZipBuilder {
    struct Member {
        var name: String
        var data: [UInt8]
        var method: UInt16 = 0
        var flags: UInt16 = 0x800
        /// What the directory says, where it lies.
        var claimedByteCount: UInt32?
        var claimedName: String?
        var header: UInt32?
        /// Whether size and offset stand in a zip64 field.
        var isWide = false
        /// Padding in the local header.
        var padding = 0
        var attributes: UInt32 = 0
    }

    var members: [Member] = []
    var isWide = false
    var claimedCount: UInt64?
    var claimedDirectoryStart: UInt64?

    init(_ pickle: [UInt8], storages: [String: [UInt8]] = [:]) {
        members.append(Member(name: "x/data.pkl", data: pickle))
        for (key, data) in storages.sorted(by: { $0.key < $1.key }) {
            members.append(Member(name: "x/data/\(key)", data: data))
        }
    }

    var bytes: [UInt8] {
        var bytes: [UInt8] = []
        var directory: [UInt8] = []
        for member in members {
            let header = member.header ?? UInt32(bytes.count)
            let size = member.claimedByteCount ?? UInt32(member.data.count)
            bytes += little(UInt32(0x0403_4B50)) + little(UInt16(0)) + little(member.flags) + little(member.method)
            bytes += little(UInt64(0)) + little(size) + little(size)
            bytes += little(UInt16(member.name.utf8.count)) + little(UInt16(member.padding)) + Array(member.name.utf8)
            bytes += [UInt8](repeating: 0, count: member.padding) + member.data
            let name = Array((member.claimedName ?? member.name).utf8)
            let wide = little(UInt16(1)) + little(UInt16(24)) + little(UInt64(size)) + little(UInt64(size))
            let extra = member.isWide ? wide + little(UInt64(header)) : []
            let narrow: (UInt32) -> UInt32 = { member.isWide ? .max : $0 }
            directory += little(UInt32(0x0201_4B50)) + little(UInt32(0)) + little(member.flags) + little(member.method)
            directory += little(UInt64(0)) + little(narrow(size)) + little(narrow(size)) + little(UInt16(name.count))
            directory += little(UInt16(extra.count)) + little(UInt16(0)) + little(UInt32(0))
            directory += little(member.attributes) + little(narrow(header)) + name + extra
        }
        let count = claimedCount ?? UInt64(members.count)
        let start = claimedDirectoryStart ?? UInt64(bytes.count)
        let size = UInt64(directory.count)
        bytes += directory
        let end = UInt64(bytes.count)
        if isWide {
            bytes += little(UInt32(0x0606_4B50)) + little(UInt64(44)) + little(UInt32(0x2D_031E)) + little(UInt64(0))
            bytes += little(count) + little(count) + little(size) + little(start)
            bytes += little(UInt32(0x0706_4B50)) + little(UInt32(0)) + little(end) + little(UInt32(1))
        }
        bytes += little(UInt32(0x0605_4B50)) + little(UInt32(0))
        bytes +=
            isWide
            ? little(UInt32.max) : little(UInt16(truncatingIfNeeded: count)) + little(UInt16(truncatingIfNeeded: count))
        bytes += little(isWide ? .max : UInt32(truncatingIfNeeded: size))
        bytes += little(isWide ? .max : UInt32(truncatingIfNeeded: start)) + little(UInt16(0))
        return bytes
    }
}

/// A checkpoint in memory.
func open(_ bytes: [UInt8], section: [String]? = nil) throws(TorchCheckpointError) -> TorchCheckpoint {
    try TorchCheckpoint(bytes: bytes, path: "test.pt", section: section)
}

/// A checkpoint of one value, with storages.
func open(value: [UInt8], storages: [String: [UInt8]] = [:]) throws(TorchCheckpointError) -> TorchCheckpoint {
    try open(ZipBuilder(Pickle.whole(value), storages: storages).bytes)
}

/// The error of opening a checkpoint, or nil when it is accepted.
func failure(_ body: () throws -> Void) -> TorchCheckpointError? {
    do {
        try body()
        return nil
    } catch { return error as? TorchCheckpointError }
}

func failure(of bytes: [UInt8]) -> TorchCheckpointError? { failure { _ = try open(bytes) } }

func failure(ofValue value: [UInt8], storages: [String: [UInt8]] = [:]) -> TorchCheckpointError? {
    failure { _ = try open(value: value, storages: storages) }
}
