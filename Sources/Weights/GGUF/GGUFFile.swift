public import TensorCore

/// A GGUF file whose header has been validated and whose data is mapped into memory, not read.
///
/// The file must stay as it is while it is open, as for `SafetensorsFile`.
public struct GGUFFile: Sendable {
    public let path: String
    public let header: GGUFHeader
    private let mapping: MappedFile

    /// Opens a file and validates its header before anything else.
    ///
    /// - Throws: `GGUFError` when the file cannot be read or breaks a rule of the format.
    public init(path: String) throws(GGUFError) {
        let opened: (Result<GGUFHeader, GGUFError>, MappedFile)
        do throws(SafetensorsError) {
            opened = try Self.open(path)
        } catch {
            throw GGUFError(.fileAccess, path: path, expected: error.expected, found: error.found)
        }
        self.path = path
        header = try opened.0.get()
        mapping = opened.1
    }

    /// How long a header is shows only in the end: more is read until it fits.
    private static func open(
        _ path: String
    ) throws(SafetensorsError) -> (Result<GGUFHeader, GGUFError>, MappedFile) {
        let file = try ReadOnlyFile.open(path)
        var length = min(1 << 20, file.byteCount)
        var outcome = parse(try file.prefix(length), file.byteCount, path)
        while case .failure(let error) = outcome, error.rule == .truncated,
            length < min(file.byteCount, GGUFHeader.maximumByteCount)
        {
            length = min(length * 4, file.byteCount, GGUFHeader.maximumByteCount)
            outcome = parse(try file.prefix(length), file.byteCount, path)
        }
        return (outcome, try file.map())
    }

    private static func parse(_ bytes: [UInt8], _ fileByteCount: Int, _ path: String) -> Result<GGUFHeader, GGUFError> {
        bytes.withUnsafeBytes { bytes in
            do throws(GGUFError) {
                return .success(try GGUFHeader(parsing: bytes, fileByteCount: fileByteCount, path: path))
            } catch {
                return .failure(error)
            }
        }
    }

    /// The tensor of a name as it is stored, mapped; nil when there is none.
    public func tensor(_ name: String) -> Tensor? {
        guard let entry = header[name] else { return nil }
        let start = mapping.pointer + header.dataOffset + entry.byteRange.lowerBound
        let storage = Storage(
            mapped: start, byteCount: entry.byteRange.count, owner: mapping, isReloadable: mapping.isFile)
        return Tensor(storage: storage, dtype: entry.dtype, layout: Layout(rowMajor: entry.shape))
    }
}
