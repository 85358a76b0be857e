import Foundation
import Weights

/// The bytes of a file: length field, header, data.
func fileBytes(_ json: some Sequence<UInt8>, data: [UInt8] = []) -> [UInt8] {
    let json = Array(json)
    return withUnsafeBytes(of: UInt64(json.count).littleEndian, Array.init) + json + data
}

/// Parses a header in front of `dataByteCount` bytes that need not exist.
func parse(
    _ json: String, dataByteCount: Int = 0, rules: SafetensorsHeader.Rules = .strict
) throws -> SafetensorsHeader {
    try parse(fileBytes(json.utf8), dataByteCount: dataByteCount, rules: rules)
}

func parse(
    _ bytes: [UInt8], dataByteCount: Int = 0, rules: SafetensorsHeader.Rules = .strict
) throws -> SafetensorsHeader {
    try bytes.withUnsafeBytes {
        try SafetensorsHeader(
            parsing: $0, fileByteCount: bytes.count + dataByteCount, path: "test.safetensors", rules: rules)
    }
}

/// The rule that parsing breaks, or nil when the header is accepted.
func brokenRule(
    _ json: String, dataByteCount: Int = 0, rules: SafetensorsHeader.Rules = .strict
) -> SafetensorsError.Rule? {
    do {
        _ = try parse(json, dataByteCount: dataByteCount, rules: rules)
        return nil
    } catch {
        return (error as? SafetensorsError)?.rule
    }
}

func brokenRule(_ bytes: [UInt8], dataByteCount: Int = 0) -> SafetensorsError.Rule? {
    do {
        _ = try parse(bytes, dataByteCount: dataByteCount)
        return nil
    } catch {
        return (error as? SafetensorsError)?.rule
    }
}

/// One entry of a header.
func entry(_ name: String, _ dtype: String, _ shape: String, _ offsets: String) -> String {
    "\"\(name)\":{\"dtype\":\"\(dtype)\",\"shape\":[\(shape)],\"data_offsets\":[\(offsets)]}"
}

/// A folder that is removed with its last holder.
final class TemporaryFolder {
    let path: String

    init() throws {
        path = NSTemporaryDirectory() + "atelier-weights-\(UUID().uuidString)"
        try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
    }

    deinit { try? FileManager.default.removeItem(atPath: path) }

    func callAsFunction(_ name: String) -> String { "\(path)/\(name)" }

    var contents: [String] { ((try? FileManager.default.contentsOfDirectory(atPath: path)) ?? []).sorted() }

    func write(_ bytes: [UInt8], to name: String) throws {
        try Data(bytes).write(to: URL(fileURLWithPath: self(name)))
    }
}
