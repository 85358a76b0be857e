/// The directory of a checkpoint's zip archive: where the bytes of each member lie.
///
///     NAME/data.pkl    the pickle
///     NAME/data/0      the bytes of a storage, aligned by padding in the local header
///     NAME/byteorder   "little", in newer files
///
/// Only stored members are read, so nothing can expand. The directory at the end counts; the local headers must agree
/// with it, and no two members may share a byte. Follows PKWARE's APPNOTE 6.3.10, sections 4.3 and 4.5.3 (zip64).
struct TorchArchive {
    /// The pickle, and the storages by their keys.
    let pickle: Range<Int>
    private(set) var storages: [String: Range<Int>] = [:]

    private struct Member {
        let name: String
        let header: Int
        let byteCount: Int
    }

    init(_ data: CheckpointData) throws(TorchCheckpointError) {
        let directory = try Self.directory(data)
        let members = try Self.members(data, directory)
        let ranges = try Self.ranges(data, members, limit: directory.range.lowerBound)
        let pickles = ranges.keys.filter { $0.hasSuffix("/data.pkl") && $0.utf8.count { $0 == UInt8(ascii: "/") } == 1 }
        guard pickles.count == 1, let name = pickles.first, let pickle = ranges[name] else {
            throw Self.failure(
                data, "one member NAME/data.pkl",
                found: pickles.isEmpty ? quoted(listed(ranges.keys.sorted(), limit: 4)) : "\(pickles.count)")
        }
        self.pickle = pickle
        let folder = name.dropLast("data.pkl".count)
        for (member, range) in ranges where member.hasPrefix(folder + "data/") {
            storages[String(member.dropFirst(folder.count + "data/".count))] = range
        }
        if let order = ranges[folder + "byteorder"] {
            let text = try data.bytes(order.lowerBound, min(order.count, 16))
            guard text == Array("little".utf8) else {
                throw TorchCheckpointError(
                    .dtype, path: data.path, place: "byteorder", expected: "little",
                    found: quoted(String(decoding: text, as: UTF8.self)))
            }
        }
    }

    // MARK: End of the directory

    private static func directory(
        _ data: CheckpointData
    ) throws(TorchCheckpointError) -> (range: Range<Int>, count: Int) {
        let length = 22
        let tailStart = max(0, data.byteCount - length - 0xFFFF)
        let tail = try data.bytes(tailStart, data.byteCount - tailStart)
        // The record ends the file but for a comment whose length it states.
        var position = tail.count - length
        while position >= 0 {
            if tail.number(position, 4) == 0x0605_4B50,
                Int(tail.number(position + 20, 2)) == tail.count - position - length
            {
                break
            }
            position -= 1
        }
        guard position >= 0 else {
            throw TorchCheckpointError(
                .truncated, path: data.path, expected: "a zip archive with its directory at the end", found: "none")
        }
        let end = Array(tail[position..<position + length])
        var recordStart = tailStart + position
        var (count, size, start) = (end.number(10, 2), end.number(12, 4), end.number(16, 4))
        var disks = end.number(4, 2) | end.number(6, 2)
        var countHere = end.number(8, 2)
        if let wide = try wideDirectory(data, before: recordStart) {
            for (narrow, wide, sentinel) in [
                (count, wide.count, UInt64(0xFFFF)), (size, wide.size, 0xFFFF_FFFF), (start, wide.start, 0xFFFF_FFFF),
            ] where narrow != sentinel && narrow != wide {
                throw failure(data, "one directory", found: "two that differ")
            }
            (count, countHere, size, start) = (wide.count, wide.countHere, wide.size, wide.start)
            if disks == 0xFFFF { disks = 0 }
            recordStart = wide.recordStart
        }
        guard disks == 0, countHere == count else { throw failure(data, "an archive in one part", found: "several") }
        guard count <= UInt64(PickleLimits.memberCount), size <= UInt64(PickleLimits.directoryByteCount) else {
            throw TorchCheckpointError(
                .limit, path: data.path, place: "zip directory",
                expected: "at most \(PickleLimits.memberCount) members",
                found: "\(count) in \(size) bytes")
        }
        guard start <= UInt64(recordStart), size == UInt64(recordStart) - start else {
            throw failure(data, "a directory that ends at byte \(recordStart)", found: "\(size) bytes at \(start)")
        }
        return (Int(start)..<recordStart, Int(count))
    }

    /// The zip64 end of the directory, when there is one in front of the plain one.
    private static func wideDirectory(
        _ data: CheckpointData, before end: Int
    ) throws(TorchCheckpointError) -> (count: UInt64, countHere: UInt64, size: UInt64, start: UInt64, recordStart: Int)?
    {
        let (locatorLength, length) = (20, 56)
        guard end >= locatorLength + length else { return nil }
        let locator = try data.bytes(end - locatorLength, locatorLength)
        guard locator.number(0, 4) == 0x0706_4B50 else { return nil }
        let recordStart = end - locatorLength - length
        guard locator.number(8, 8) == UInt64(recordStart) else {
            throw failure(data, "a zip64 record at byte \(recordStart)", found: "one at \(locator.number(8, 8))")
        }
        let record = try data.bytes(recordStart, length)
        guard record.number(0, 4) == 0x0606_4B50, record.number(4, 8) == UInt64(length - 12),
            record.number(16, 8) == 0
        else { throw failure(data, "a zip64 record of one part", found: "something else") }
        return (
            count: record.number(32, 8), countHere: record.number(24, 8), size: record.number(40, 8),
            start: record.number(48, 8), recordStart: recordStart
        )
    }

    // MARK: Members

    private static func members(
        _ data: CheckpointData, _ directory: (range: Range<Int>, count: Int)
    ) throws(TorchCheckpointError) -> [Member] {
        let bytes = try data.bytes(directory.range.lowerBound, directory.range.count)
        var members: [Member] = []
        var position = 0
        for _ in 0..<directory.count {
            guard bytes.count - position >= 46, bytes.number(position, 4) == 0x0201_4B50 else {
                throw failure(data, "\(directory.count) members in the directory", found: "\(members.count)")
            }
            let (nameCount, extraCount) = (Int(bytes.number(position + 28, 2)), Int(bytes.number(position + 30, 2)))
            let next = position + 46 + nameCount + extraCount + Int(bytes.number(position + 32, 2))
            guard next <= bytes.count else {
                throw failure(data, "a whole entry in the directory", found: "part of one")
            }
            let nameStart = position + 46
            let name = try memberName(data, bytes[nameStart..<nameStart + nameCount])
            try refuseTransformed(
                data, name, flags: bytes.number(position + 8, 2), method: bytes.number(position + 10, 2))
            guard bytes.number(position + 38, 4) >> 28 != 0xA else {
                throw failure(data, "files", found: "the link \(quoted(name))")
            }
            var fields = [
                bytes.number(position + 24, 4), bytes.number(position + 20, 4), bytes.number(position + 42, 4),
            ]
            let extra = Array(bytes[nameStart + nameCount..<nameStart + nameCount + extraCount])
            try widen(data, &fields, extra)
            guard fields[0] == fields[1] else {
                throw failure(data, "one size of \(quoted(name))", found: "\(fields[1]) bytes stored of \(fields[0])")
            }
            guard let size = Int(exactly: fields[0]), let header = Int(exactly: fields[2]) else {
                throw failure(data, "a member inside the file", found: "\(quoted(name)) of \(fields[0]) bytes")
            }
            members.append(Member(name: name, header: header, byteCount: size))
            position = next
        }
        guard position == bytes.count else { throw failure(data, "nothing after the last entry", found: "more bytes") }
        return members
    }

    private static func memberName(
        _ data: CheckpointData, _ bytes: ArraySlice<UInt8>
    ) throws(TorchCheckpointError) -> String {
        guard bytes.count <= PickleLimits.nameByteCount, let name = String(validating: bytes, as: UTF8.self),
            isPlainTensorName(name), !name.hasPrefix("/"), !name.utf8.contains(UInt8(ascii: "\\"))
        else {
            throw failure(
                data, "plain names of members", found: quoted(String(decoding: bytes.prefix(80), as: UTF8.self)))
        }
        return name
    }

    private static func refuseTransformed(
        _ data: CheckpointData, _ name: String, flags: UInt64, method: UInt64
    ) throws(TorchCheckpointError) {
        guard flags & 0x2041 == 0, method == 0 else {
            throw TorchCheckpointError(
                .compressed, path: data.path, place: "member \(quoted(name))",
                expected: "bytes stored as they are, as torch writes them",
                found: flags & 0x2041 != 0 ? "encrypted ones" : "compressed ones (method \(method))")
        }
    }

    /// Replaces size, stored size and header offset where they say that the zip64 field holds them.
    private static func widen(
        _ data: CheckpointData, _ fields: inout [UInt64], _ extra: [UInt8]
    ) throws(TorchCheckpointError) {
        guard fields.contains(0xFFFF_FFFF) else { return }
        var position = 0
        while extra.count - position >= 4 {
            let (tag, count) = (extra.number(position, 2), Int(extra.number(position + 2, 2)))
            position += 4
            guard count <= extra.count - position else { break }
            guard tag == 1 else {
                position += count
                continue
            }
            let end = position + count
            for index in fields.indices where fields[index] == 0xFFFF_FFFF {
                guard end - position >= 8 else { throw failure(data, "a whole zip64 field", found: "part of one") }
                fields[index] = extra.number(position, 8)
                position += 8
            }
            return
        }
        throw failure(data, "a zip64 field for a large member", found: "none")
    }

    // MARK: Local headers

    /// Where the members' bytes lie, each after the one before and all in front of the directory.
    private static func ranges(
        _ data: CheckpointData, _ members: [Member], limit: Int
    ) throws(TorchCheckpointError) -> [String: Range<Int>] {
        var ranges: [String: Range<Int>] = [:]
        var end = 0
        for member in members.sorted(by: { $0.header < $1.header }) {
            let place = quoted(member.name)
            guard member.header >= end else {
                throw failure(data, "\(place) after byte \(end) (no overlap)", found: "it at byte \(member.header)")
            }
            guard member.header <= limit - 30 else {
                throw failure(data, "\(place) in front of the directory", found: "it at byte \(member.header)")
            }
            let header = try data.bytes(member.header, 30)
            guard header.number(0, 4) == 0x0403_4B50 else {
                throw failure(data, "a local header of \(place)", found: "something else")
            }
            try refuseTransformed(data, member.name, flags: header.number(6, 2), method: header.number(8, 2))
            let nameCount = Int(header.number(26, 2))
            let start = member.header + 30 + nameCount + Int(header.number(28, 2))
            guard start <= limit, member.byteCount <= limit - start else {
                throw failure(
                    data, "\(place) in front of the directory at byte \(limit)",
                    found: "\(member.byteCount) bytes at byte \(start)")
            }
            guard try data.bytes(member.header + 30, nameCount) == Array(member.name.utf8) else {
                throw failure(data, "the name \(place) in the local header", found: "another")
            }
            end = start + member.byteCount
            guard ranges.updateValue(start..<end, forKey: member.name) == nil else {
                throw failure(data, "every member once", found: "\(place) again")
            }
        }
        return ranges
    }

    private static func failure(_ data: CheckpointData, _ expected: String, found: String) -> TorchCheckpointError {
        TorchCheckpointError(.archive, path: data.path, place: "zip archive", expected: expected, found: found)
    }
}
