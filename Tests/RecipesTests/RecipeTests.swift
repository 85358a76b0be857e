import Foundation
import Recipes
import TestSupport
import Testing

/// A recipe with something of everything.
struct Sample: Codable, Equatable {
    struct Part: Codable, Equatable {
        var channels: [Int]
        var learningRate: Double
        var minSNRGamma: Double?
        var useEMA: Bool
    }
    enum Kind: String, Codable, CaseIterable { case slider, style }
    enum Width: Codable, Equatable {
        case all(Int)
        case each([Int])

        init(from decoder: any Decoder) throws {
            let container = try decoder.singleValueContainer()
            if let value = try? container.decode(Int.self) {
                self = .all(value)
            } else {
                self = .each(try container.decode([Int].self))
            }
        }
    }
    struct Refused: Error, CustomStringConvertible { var description = "steps must be even" }
    struct Even: Codable, Equatable {
        var steps: Int
        init(from decoder: any Decoder) throws {
            steps = try decoder.container(keyedBy: CodingKeys.self).decode(Int.self, forKey: .steps)
            if steps % 2 == 1 { throw Refused() }
        }
    }

    enum CodingKeys: String, CodingKey {
        case name, seed, unet, parts, notes, kind, width, even
        case className = "_class_name"
    }

    var name: String
    var seed: UInt64
    var unet: Part
    var parts: [Part]?
    var notes: [String: String]?
    var kind: Kind?
    var width: Width?
    var even: Even?
    var className: String?
}

private let good = """
    # A comment with R&B, *stars* and &what looks like an anchor.
    name: fox
    seed: 18446744073709551615
    unet:
      channels: [32, 64]   # two, &c.
      learning_rate: 1e-4
      use_ema: true

    """

@Suite struct RecipeTests {
    private func decode(_ yaml: String) throws -> Sample {
        try decodeRecipe(Sample.self, yaml: yaml, name: "r.yaml")
    }

    private func message(_ yaml: String) -> String? {
        do {
            let value = try decode(yaml)
            Issue.record("expected an error, found \(value)")
            return nil
        } catch let error as RecipeError {
            return error.description
        } catch {
            Issue.record("expected a RecipeError, found \(error)")
            return nil
        }
    }

    @Test func goodRecipesAreRead() throws {
        let recipe = try decode(
            good + """
                parts:
                  - {channels: [], learning_rate: 2., min_snr_gamma: -.5, use_ema: false}
                  - channels:
                      - 0x10
                      - -3
                    learning_rate: -1.5E+3
                    min_snr_gamma: null
                    use_ema: True
                notes: {trainingRate: 'fast', "a b": "yes", c: yes, d: "12", camelCase: it's}
                kind: style
                width: [1, 2]
                even: {steps: 4}
                _class_name: >-
                  folded
                  text
                """)
        #expect(recipe.name == "fox")
        #expect(recipe.seed == .max)
        #expect(recipe.unet == .init(channels: [32, 64], learningRate: 1e-4, useEMA: true))
        #expect(recipe.parts?[0] == .init(channels: [], learningRate: 2, minSNRGamma: -0.5, useEMA: false))
        #expect(recipe.parts?[1] == .init(channels: [16, -3], learningRate: -1500, useEMA: true))
        #expect(recipe.notes == ["trainingRate": "fast", "a b": "yes", "c": "yes", "d": "12", "camelCase": "it's"])
        #expect(recipe.width == .each([1, 2]))
        #expect(recipe.className == "folded text")
    }

    @Test func jsonIsYAML() throws {
        let json = #"{"name": "x", "seed": 1, "unet": {"channels": [1], "learning_rate": 0.5, "use_ema": false}}"#
        #expect(try decode(json).unet.channels == [1])
    }

    @Test func unknownKeysAreReportedWithTheirLikes() {
        #expect(
            message(good.replacing("channels", with: "chanels"))
                == "r.yaml: unet.channels: expected a value, found none (but \"chanels\") on line 5")
        #expect(
            message(good + "knid: style\n")
                == "r.yaml: knid: expected a known key, found \"knid\" on line 8; did you mean \"kind\"?")
        #expect(message(good + "zebra: 1\n") == "r.yaml: zebra: expected a known key, found \"zebra\" on line 8")
        #expect(
            message(good + "parts: [{channels: [], learning_rate: 1, use_ema: true, min_snr_gama: 5}]")
                == "r.yaml: parts[0].min_snr_gama: expected a known key, found \"min_snr_gama\" on line 8"
                + "; did you mean \"min_snr_gamma\"?")
        #expect(
            message(good.replacing("learning_rate", with: "learningRate"))?.contains("but \"learningRate\"") == true)
        #expect(message(good + "<<: {kind: style}\n")?.contains("found \"<<\"") == true)
    }

    @Test(arguments: [
        (
            "name: 12",
            "r.yaml: name: expected a text (in quotes where it looks like a number), found the number 12 on line 2"
        ),
        ("name: true", "r.yaml: name: expected a text (in quotes where it looks like a number), found true on line 2"),
        ("name: null", "r.yaml: name: expected a text (in quotes where it looks like a number), found null on line 2"),
        (
            "name: [a]",
            "r.yaml: name: expected a text (in quotes where it looks like a number), found a list of 1 on line 2"
        ),
    ])
    func textsAreTexts(line: String, expected: String) {
        #expect(message(good.replacing("name: fox", with: line)) == expected)
    }

    @Test(arguments: [
        "1.0", "1e3", "-1", "18446744073709551616", "\"1\"", "one", "true", "{}", "0x", "+", "1_000", "١",
    ])
    func wholeNumbersAreWhole(value: String) {
        let found = message(good.replacing("18446744073709551615", with: value))
        #expect(
            found?.hasPrefix("r.yaml: seed: expected a whole number from 0 to 18446744073709551615, found ") == true)
    }

    @Test(arguments: [
        ".inf", "-.INF", ".nan", "1e999", "nan", "inf", "0x1p3", "1.2.3", "e5", "\"0.1\"", "--1", "infinity",
    ])
    func numbersAreFinite(value: String) {
        let found = message(good.replacing("1e-4", with: value))
        #expect(found?.hasPrefix("r.yaml: unet.learning_rate: expected a finite number, found ") == true)
    }

    @Test(arguments: ["yes", "on", "1", "\"true\"", "tRUE"])
    func truthValuesAreTrueOrFalse(value: String) {
        let found = message(good.replacing("use_ema: true", with: "use_ema: \(value)"))
        #expect(found?.hasPrefix("r.yaml: unet.use_ema: expected true or false, found ") == true)
    }

    @Test func placesWithinListsAreNamed() {
        let text = good.replacing("[32, 64]", with: "[32, x]")
        #expect(message(text) == "r.yaml: unet.channels[1]: expected a whole number, found the text \"x\" on line 5")
        #expect(message(good + "parts: {}") == "r.yaml: parts: expected a list, found keys and values on line 8")
        #expect(
            message(good + "parts: [3]") == "r.yaml: parts[0]: expected keys and values, found the number 3 on line 8")
    }

    @Test func typesThatCheckThemselvesAreHeard() {
        #expect(
            message(good + "even: {steps: 3}")
                == "r.yaml: even: expected valid values, found steps must be even on line 8")
        let kind = message(good + "kind: sldier")
        #expect(
            kind
                == "r.yaml: kind: expected one of slider, style, found the text \"sldier\" on line 8; did you mean \"slider\"?"
        )
        #expect(message(good + "width: x")?.contains("width: expected a list, found the text \"x\"") == true)
    }

    @Test(arguments: ["name:", "name: # nothing", "unet: {channels: }", "notes: [a, , b]", "notes:\n  - a\n  -\n"])
    func emptyValuesAreErrors(line: String) {
        let found = message(line + "\nseed: 1\n")
        #expect(
            found?.contains("expected a value, found nothing on line") == true || found?.contains("valid YAML") == true)
    }

    @Test func doubledKeysAreErrorsWithTheirPath() {
        let doubled = "r.yaml: unet.use_ema: expected the key once, found \"use_ema\" twice, first on line 7"
        #expect(message(good + "  use_ema: false\n") == doubled)
        let inList = "parts:\n  - channels: []\n    a: {b: 1}\n  - use_ema: 1\n    use_ema: 2\n"
        #expect(message(inList)?.hasPrefix("r.yaml: parts[1].use_ema: expected the key once") == true)
        #expect(message("{a: 1, a: 2}")?.contains("a: expected the key once") == true)
        #expect(message("a: 1\n\"a\": 2")?.contains("a: expected the key once") == true)
    }

    @Test func filesAreNamed() throws {
        try inTemporaryFolder { folder in
            let file = folder.appending(path: "recipe.yaml")
            try Data(good.utf8).write(to: file)
            #expect(try decodeRecipe(Sample.self, at: file.path).name == "fox")
            try Data([0x61, 0xFF, 0xFE]).write(to: file)
            let bytes = #expect(throws: RecipeError.self) { try decodeRecipe(Sample.self, at: file.path) }
            #expect(bytes?.description == "\(file.path): expected UTF-8 text, found other bytes")
            try Data(repeating: 0x20, count: (1 << 20) + 1).write(to: file)
            let large = #expect(throws: RecipeError.self) { try decodeRecipe(Sample.self, at: file.path) }
            #expect(large?.expected == "a recipe of at most 1048576 bytes")
            let missing = #expect(throws: RecipeError.self) { try decodeRecipe(Sample.self, at: "/no/such.yaml") }
            #expect(
                missing?.description == "/no/such.yaml: expected a readable recipe, found No such file or directory")
            #expect(throws: RecipeError.self) { try decodeRecipe(Sample.self, at: "/") }
        }
    }
}
