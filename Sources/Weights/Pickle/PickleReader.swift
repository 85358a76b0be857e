/// The bytes of a pickle, taken from front to back; never more than are there.
struct PickleReader {
    let bytes: [UInt8]
    let path: String
    private(set) var position: Int

    init(_ bytes: [UInt8], at position: Int = 0, path: String) {
        self.bytes = bytes
        self.position = position
        self.path = path
    }

    var remaining: Int { bytes.count - position }

    mutating func byte() throws(TorchCheckpointError) -> UInt8 {
        guard position < bytes.count else { throw ended(1) }
        defer { position += 1 }
        return bytes[position]
    }

    /// An unsigned little-endian number of `count` bytes, at most 8.
    mutating func unsigned(_ count: Int) throws(TorchCheckpointError) -> UInt64 {
        guard count <= remaining else { throw ended(count) }
        var value: UInt64 = 0
        for index in (0..<count).reversed() { value = value << 8 | UInt64(bytes[position + index]) }
        position += count
        return value
    }

    /// A length field of `count` bytes, checked against what is left.
    mutating func length(_ count: Int) throws(TorchCheckpointError) -> Int {
        let start = position
        let claimed = try unsigned(count)
        guard claimed <= UInt64(remaining) else {
            throw failure(
                .truncated, "at most the remaining \(remaining) bytes", at: start, found: "a length of \(claimed)")
        }
        return Int(claimed)
    }

    mutating func take(_ count: Int) throws(TorchCheckpointError) -> ArraySlice<UInt8> {
        guard count <= remaining else { throw ended(count) }
        defer { position += count }
        return bytes[position..<position + count]
    }

    mutating func skip(_ count: Int) throws(TorchCheckpointError) { _ = try take(count) }

    /// A big-endian double.
    mutating func double() throws(TorchCheckpointError) -> Double {
        Double(bitPattern: UInt64(try unsigned(8)).byteSwapped)
    }

    /// An integer in two's complement of `count` bytes, or nil when it has more than 64 bits.
    mutating func long(_ count: Int) throws(TorchCheckpointError) -> Int64? {
        let digits = try take(count)
        guard count <= 8 else { return nil }
        var value: Int64 = (digits.last ?? 0) >= 0x80 ? -1 : 0
        for digit in digits.reversed() { value = value << 8 | Int64(digit) }
        return value
    }

    /// UTF-8 text; halves of surrogate pairs, which Python can write, are not accepted.
    mutating func text(_ count: Int) throws(TorchCheckpointError) -> String {
        let start = position
        guard count <= PickleLimits.textByteCount else {
            throw failure(
                .limit, "a text of at most \(PickleLimits.textByteCount) bytes", at: start, found: "\(count)")
        }
        guard let text = String(validating: try take(count), as: UTF8.self) else {
            throw failure(.syntax, "UTF-8", at: start, found: "other bytes")
        }
        return text
    }

    /// Text up to a line's end, which is consumed.
    mutating func line() throws(TorchCheckpointError) -> String {
        let start = position
        let window = bytes[position..<min(bytes.count, position + PickleLimits.globalByteCount + 1)]
        guard let end = window.firstIndex(of: UInt8(ascii: "\n")) else {
            throw failure(
                window.count <= PickleLimits.globalByteCount ? .truncated : .limit,
                "a name of at most \(PickleLimits.globalByteCount) bytes", at: start, found: "no end of it")
        }
        let text = try text(end - position)
        position += 1
        return text
    }

    private func ended(_ count: Int) -> TorchCheckpointError {
        failure(.truncated, "\(count) more bytes", found: "\(remaining) before the end of the pickle")
    }

    /// The error of the byte at `offset`, by default the next one.
    func failure(
        _ rule: TorchCheckpointError.Rule, _ expected: String, at offset: Int? = nil, found: String
    ) -> TorchCheckpointError {
        TorchCheckpointError(
            rule, path: path, place: "pickle byte \(offset ?? position)", expected: expected, found: found)
    }
}
