import Foundation
import Recipes
import Testing

@Suite struct CanonicalJSONTests {
    private func json(_ value: some Encodable) throws -> String {
        String(decoding: try canonicalJSON(of: value), as: UTF8.self)
    }

    @Test func keysAreSortedByBytes() throws {
        let keys = ["b", "a10", "a2", "B", "é", "z", "_"]
        let table = Dictionary(uniqueKeysWithValues: keys.enumerated().map { ($1, $0) })
        #expect(try json(table) == #"{"B":3,"_":6,"a10":1,"a2":2,"b":0,"z":5,"é":4}"#)
    }

    @Test func numbersAreTheShortestThatReadBack() throws {
        #expect(try json([0.1, 1.0, -0.5, 1e-5, 1.0 / 3]) == "[0.1,1,-0.5,1e-05,0.3333333333333333]")
        #expect(try json([Float(0.1), 0.00085]) == "[0.1,0.00085]")
        #expect(try json([UInt64.max, 1 << 63]) == "[18446744073709551615,9223372036854775808]")
        #expect(try json([Int.min, Int.max]) == "[-9223372036854775808,9223372036854775807]")
        for _ in 0..<1000 {
            let value = Double(bitPattern: .random(in: 0...UInt64.max))
            guard value.isFinite else { continue }
            #expect(try JSONDecoder().decode([Double].self, from: canonicalJSON(of: [value])) == [value])
        }
    }

    @Test func textsAreEscapedAsLittleAsPossible() throws {
        let text = "a/b \"q\" \\ \n\t\r\u{1}\u{7F} é 🏔"
        #expect(try json(text) == #""a/b \"q\" \\ \n\t\r\u0001"# + "\u{7F} é 🏔\"")
    }

    @Test func structuresAreKept() throws {
        struct Value: Encodable {
            var list: [[Int]] = [[], [1]]
            var flag = true
            var none: Int?
            var empty: [String: Int] = [:]
        }
        #expect(try json(Value()) == #"{"empty":{},"flag":true,"list":[[],[1]]}"#)
        #expect(try json([Int?.none, 1]) == "[null,1]")
    }

    @Test func infinitiesAreErrorsWithTheirPlace() {
        struct Value: Encodable { var inner = ["rate": Double.infinity] }
        let error = #expect(throws: RecipeError.self) { try canonicalJSON(of: Value()) }
        #expect(error?.key == "inner.rate")
    }

    @Test func hashesFollowTheValueAlone() throws {
        struct One: Encodable { var a = 1.0, b = "x" }
        struct Two: Encodable { var b = "x", a = 1 }
        #expect(try canonicalHash(of: One()) == canonicalHash(of: Two()))
        #expect(try canonicalHash(of: One()) == sha256Hex(of: Array(#"{"a":1,"b":"x"}"#.utf8)))
        #expect(try canonicalHash(of: One(a: 1.5)) != canonicalHash(of: One()))
    }
}
