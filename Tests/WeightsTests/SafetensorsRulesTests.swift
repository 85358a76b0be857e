import Testing
import Weights

/// The rules of the header one by one: what is refused, by which rule, and the nearest thing that is accepted.
@Suite struct SafetensorsRulesTests {
    private let valid = "{" + entry("a", "F32", "2,3", "0,24") + "," + entry("b", "I64", "", "24,32") + "}"

    @Test func aValidHeaderIsReadWhole() throws {
        let header = try parse("{\"__metadata__\":{\"k\":\"v\"}," + valid.dropFirst(), dataByteCount: 32)
        #expect(header.entries.map(\.name) == ["a", "b"])
        #expect(header["a"]?.dtype == .f32)
        #expect(header["a"]?.shape == [2, 3])
        #expect(header["a"]?.byteRange == 0..<24)
        #expect(header["b"]?.shape == [])
        #expect(header["b"]?.byteRange == 24..<32)
        #expect(header["c"] == nil)
        #expect(header.metadata == ["k": "v"])
    }

    @Test func entriesComeInTheOrderOfTheirBytes() throws {
        let json =
            "{" + entry("z", "U8", "3", "2,5") + "," + entry("y", "U8", "0", "2,2") + ","
            + entry("x", "U8", "2", "0,2") + "}"
        #expect(try parse(json, dataByteCount: 5).entries.map(\.name) == ["x", "y", "z"])
    }

    @Test func emptyFilesAndEmptyTensors() throws {
        #expect(try parse("{}").entries.isEmpty)
        #expect(try parse("{\"__metadata__\":{}}").metadata.isEmpty)
        #expect(try parse("{" + entry("a", "F32", "0,5", "0,0") + "}")["a"]?.byteRange == 0..<0)
        #expect(try parse("{" + entry("a", "F4", "3,2", "0,3") + "}", dataByteCount: 3)["a"]?.dtype == .f4)
    }

    // MARK: Rule 1, the length field

    @Test func shortFiles() {
        #expect(brokenRule([]) == .truncated)
        #expect(brokenRule([2, 0, 0, 0, 0, 0, 0]) == .truncated)
        #expect(brokenRule([2, 0, 0, 0, 0, 0, 0, 0]) == .truncated)
        #expect(brokenRule([0, 0, 0, 0, 0, 0, 0, 0]) == .headerEdge)
    }

    @Test(arguments: [UInt64(100_000_001), 4 << 30, 1 << 63, .max, .max - 7])
    func claimsOfHugeHeaders(length: UInt64) {
        let bytes = withUnsafeBytes(of: length.littleEndian, Array.init) + Array("{}".utf8)
        #expect(brokenRule(bytes) == .headerLength)
        #expect(brokenRule(bytes, dataByteCount: .max - 10) == .headerLength)
    }

    @Test func aHeaderBeyondTheFile() {
        let bytes = withUnsafeBytes(of: UInt64(100_000_000).littleEndian, Array.init) + Array("{}".utf8)
        #expect(brokenRule(bytes) == .truncated)
        // The file is said to be long enough, but these bytes of it are not here.
        #expect(brokenRule(bytes, dataByteCount: 200_000_000) == .truncated)
    }

    // MARK: Rule 2, first byte and padding

    @Test func firstByte() {
        for start in [" ", "\n", "\u{FEFF}", "[", "\"", "\0"] {
            #expect(brokenRule(start + "{}") == .headerEdge, "\(start.debugDescription)")
        }
    }

    @Test func padding() {
        #expect(brokenRule("{}      ") == nil)
        for end in ["\n", "\t", "\0", "}", " \n", ",", "{}", "  x"] {
            #expect(brokenRule("{}" + end) == .headerEdge, "\(end.debugDescription)")
        }
    }

    // MARK: Rule 3, the form of the JSON

    @Test(arguments: [
        "{", "{,}", "{\"a\"}", "{\"a\":}", "{\"a\":1}", "{\"a\":null}", "{\"a\":[]}", "{a:{}}", "{'a':{}}",
        "{\"a\":{\"dtype\":1,\"shape\":[],\"data_offsets\":[0,4]}}",
        "{\"a\":{\"dtype\":\"F32\",\"shape\":{},\"data_offsets\":[0,4]}}",
        "{\"a\":{\"dtype\":\"F32\" \"shape\":[],\"data_offsets\":[0,4]}}",
        "{\"a\":{\"dtype\":\"F32\",\"shape\":[],\"data_offsets\":[0,4],}}",
        "{\"a\":{\"dtype\":\"F32\",\"shape\":[],\"data_offsets\":[0,4]},}",
        "{\"a\":{\"dtype\":\"F32\",\"shape\":[0x1],\"data_offsets\":[0,4]}}",
        "{\"a\":{\"dtype\":\"F32\",\"shape\":[1 1],\"data_offsets\":[0,4]}}",
        "{\"a\":{\"dtype\":\"F32\",\"shape\":[],\"data_offsets\":[0,4]}",
        "{\"a\":{\"dtype\":\"F32\",\"shape\":[],\"data_offsets\":[0,4",
    ])
    func brokenSyntax(json: String) {
        #expect(brokenRule(json, dataByteCount: 4) == .syntax)
    }

    @Test func whitespaceBetweenTokensIsJSON() {
        let json = "{ \"a\" :\t{ \"dtype\" : \"F32\" ,\n\"shape\" : [ 1 , 1 ] , \"data_offsets\" : [ 0 , 4 ] } }"
        #expect(brokenRule(json, dataByteCount: 4) == nil)
    }

    @Test(arguments: [
        ("-1", "0,4"), ("1.0", "0,4"), ("1e0", "0,4"), ("01", "0,4"), ("+1", "0,4"), ("", "-0,4"), ("1,", "0,4"),
        ("\"1\"", "0,4"), ("true", "0,4"), ("null", "0,4"), ("[1]", "0,4"), ("9223372036854775808", "0,4"),
        ("18446744073709551616", "0,4"), ("", "0,4.0"), ("", "0,04"), ("", "00,4"), ("NaN", "0,4"),
    ])
    func onlyPlainIntegers(shape: String, offsets: String) {
        let rule = brokenRule("{" + entry("a", "F32", shape, offsets) + "}", dataByteCount: 4)
        #expect(rule == .integer)
    }

    @Test(arguments: ["0", "0,4,4", "", "0,4,"])
    func offsetsAreTwo(offsets: String) {
        let rule = brokenRule("{" + entry("a", "F32", "", offsets) + "}", dataByteCount: 4)
        #expect(rule == .field)
    }

    @Test func fieldsOfATensor() {
        #expect(brokenRule("{\"a\":{}}") == .field)
        #expect(brokenRule("{\"a\":{\"dtype\":\"F32\",\"shape\":[]}}", dataByteCount: 4) == .field)
        #expect(brokenRule("{\"a\":{\"dtype\":\"F32\",\"data_offsets\":[0,4]}}", dataByteCount: 4) == .field)
        #expect(brokenRule("{\"a\":{\"shape\":[],\"data_offsets\":[0,4]}}", dataByteCount: 4) == .field)
        let extra = "{\"a\":{\"dtype\":\"F32\",\"shape\":[],\"data_offsets\":[0,4],\"x\":{\"y\":[1.5e-3,null,\"z\"]}}}"
        #expect(brokenRule(extra, dataByteCount: 4) == .field)
        #expect(brokenRule(extra, dataByteCount: 4, rules: .lenient) == nil)
    }

    @Test func metadataIsStringsOnly() {
        #expect(brokenRule("{\"__metadata__\":{\"a\":\"\"}}") == nil)
        for value in ["1", "null", "{}", "[\"a\"]", "true"] {
            #expect(brokenRule("{\"__metadata__\":{\"a\":\(value)}}") == .syntax)
            #expect(brokenRule("{\"__metadata__\":{\"a\":\(value)}}", rules: .lenient) == .syntax)
        }
        #expect(brokenRule("{\"__metadata__\":null}") == .syntax)
        #expect(brokenRule("{\"__metadata__\":null}", rules: .lenient) == nil)
        #expect(brokenRule("{\"__metadata__\":[]}", rules: .lenient) == .syntax)
    }

    // MARK: Strings

    @Test func escapes() throws {
        let json = #"{"__metadata__":{"\u00e9\ud83d\ude00\/\n\"\\":"\b\f\r\t\u0000"}}"#
        #expect(try parse(json).metadata == ["é😀/\n\"\\": "\u{8}\u{C}\r\t\0"])
        let name = #"{"\u0061":{"dtype":"\u00463\u0032","shape":[],"data_offsets":[0,4]}}"#
        #expect(try parse(name, dataByteCount: 4)["a"]?.dtype == .f32)
    }

    @Test(arguments: [
        #"\ud83d"#, #"\ude00"#, #"\ud83d\u0041"#, #"\ud83dx"#, #"\ud83d\n"#, #"\x41"#, #"\u12"#, #"\u12g4"#, #"\U0041"#,
        "\u{1}", "\n", "\t",
    ])
    func badEscapes(text: String) {
        let rule = brokenRule("{\"__metadata__\":{\"a\":\"\(text)\"}}")
        #expect(rule == .encoding || (text.hasSuffix(#"\n"#) && rule == .syntax))
        #expect(brokenRule("{\"__metadata__\":{\"\\n\(text)\":\"a\"}}") == rule)
    }

    @Test(
        arguments: [
            [0xC0, 0xAF], [0xE0, 0x80, 0xAF], [0xF0, 0x80, 0x80, 0xAF],  // overlong
            [0xED, 0xA0, 0x80], [0xED, 0xBF, 0xBF],  // surrogates
            [0xF4, 0x90, 0x80, 0x80], [0xF8, 0x88, 0x80, 0x80, 0x80], [0xFF],  // beyond Unicode
            [0x80], [0xC3], [0xE2, 0x82], [0xC3, 0x28],  // incomplete
        ] as [[UInt8]])
    func badUTF8(bytes: [UInt8]) {
        let plain = fileBytes(Array("{\"__metadata__\":{\"a\":\"".utf8) + bytes + Array("\"}}".utf8))
        #expect(brokenRule(plain) == .encoding)
        let escaped = fileBytes(Array("{\"__metadata__\":{\"a\":\"\\n".utf8) + bytes + Array("\"}}".utf8))
        #expect(brokenRule(escaped) == .encoding)
        let name = fileBytes(Array("{\"".utf8) + bytes + Array("\":{}}".utf8))
        #expect(brokenRule(name) == .encoding)
    }

    // MARK: Rule 4, sizes and layout

    @Test func layoutHasNoHoleNoOverlapNoRest() {
        func rule(_ a: String, _ b: String, _ dataByteCount: Int) -> SafetensorsError.Rule? {
            brokenRule(
                "{" + entry("a", "U8", "4", a) + "," + entry("b", "U8", "4", b) + "}", dataByteCount: dataByteCount)
        }
        #expect(rule("0,4", "4,8", 8) == nil)
        #expect(rule("4,8", "0,4", 8) == nil)
        #expect(rule("0,4", "5,9", 9) == .layout)
        #expect(rule("1,5", "5,9", 9) == .layout)
        #expect(rule("0,4", "3,7", 7) == .layout)
        #expect(rule("0,4", "0,4", 4) == .layout)
        #expect(rule("0,4", "4,8", 9) == .layout)
        #expect(rule("0,4", "4,8", 7) == .truncated)
        #expect(brokenRule("{}", dataByteCount: 1) == .layout)
        #expect(brokenRule("{" + entry("a", "U8", "0", "1,1") + "}", dataByteCount: 0) == .layout)
        #expect(brokenRule("{" + entry("a", "U8", "4", "4,0") + "}", dataByteCount: 4) == .layout)
    }

    @Test func bytesMatchTheShape() {
        #expect(brokenRule("{" + entry("a", "F32", "2", "0,7") + "}", dataByteCount: 7) == .size)
        #expect(brokenRule("{" + entry("a", "F32", "2", "0,16") + "}", dataByteCount: 16) == .size)
        #expect(brokenRule("{" + entry("a", "F32", "", "0,0") + "}") == .size)
        #expect(brokenRule("{" + entry("a", "F4", "3", "0,2") + "}", dataByteCount: 2) == .size)
        #expect(brokenRule("{" + entry("a", "F6_E2M3", "4", "0,3") + "}", dataByteCount: 3) == nil)
    }

    @Test(arguments: [
        "9223372036854775807,2", "4294967296,4294967296", "4294967296,2147483648,1", "2305843009213693952,8",
        "0,9223372036854775807,9223372036854775807", "9223372036854775807,9223372036854775807,0",
        "65536,65536,65536,65536",
    ])
    func shapesThatOverflow(shape: String) {
        #expect(brokenRule("{" + entry("a", "F32", shape, "0,0") + "}") == .size)
        #expect(brokenRule("{" + entry("a", "U8", shape, "0,0") + "}") == .size)
    }

    @Test func offsetsAtTheEndOfTheRange() {
        let last = "9223372036854775806,9223372036854775807"
        #expect(brokenRule("{" + entry("a", "U8", "1", last) + "}", dataByteCount: 1) == .layout)
        #expect(brokenRule("{" + entry("a", "U8", "9223372036854775807", "0,9223372036854775807") + "}") == .size)
    }

    // MARK: Rule 5, dtypes

    @Test func dtypes() {
        for dtype in SafetensorsDType.allCases {
            let bytes = dtype.bitCount
            let json = "{" + entry("a", dtype.rawValue, "8", "0,\(bytes)") + "}"
            #expect(brokenRule(json, dataByteCount: bytes) == nil, "\(dtype)")
        }
        for spelling in ["f32", "F31", "", "float32", "F32 ", "I4", "Bool"] {
            #expect(brokenRule("{" + entry("a", spelling, "1", "0,4") + "}", dataByteCount: 4) == .dtype)
        }
    }

    // MARK: Rule 6, duplicates

    @Test func duplicateKeys() throws {
        let twice = "{" + entry("a", "U8", "4", "0,4") + "," + entry("a", "U8", "4", "4,8") + "}"
        #expect(brokenRule(twice, dataByteCount: 8) == .duplicateKey)
        #expect(brokenRule(twice, dataByteCount: 8, rules: .lenient) == .layout)
        let same = "{" + entry("a", "U8", "2,2", "0,4") + "," + entry("\\u0061", "U8", "4", "0,4") + "}"
        #expect(brokenRule(same, dataByteCount: 4) == .duplicateKey)
        #expect(try parse(same, dataByteCount: 4, rules: .lenient)["a"]?.shape == [4])

        let field = "{\"a\":{\"dtype\":\"U8\",\"dtype\":\"U8\",\"shape\":[4],\"data_offsets\":[0,4]}}"
        #expect(brokenRule(field, dataByteCount: 4) == .duplicateKey)
        #expect(brokenRule(field, dataByteCount: 4, rules: .lenient) == .duplicateKey)

        let metadata = "{\"__metadata__\":{\"a\":\"1\",\"a\":\"2\"}}"
        #expect(brokenRule(metadata) == .duplicateKey)
        #expect(try parse(metadata, rules: .lenient).metadata == ["a": "2"])
        let two = "{\"__metadata__\":{},\"__metadata__\":{}}"
        #expect(brokenRule(two) == .duplicateKey)
        #expect(brokenRule(two, rules: .lenient) == .duplicateKey)
    }

    // MARK: Names and limits

    @Test(arguments: ["", "../a", "a/../../b", "a\\n", "\\u0000", "\u{7F}", "../\u{301}"])
    func unusualNames(name: String) {
        let json = "{" + entry(name, "U8", "1", "0,1") + "}"
        #expect(brokenRule(json, dataByteCount: 1) == .name)
        #expect(brokenRule(json, dataByteCount: 1, rules: .lenient) == nil)
    }

    @Test func lenientWhitespace() {
        for json in [" {}", "\n{}", "{}\n", "{} \t"] {
            #expect(brokenRule(json) == .headerEdge)
            #expect(brokenRule(json, rules: .lenient) == nil)
        }
        for json in ["\u{FEFF}{}", "{}\0", "{}x"] { #expect(brokenRule(json, rules: .lenient) == .headerEdge) }
    }

    @Test func limits() {
        let name = String(repeating: "n", count: 512)
        #expect(brokenRule("{" + entry(name, "U8", "1", "0,1") + "}", dataByteCount: 1) == nil)
        #expect(brokenRule("{" + entry(name + "n", "U8", "1", "0,1") + "}", dataByteCount: 1) == .name)
        #expect(brokenRule("{\"__metadata__\":{\"\(name)n\":\"\"}}") == .name)
        #expect(brokenRule("{" + entry("a", "U8", "1,1,1,1,1,1,1,1", "0,1") + "}", dataByteCount: 1) == nil)
        #expect(brokenRule("{" + entry("a", "U8", "1,1,1,1,1,1,1,1,1", "0,1") + "}", dataByteCount: 1) == .count)

        func nested(_ depth: Int) -> String {
            let value = String(repeating: "[", count: depth) + String(repeating: "]", count: depth)
            return "{\"a\":{\"x\":\(value),\"dtype\":\"U8\",\"shape\":[],\"data_offsets\":[0,1]}}"
        }
        #expect(brokenRule(nested(32), dataByteCount: 1, rules: .lenient) == nil)
        #expect(brokenRule(nested(33), dataByteCount: 1, rules: .lenient) == .count)
        #expect(brokenRule(nested(100_000), dataByteCount: 1, rules: .lenient) == .count)
    }

    @Test func tooManyTensors() {
        let entries = (0...200_000).map { "\"\($0)\":{\"dtype\":\"U8\",\"shape\":[0],\"data_offsets\":[0,0]}" }
        #expect(brokenRule("{" + entries.joined(separator: ",") + "}") == .count)
    }

    @Test func messagesSayPlaceExpectedAndFound() {
        func message(_ json: String, _ dataByteCount: Int) -> String {
            do {
                _ = try parse(json, dataByteCount: dataByteCount)
                return ""
            } catch { return "\(error)" }
        }
        #expect(
            message("{" + entry("a.b", "F32", "2", "4,12") + "}", 12)
                == "test.safetensors: tensor \"a.b\": expected data that begins at byte 0 (no hole, no overlap), found 4"
        )
        #expect(message("{\"a\":[]}", 0) == "test.safetensors: header byte 5: expected an object, found '['")
        #expect(
            message("{" + entry("a\\u001b[31m", "F32", "2", "4,12") + "}", 12)
                == "test.safetensors: header byte 15: expected a tensor name without control characters and ../, "
                + "found \"a\\u{1B}[31m\"")
    }
}
