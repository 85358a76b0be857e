import Foundation
import TensorCore
import TestSupport
import Testing

@testable import Weights

@Suite struct GGUFTests {
    /// Every number of every format, bit for bit as the reference widens it.
    @Test func widening() throws {
        let file = try GGUFFile(path: Fixtures.path("gguf/blocks.gguf"))
        let golden = try Fixtures.tensors("gguf/blocks.safetensors")
        #expect(Set(file.header.entries.map(\.name)) == Set(golden.keys))
        for (name, expected) in golden {
            let tensor = try #require(file.tensor(name))
            #expect(isBitEqual(tensor.converted(to: .float32), expected), "\(name)")
            #expect(tensor.dtype.rawValue.uppercased().hasPrefix("Q") == name.hasPrefix("Q"))
        }
    }

    @Test func metadata() throws {
        let header = try GGUFFile(path: Fixtures.path("gguf/llama.gguf")).header
        #expect(header.version == 3)
        #expect(try header.string("general.architecture") == "llama")
        #expect(try header.integer("llama.embedding_length") == 32)
        #expect(try header.number("llama.rope.freq_base") == 10_000)
        #expect(try header.integer("missing") == nil)
        #expect(throws: GGUFError.self) { try header.integer("general.architecture") }
        #expect(throws: GGUFError.self) { try header.require("missing", header.string("missing")) }
        #expect(throws: GGUFError.self) { try GGUFFile(path: Fixtures.path("nothing.gguf")) }
        #expect(throws: GGUFError.self) { try GGUFFile(path: Fixtures.path("tiny-lm/llama/model.safetensors")) }
    }

    // MARK: Headers made by hand

    /// A file with one value and tensors of given facts.
    struct Draft {
        var version: UInt32 = 3
        var tensorCount: UInt64?
        var valueCount: UInt64 = 0
        var values: [UInt8] = []
        var tensors: [(name: String, sizes: [UInt64], type: UInt32, offset: UInt64)] = []
        var dataBytes = 64

        func bytes() -> [UInt8] {
            var out = Array("GGUF".utf8)
            func append(_ value: some FixedWidthInteger) { withUnsafeBytes(of: value.littleEndian) { out += $0 } }
            append(version)
            append(tensorCount ?? UInt64(tensors.count))
            append(valueCount)
            out += values
            for tensor in tensors {
                append(UInt64(tensor.name.utf8.count))
                out += Array(tensor.name.utf8)
                append(UInt32(tensor.sizes.count))
                tensor.sizes.forEach { append($0) }
                append(tensor.type)
                append(tensor.offset)
            }
            while out.count % 32 != 0 { out.append(0) }
            return out + [UInt8](repeating: 0, count: dataBytes)
        }
    }

    static func parse(_ bytes: [UInt8]) throws -> GGUFHeader {
        try bytes.withUnsafeBytes { try GGUFHeader(parsing: $0, fileByteCount: bytes.count, path: "x.gguf") }
    }

    private func rule(_ change: (inout Draft) -> Void) -> GGUFError.Rule? {
        var draft = Draft()
        draft.tensors = [("a", [8], 0, 0), ("b", [8], 0, 32)]
        change(&draft)
        do {
            _ = try Self.parse(draft.bytes())
            return nil
        } catch {
            return (error as? GGUFError)?.rule
        }
    }

    @Test func rules() throws {
        #expect(rule { _ in } == nil)
        #expect(rule { $0.version = 1 } == .magic)
        #expect(rule { $0.version = 0x0300_0000 } == .magic)
        #expect(rule { $0.tensorCount = .max } == .limit)
        #expect(rule { $0.tensorCount = 3 } == .name)
        #expect(rule { $0.valueCount = 1 << 40 } == .limit)
        #expect(rule { $0.tensors[1].name = "a" } == .name)
        #expect(rule { $0.tensors[1].name = "" } == .name)
        #expect(rule { $0.tensors[1].sizes = [1, 1, 1, 1, 1] } == .limit)
        #expect(rule { $0.tensors[1].sizes = [0] } == .size)
        #expect(rule { $0.tensors[1].sizes = [1 << 40, 1 << 40] } == .size)
        #expect(rule { $0.tensors[1].sizes = [.max] } == .size)
        #expect(rule { $0.tensors[1].type = 10 } == .type)
        #expect(rule { $0.tensors[1].type = 77 } == .type)
        #expect(rule { $0.tensors[1].type = 2 } == .size)
        #expect(rule { $0.tensors[1].offset = 8 } == .layout)
        #expect(rule { $0.tensors[1].offset = 0 } == .layout)
        #expect(rule { $0.tensors[1].offset = 64 } == .layout)
        #expect(rule { $0.tensors[1].offset = .max - 31 } == .layout)
        #expect(rule { $0.dataBytes = 63 } == .layout)
        let error = #expect(throws: GGUFError.self) { try Self.parse(Array("GGUF".utf8)) }
        #expect(error?.rule == .truncated)
    }

    /// Values of every kind come back; hostile lengths are refused before memory is taken.
    @Test func values() throws {
        var draft = Draft()
        func add(_ key: String, _ kind: UInt32, _ payload: [UInt8]) {
            for part in [UInt64(key.utf8.count)] { withUnsafeBytes(of: part.littleEndian) { draft.values += $0 } }
            draft.values += Array(key.utf8)
            withUnsafeBytes(of: kind.littleEndian) { draft.values += $0 }
            draft.values += payload
            draft.valueCount += 1
        }
        func wide(_ value: UInt64) -> [UInt8] { withUnsafeBytes(of: value.littleEndian) { Array($0) } }
        add("byte", 0, [200])
        add("signed", 1, [0xFF])
        add("large", 10, wide(.max))
        add("float", 6, [0, 0, 0x80, 0x3F])
        add("yes", 7, [1])
        add("text", 8, wide(2) + [0x68, 0x69])
        add("list", 9, [5, 0, 0, 0] + wide(1) + [7, 0, 0, 0])
        add("words", 9, [8, 0, 0, 0] + wide(2) + wide(1) + [0x61] + wide(0))
        let good = draft
        let header = try Self.parse(draft.bytes())
        #expect(
            header.values == [
                "byte": .integer(200), "signed": .integer(-1), "large": .large(.max), "float": .number(1),
                "yes": .boolean(true), "text": .string("hi"), "list": .integers([7]), "words": .strings(["a", ""]),
            ])
        for (kind, payload) in [
            (9, [4, 0, 0, 0] + wide(1 << 23)), (9, [8, 0, 0, 0] + wide(1 << 50)), (9, [9, 0, 0, 0] + wide(1)),
            (8, wide(1 << 62)), (13, [0]), (7, [2]),
        ] as [(UInt32, [UInt8])] {
            draft = good
            add("bad", kind, payload)
            #expect(throws: GGUFError.self) { try Self.parse(draft.bytes()) }
        }
        draft = good
        add("byte", 0, [1])
        #expect(throws: GGUFError.self) { try Self.parse(draft.bytes()) }
    }
}
