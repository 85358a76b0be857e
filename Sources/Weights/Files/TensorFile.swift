internal import Foundation

/// A file of tensors that safetensors or torch wrote, told apart by its first bytes.
public struct TensorFile: Sendable {
    public let path: String
    public let source: any WeightSource
    public let shapes: [String: [Int]]
    /// What the file says about itself.
    public let metadata: [String: String]
    /// Numbers beside the tensors, by the same kind of names; only torch's files have some.
    public let numbers: [String: Double]

    /// - Throws: `SafetensorsError` or `TorchCheckpointError` when the file breaks a rule of its format.
    public init(path: String) throws {
        self.path = path
        if Self.isTorch(path) {
            let checkpoint = try TorchCheckpoint(path: path)
            source = TorchCheckpointSource(checkpoint)
            numbers = checkpoint.numbers
            shapes = Dictionary(
                checkpoint.names.compactMap { name in checkpoint[name].map { (name, $0.shape) } },
                uniquingKeysWith: { first, _ in first })
            if case .integer(let step)? = checkpoint.contents["global_step"] {
                metadata = ["global_step": "\(step)"]
            } else {
                metadata = [:]
            }
            return
        }
        let files = try Self.safetensors(path)
        source = SafetensorsSource(files)
        numbers = [:]
        shapes = Dictionary(
            files.files.flatMap(\.header.entries).map { ($0.name, $0.shape) }, uniquingKeysWith: { first, _ in first })
        metadata = files.files.first?.header.metadata ?? [:]
    }

    /// Opens what does not begin like a file of torch.
    private static func safetensors(_ path: String) throws -> SafetensorsSet {
        let named = WeightFiles(file: path)
        guard named.format == .torch else { return try SafetensorsSet(named) }
        do {
            return try SafetensorsSet(WeightFiles(safetensors: path))
        } catch let error as SafetensorsError where error.rule != .fileAccess {
            throw WeightsError(
                path, expected: "a checkpoint of torch (a zip archive or a pickle), or safetensors",
                found: "a file that begins as neither does")
        }
    }

    /// Whether a file begins like one of ggml's.
    public static func isGGUF(_ path: String) -> Bool {
        guard let file = try? FileHandle(forReadingFrom: URL(filePath: path)) else { return false }
        defer { try? file.close() }
        return (try? file.read(upToCount: 4)) == Data("GGUF".utf8)
    }

    /// Whether a file begins like a zip archive or a pickle; a safetensors file begins with the length of its header.
    public static func isTorch(_ path: String) -> Bool {
        guard let file = try? FileHandle(forReadingFrom: URL(filePath: path)),
            let start = try? file.read(upToCount: 9), start.count == 9
        else { return false }
        try? file.close()
        let isZip = start.starts(with: [0x50, 0x4B, 0x03, 0x04])
        // Behind the length of its header, a safetensors file goes on with a brace.
        return isZip || (start.first == 0x80 && start.last != UInt8(ascii: "{"))
    }
}
