import Foundation
import Recipes
import Testing

/// Values that are set from outside a recipe: in their places, checked as if the file had said them.
@Suite struct RecipeSettingTests {
    private struct Recipe: Codable, Equatable {
        struct Network: Codable, Equatable {
            var rank: Int
            var scale: Double?
        }
        struct Pair: Codable, Equatable { var prompt: String }

        var name: String
        var network: Network?
        var pairs: [Pair]?
        var isQuick: Bool?
    }

    private func read(_ text: String, _ set: [String: RecipeSetting]) throws -> Recipe {
        try decodeRecipe(Recipe.self, yaml: text, name: "a.yaml", setting: set)
    }

    private let text = "name: a\nnetwork: {rank: 4, scale: 1}\npairs: [{prompt: x}, {prompt: y}]\n"

    @Test func `values take the place of the file's, or are added to it`() throws {
        let plain = try read(text, [:])
        #expect(try plain == decodeRecipe(Recipe.self, yaml: text))
        let set = try read(
            text,
            [
                "network.rank": .whole(8), "network.scale": .number(0.1), "pairs.1.prompt": .text("3"),
                "is_quick": .boolean(true),
            ])
        #expect(set.network == .init(rank: 8, scale: 0.1) && set.pairs?.map(\.prompt) == ["x", "3"])
        #expect(set.isQuick == true && set.name == "a")
        #expect(try read("name: a", ["network.rank": .whole(2)]).network?.rank == 2)
        #expect(try read(text, ["network": .table(["rank": .whole(1)])]).network == .init(rank: 1, scale: nil))
        #expect(try read(text, ["pairs": .list([.table(["prompt": .text("z")])])]).pairs?.map(\.prompt) == ["z"])
        #expect(try read(text, ["network.scale": .null]).network?.scale == nil)
    }

    @Test(arguments: [
        ("network.rnak", RecipeSetting.whole(8), "network.rnak: expected a known key", "found \"rnak\""),
        ("network.rank", .text("8"), "network.rank: expected a whole number", "with what is set"),
        ("networks.rank", .whole(8), "networks: expected a known key", "with what is set"),
        ("pairs.2.prompt", .text("z"), "pairs.2.prompt: expected the number of one of 2 elements", "\"2\""),
        ("pairs.x", .text("z"), "pairs.x", "from 0"),
        ("name.first", .text("z"), "name.first: expected keys below", "the text \"a\" on line 1"),
        ("network..rank", .whole(1), "network..rank", "points between"), ("", .whole(1), "keys with points", "\"\""),
    ])
    func `a wrong place is named`(_ place: String, _ value: RecipeSetting, _ words: String, _ more: String) throws {
        let error = #expect(throws: RecipeError.self) { try read(text, [place: value]) }
        let message = error.map { "\($0)" } ?? ""
        #expect(message.hasPrefix("a.yaml") && message.contains(words) && message.contains(more), "\(message)")
        #expect(!message.contains("line 0"))
    }

    @Test func `values of every kind are read and written`() throws {
        let read = try decodeRecipe(
            [String: RecipeSetting].self, yaml: "{a.b: 8, c: 0.5, d: true, e: x, f: [1, y], g: {h: null}, i: '8'}")
        let expected: [String: RecipeSetting] = [
            "a.b": .whole(8), "c": .number(0.5), "d": .boolean(true), "e": .text("x"),
            "f": .list([.whole(1), .text("y")]), "g": .table(["h": .null]), "i": .text("8"),
        ]
        #expect(read == expected)
        let again = try JSONDecoder().decode([String: RecipeSetting].self, from: JSONEncoder().encode(read))
        #expect(again == expected)
    }
}
