import Foundation
import Testing
import Weights

/// Mutated headers: none may trap, and every one that is accepted must satisfy the format as a second reader sees it.
@Suite struct SafetensorsFuzzTests {
    /// `ATELIER_FUZZ_ITERATIONS`, or what a normal test run can afford.
    private static let iterations =
        ProcessInfo.processInfo.environment["ATELIER_FUZZ_ITERATIONS"].flatMap { Int($0) } ?? 100_000

    private static let seeds: [(json: String, dataByteCount: Int)] = [
        ("{}", 0),
        ("{" + entry("a", "F32", "2,3", "0,24") + "," + entry("b", "I64", "", "24,32") + "}  ", 32),
        (
            "{\"__metadata__\":{\"format\":\"pt\",\"\\u00e9\":\"\\ud83d\\ude00 ü\"},"
                + entry("w.0", "BF16", "4,1", "8,16") + "," + entry("z", "U8", "0,7", "8,8") + ","
                + entry("w.1", "F16", "2,2", "0,8") + "}", 16
        ),
        ("{" + entry("x", "F4", "2,3", "0,3") + "," + entry("y", "BOOL", "1", "3,4") + "}", 4),
        (
            "{ \"k\" : { \"shape\" : [ 1 , 2 ] , \"data_offsets\" : [ 0 , 8 ] , \"dtype\" : \"F32\" } , "
                + entry("l", "I32", "1,1,1", "8,12") + "}", 12
        ),
    ]

    /// Pieces of JSON that steer a mutation toward the parser's decisions.
    private static let words = [
        "{", "}", "[", "]", ",", ":", "\"", "\\", "\\u", "\\ud83d", "\\ude00", "0", "-", "1e3", ".0", "null", "true",
        "9223372036854775807", "9223372036854775808", "18446744073709551615", "4294967296", "\"a\"", "\"dtype\"",
        "\"F32\"", "\"F64\"", "\"shape\"", "\"data_offsets\"", "\"__metadata__\"", " ", "\n", "\0", "[0,0]", "[]", "{}",
        "\u{FEFF}", "../",
    ].map { Array($0.utf8) }

    @Test(arguments: [SafetensorsHeader.Rules.strict, .lenient])
    func mutatedHeaders(rules: SafetensorsHeader.Rules) throws {
        var random = SplitMix(state: rules == .strict ? 1 : 2)
        var accepted = 0
        var changed = 0
        let count = Self.iterations / 2
        for iteration in 0..<count {
            let seed = Self.seeds[random.below(Self.seeds.count)]
            let original = fileBytes(seed.json.utf8)
            var bytes = original
            var dataByteCount = seed.dataByteCount
            for _ in 0...random.below(3) { mutate(&bytes, &random) }
            // Half the time the length field is repaired, so that the mutation reaches the JSON.
            if random.below(2) == 0, bytes.count >= 8 { bytes = fileBytes(bytes.dropFirst(8)) }
            if random.below(8) == 0 { dataByteCount = random.below(64) }
            guard let header = try? parse(bytes, dataByteCount: dataByteCount, rules: rules) else { continue }
            accepted += 1
            if bytes != original { changed += 1 }
            if let flaw = flaw(in: header, bytes: bytes, dataByteCount: dataByteCount, rules: rules) {
                Issue.record(
                    "\(flaw) in iteration \(iteration): \(String(decoding: bytes, as: UTF8.self).debugDescription)")
                return
            }
        }
        // The mutations are neither all harmless nor all deadly.
        #expect(changed > count / 200)
        #expect(accepted < count / 2)
    }

    /// A file may end anywhere: every prefix of a valid file is refused, except the file itself.
    @Test func everyTruncationIsRefused() {
        for seed in Self.seeds {
            let bytes = fileBytes(seed.json.utf8)
            for count in 0..<bytes.count { #expect(brokenRule(Array(bytes[..<count])) == .truncated) }
            #expect(brokenRule(bytes, dataByteCount: seed.dataByteCount) == nil)
        }
    }

    // MARK: Mutations

    private func mutate(_ bytes: inout [UInt8], _ random: inout SplitMix) {
        guard !bytes.isEmpty else { return }
        let at = random.below(bytes.count)
        switch random.below(9) {
        case 0:
            bytes[at] ^= 1 << UInt8(random.below(8))
        case 1:
            bytes[at] = UInt8(random.below(256))
        case 2:
            bytes.insert(contentsOf: Self.words[random.below(Self.words.count)], at: at)
        case 3:
            bytes.removeSubrange(at..<min(bytes.count, at + 1 + random.below(8)))
        case 4:
            bytes.removeSubrange(at...)
        case 5:
            let slice = Array(bytes[at..<min(bytes.count, at + 1 + random.below(80))])
            bytes.insert(contentsOf: slice, at: random.below(bytes.count + 1))
        case 6:
            // One more tensor, whose name may be taken.
            guard let end = bytes.lastIndex(of: UInt8(ascii: "}")) else { return }
            let name = ["z", "\\u007a", "k", "new"][random.below(4)]
            bytes.insert(contentsOf: Array(("," + entry(name, "U8", "0", "0,0")).utf8), at: end)
        default:
            let digits = bytes.indices.filter { (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(bytes[$0]) }
            guard !digits.isEmpty else { return }
            bytes[digits[random.below(digits.count)]] = UInt8(ascii: "0") + UInt8(random.below(10))
        }
    }

    // MARK: The second reader

    /// What is wrong with an accepted header, judged without the parser's code; nil when nothing is.
    private func flaw(
        in header: SafetensorsHeader, bytes: [UInt8], dataByteCount: Int, rules: SafetensorsHeader.Rules
    ) -> String? {
        let length = bytes.prefix(8).reversed().reduce(UInt64(0)) { $0 << 8 | UInt64($1) }
        guard length <= UInt64(bytes.count - 8) else { return "the header is longer than the file" }
        let end = 8 + Int(length)
        guard header.dataOffset == end else { return "the data begins elsewhere" }
        let total = bytes.count + dataByteCount - end

        var owners = [Int](repeating: 0, count: total)
        var names: Set<[UInt8]> = []
        for entry in header.entries {
            guard entry.byteRange.lowerBound >= 0, entry.byteRange.upperBound <= total else {
                return "data out of the file"
            }
            for byte in entry.byteRange { owners[byte] += 1 }
            guard names.insert(Array(entry.name.utf8)).inserted else { return "a repeated name" }
            guard entry.name.utf8.count <= 512, entry.shape.count <= 8 else { return "a limit" }
            guard entry.shape.allSatisfy({ $0 >= 0 }) else { return "a negative dimension" }
            // Exact below 2^53, and the file is far smaller.
            let bits = entry.shape.reduce(Double(entry.dtype.bitCount)) { $0 * Double($1) }
            guard bits == 8 * Double(entry.byteRange.count) else { return "a size" }
        }
        guard owners.allSatisfy({ $0 == 1 }) else { return "a hole or an overlap" }
        if rules == .strict, bytes[8] != UInt8(ascii: "{") { return "the first byte" }

        guard let text = String(validating: bytes[8..<end], as: UTF8.self) else { return "bytes that are not UTF-8" }
        // Foundation drops a byte order mark inside a string, so it reads those names differently.
        if text.unicodeScalars.contains("\u{FEFF}") || text.lowercased().contains("\\ufeff") { return nil }
        let parsed = try? JSONSerialization.jsonObject(with: Data(bytes[8..<end]))
        guard let json = parsed as? [String: Any] else { return "something that is not JSON" }
        // Foundation merges repeated keys, so the counts agree only if there are none or if the last one counts.
        guard json.keys.filter({ $0 != "__metadata__" }).count == header.entries.count else { return "a repeated key" }
        // It cannot tell which, so count the text, where no string holds the word for another reason.
        let word = "data_offsets"
        let isPlain =
            !text.contains("\\\"") && header[word] == nil && !header.metadata.contains { $0 == word || $1 == word }
        if rules == .strict, isPlain,
            text.split(separator: "\"\(word)\"", omittingEmptySubsequences: false).count
                > header.entries.count + 1
        {
            return "a repeated name that was dropped"
        }
        for entry in header.entries {
            guard let fields = json[entry.name] as? [String: Any] else { return "an invented tensor" }
            guard rules == .lenient || fields.count == 3 else { return "an unknown field" }
            guard fields["dtype"] as? String == entry.dtype.rawValue, fields["shape"] as? [Int] == entry.shape,
                fields["data_offsets"] as? [Int] == [entry.byteRange.lowerBound, entry.byteRange.upperBound]
            else { return "another reading of \(entry.name)" }
        }
        let metadata = json["__metadata__"] as? [String: String] ?? [:]
        return metadata == header.metadata ? nil : "another reading of the metadata"
    }
}

/// Steele, Lea and Flood's SplitMix64: the same mutations in every run.
struct SplitMix {
    var state: UInt64

    mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var z = state
        z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
        z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
        return z ^ (z >> 31)
    }

    mutating func below(_ bound: Int) -> Int { Int(next() % UInt64(bound)) }
}
