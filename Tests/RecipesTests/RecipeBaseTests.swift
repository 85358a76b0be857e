import Foundation
import Recipes
import TestSupport
import Testing

/// Recipes that name another one beside them as their base.
@Suite struct RecipeBaseTests {
    private struct Recipe: Codable, Equatable, DerivableRecipe {
        struct Stage: Codable, Equatable {
            var steps: Int
            var rates: [Double]?
        }
        var name: String
        var first: Stage?
        var second: Stage?
    }

    private struct Plain: Codable { var base: String }

    /// Reads `a.yaml` of a fresh folder with these files.
    private func recipe<R: Decodable>(
        _ files: [String: String], as type: R.Type = Recipe.self, setting values: [String: RecipeSetting] = [:]
    ) throws -> R {
        try inTemporaryFolder { folder in
            for (name, text) in files { try Data(text.utf8).write(to: folder.appending(path: name)) }
            return try decodeRecipe(type, at: folder.appending(path: "a.yaml").path, setting: values)
        }
    }

    private func complaint(_ files: [String: String], setting values: [String: RecipeSetting] = [:]) -> String {
        let error = #expect(throws: RecipeError.self) { _ = try recipe(files, setting: values) }
        return error?.description ?? ""
    }

    private let base = "name: b\nfirst: {steps: 1, rates: [1, 2]}\nsecond: {steps: 2}\n"

    @Test func `tables are joined, values take the base's place, and null takes a key out`() throws {
        let found = try recipe(["b.yaml": base, "a.yaml": "base: b.yaml\nname: a\nfirst: {rates: [3]}\nsecond: null\n"])
        #expect(found == Recipe(name: "a", first: .init(steps: 1, rates: [3])))
        #expect(
            try recipe(["b.yaml": base, "a.yaml": "base: b.yaml\n"])
                == Recipe(name: "b", first: .init(steps: 1, rates: [1, 2]), second: .init(steps: 2)))
        // What is set from outside stands over both; a base has its own base.
        let chain = ["c.yaml": base, "b.yaml": "base: c.yaml\nname: c", "a.yaml": "base: b.yaml\nfirst: {steps: 7}"]
        let set = try recipe(chain, setting: ["second.steps": .whole(9)])
        #expect(
            set == Recipe(name: "c", first: .init(steps: 7, rates: [1, 2]), second: .init(steps: 9)))
    }

    @Test func `circles, long chains and other folders are refused`() throws {
        #expect(complaint(["a.yaml": "base: a.yaml\nname: a"]).contains("found a.yaml -> a.yaml on line 1"))
        let circle = complaint(["a.yaml": "name: a\nbase: b.yaml", "b.yaml": "base: a.yaml"])
        #expect(circle.contains("a recipe that does not build on this one, found a.yaml -> b.yaml -> a.yaml"))
        for name in ["../b.yaml", "/etc/passwd", "x/b.yaml", "..", ".", "\"\"", "[b.yaml]", "null"] {
            let words = complaint(["a.yaml": "base: \(name)\nname: a"])
            #expect(words.contains("base: expected the name of a recipe in the same folder"), "\(name): \(words)")
        }
        #expect(complaint(["a.yaml": "base: b.yaml\nname: a"]).contains("b.yaml: expected a readable recipe"))
        var files = ["a.yaml": "base: 1.yaml\nname: a"]
        for number in 1...9 { files["\(number).yaml"] = number < 9 ? "base: \(number + 1).yaml" : "first: {steps: 1}" }
        #expect(complaint(files).contains("at most 8 recipes below one another"))
        files["8.yaml"] = "first: {steps: 1}"
        #expect(try recipe(files).first?.steps == 1)
    }

    @Test func `mistakes are told with the file that has them`() {
        let own = complaint(["b.yaml": base, "a.yaml": "base: b.yaml\nfirst: {stops: 1}"])
        #expect(own.contains("a.yaml: first.stops: expected a known key, found \"stops\" on line 2"))
        let below = complaint(["b.yaml": "first: {stops: 1, steps: 1}", "a.yaml": "base: b.yaml\nname: a"])
        #expect(below.contains("a.yaml, with b.yaml: first.stops: expected a known key, found \"stops\""))
        #expect(!below.contains("line"))
    }

    @Test func `other types keep a key of that name`() throws {
        #expect(try recipe(["a.yaml": "base: 3f2a61"], as: Plain.self).base == "3f2a61")
    }
}
