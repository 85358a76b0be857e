internal import TensorCore

extension GGUFHeader {
    /// Reads and validates a header.
    ///
    /// - Parameters:
    ///   - bytes: the first bytes of the file, all of its header among them.
    ///   - fileByteCount: the size of the whole file.
    public init(parsing bytes: UnsafeRawBufferPointer, fileByteCount: Int, path: String) throws(GGUFError) {
        var reader = GGUFReader(bytes, path: path)
        let version = try Self.version(&reader)
        let tensorCount = try reader.count("tensors", most: Self.maximumTensorCount)
        let valueCount = try reader.count("values", most: Self.maximumValueCount)
        var values: [String: GGUFValue] = [:]
        for _ in 0..<valueCount {
            let start = reader
            let key = try reader.string(isStrict: true)
            guard !key.isEmpty, values[key] == nil else {
                throw start.failure(.name, "a key of its own for each value", found: quoted(key))
            }
            values[key] = try reader.value()
        }
        var alignment = 32
        if let value = values["general.alignment"] {
            guard case .integer(let number) = value, (8...65_536).contains(number), number.nonzeroBitCount == 1 else {
                throw GGUFError(
                    .metadata, path: path, place: "metadata \"general.alignment\"",
                    expected: "a power of two from 8 to 65536", found: "\(value)")
            }
            alignment = Int(number)
        }
        var entries: [Entry] = []
        var names: Set<String> = []
        for _ in 0..<tensorCount {
            let entry = try Self.entry(&reader, alignment: alignment)
            guard names.insert(entry.name).inserted else {
                throw reader.failure(.name, "a name of its own for each tensor", found: quoted(entry.name))
            }
            entries.append(entry)
        }
        let dataOffset = (reader.offset + alignment - 1) / alignment * alignment
        try Self.checkLayout(entries, room: max(fileByteCount - dataOffset, 0), path: path)
        self.init(path: path, version: version, values: values, entries: entries, dataOffset: dataOffset)
    }

    private static func version(_ reader: inout GGUFReader) throws(GGUFError) -> Int {
        let start = reader
        guard reader.remaining >= 4, try reader.integer(UInt32.self) == 0x4655_4747 else {
            throw start.failure(.magic, "the letters GGUF", found: "other bytes")
        }
        let place = reader
        let version = try reader.integer(UInt32.self)
        guard version == 2 || version == 3 else {
            let isSwapped = version.byteSwapped < 16
            throw place.failure(
                .magic, "version 2 or 3, little-endian",
                found: isSwapped ? "a big-endian file" : "version \(version)")
        }
        return Int(version)
    }

    private static func entry(_ reader: inout GGUFReader, alignment: Int) throws(GGUFError) -> Entry {
        let start = reader
        let name = try reader.string(isStrict: true)
        guard !name.isEmpty, name.utf8.count <= 1024 else {
            throw start.failure(.name, "a name of 1 to 1024 bytes", found: "\(name.utf8.count)")
        }
        func failure(_ rule: GGUFError.Rule, _ expected: String, _ found: String) -> GGUFError {
            GGUFError(rule, path: reader.path, place: "tensor \(quoted(name))", expected: expected, found: found)
        }
        let rank = try reader.integer(UInt32.self)
        guard rank <= 4 else { throw failure(.limit, "at most 4 dimensions", "\(rank)") }
        var shape: [Int] = []
        var count = 1
        for _ in 0..<rank {
            let size = try reader.integer(UInt64.self)
            guard let size = Int(exactly: size), size > 0 else {
                throw failure(.size, "sizes from 1 on", "\(size)")
            }
            let (product, overflows) = count.multipliedReportingOverflow(by: size)
            guard !overflows, product <= 1 << 48 else { throw failure(.size, "at most 2^48 numbers", "more") }
            count = product
            shape.append(size)
        }
        let number = try reader.integer(UInt32.self)
        guard let dtype = GGUFType(rawValue: number)?.dtype else {
            let known = "F32, F16, BF16, I32, I64, Q4_0, Q4_1, Q5_0, Q5_1, Q8_0, Q4_K, Q5_K and Q6_K"
            throw failure(.type, "one of \(known)", GGUFType.names[number] ?? "type \(number)")
        }
        guard (shape.first ?? 1) % dtype.blockCount == 0 else {
            throw failure(.size, "rows of whole blocks of \(dtype.blockCount)", "\(shape.first ?? 1) numbers a row")
        }
        let byteCount = dtype.byteCount(of: count)
        let offset = try reader.integer(UInt64.self)
        guard let offset = Int(exactly: offset), offset % alignment == 0 else {
            throw failure(.layout, "data at a multiple of \(alignment)", "at \(offset)")
        }
        let (end, overflows) = offset.addingReportingOverflow(byteCount)
        guard !overflows else { throw failure(.layout, "data within the file", "at \(offset)") }
        return Entry(name: name, dtype: dtype, shape: shape.reversed(), byteRange: offset..<end)
    }

    /// No data beyond the file, none that overlaps another's.
    private static func checkLayout(_ entries: [Entry], room: Int, path: String) throws(GGUFError) {
        var last: Entry?
        for entry in entries.sorted(by: { $0.byteRange.lowerBound < $1.byteRange.lowerBound }) {
            func failure(_ expected: String, _ found: String) -> GGUFError {
                GGUFError(.layout, path: path, place: "tensor \(quoted(entry.name))", expected: expected, found: found)
            }
            guard entry.byteRange.upperBound <= room else {
                throw failure(
                    "data within the file's \(room) bytes of data", "its end at \(entry.byteRange.upperBound)")
            }
            if let last, entry.byteRange.lowerBound < last.byteRange.upperBound {
                throw failure(
                    "data of its own", "bytes of \(quoted(last.name)) at \(entry.byteRange.lowerBound)")
            }
            last = entry
        }
    }
}

extension GGUFType {
    /// The type to compute with.
    var dtype: DType {
        switch self {
        case .f32: .float32
        case .f16: .float16
        case .bf16: .bfloat16
        case .i32: .int32
        case .i64: .int64
        case .q4_0: .q4_0
        case .q4_1: .q4_1
        case .q5_0: .q5_0
        case .q5_1: .q5_1
        case .q8_0: .q8_0
        case .q4_K: .q4_K
        case .q5_K: .q5_K
        case .q6_K: .q6_K
        }
    }
}
