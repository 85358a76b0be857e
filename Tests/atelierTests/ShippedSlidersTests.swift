import Adapters
import Foundation
import Generation
import Recipes
import TensorCore
import Testing
import Training
import Weights

@testable import atelier

/// What stands in `Sliders/` fits the embedded model and says what it is.
@Suite struct ShippedSlidersTests {
    private static let sliders = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
        .deletingLastPathComponent().appending(path: "Sliders")
    private static let names = entries(of: sliders).filter { !$0.contains(".") && $0 != "styles" }
    private static let styles = entries(of: sliders.appending(path: "styles"))
    private static let stacks = entries(of: sliders).filter { $0.hasSuffix(".stack.yaml") }

    private static func entries(of folder: URL) -> [String] {
        ((try? FileManager.default.contentsOfDirectory(atPath: folder.path)) ?? []).sorted()
    }

    @Test func `there are ten sliders and two stacks`() {
        #expect(Self.names.count >= 10 && Self.stacks.count >= 2)
    }

    @Test func `every slider is of the embedded model, calibrated, and has its recipe and card`() throws {
        let store = try Assets.store("mini", assets: nil)
        let modules = try ModuleTable(store)
        let hash = try store.hash()
        for name in Self.names {
            let folder = Self.sliders.appending(path: name)
            let adapter = try Adapter(path: folder.appending(path: name + ".safetensors").path, modules: modules)
            let note = try #require(adapter.sliderNote, "\(name)")
            #expect(note.name == name && note.base == hash, "\(name)")
            #expect(note.unit.map { $0 > 0 } == true && note.trait != nil && note.curve?.isEmpty == false, "\(name)")
            let recipe = try decodeRecipe(SliderRecipe.self, at: folder.appending(path: "recipe.yaml").path)
            try recipe.validate()
            #expect(recipe.name == name && recipe.trait == note.trait && recipe.start ?? 1 == note.start, "\(name)")
            for file in ["report.json", "report.md", "sheet.png"] {
                #expect(FileManager.default.fileExists(atPath: folder.appending(path: file).path), "\(name)/\(file)")
            }
        }
    }

    @Test func `three styles are of the embedded model, found by name, and have their recipe, pair and card`() throws {
        #expect(Self.styles.count >= 3)
        let store = try Assets.store("mini", assets: nil)
        let (modules, hash) = (try ModuleTable(store), try store.hash())
        let folders = StackFolders(own: [], shipped: Self.sliders.path)
        for name in Self.styles {
            let folder = Self.sliders.appending(path: "styles/\(name)")
            let adapter = try Adapter(path: folders.file(of: name), modules: modules)
            let note = try #require(StyleNote(adapter.metadata), "\(name)")
            #expect(note.name == name && note.role == .style && note.base == hash && note.strength > 0, "\(name)")
            let recipe = try decodeRecipe(PairRecipe.self, at: folder.appending(path: "recipe.yaml").path)
            #expect(recipe.name == name && recipe.phrase == note.phrase && recipe.strength == note.strength, "\(name)")
            // The recipe beside it is the one that it was learnt by, and that its file holds.
            let text = String(decoding: try canonicalJSON(of: recipe), as: UTF8.self)
            #expect(adapter.metadata["atelier.recipe"] == text, "\(name)")
            #expect(try note.recipe == canonicalHash(of: Learnt(model: hash, recipe: recipe)), "\(name)")
            for pair in recipe.pairs {
                for file in [pair.content, pair.style] {
                    #expect(FileManager.default.fileExists(atPath: folder.appending(path: file).path), "\(file)")
                }
            }
            #expect(FileManager.default.fileExists(atPath: folder.appending(path: "sheet.png").path), "\(name)")
        }
    }

    /// What the hash of a style's recipe is of.
    private struct Learnt: Encodable {
        let model: String
        let recipe: PairRecipe
    }

    @Test func `ink recommends a strength of the range that it was compared in`() throws {
        let path = Self.sliders.appending(path: "styles/ink/ink.safetensors").path
        let note = try #require(StyleNote(try TensorFile(path: path).metadata))
        #expect(note.strength == 1)
        // What it recommends is a word in its metadata; the weights are those that were measured.
        let bytes = try Data(contentsOf: URL(filePath: path))
        let header = bytes.prefix(8).reversed().reduce(0) { $0 << 8 | Int($1) }
        let weights = sha256Hex(of: bytes.dropFirst(8 + header))
        #expect(weights == "d493241d5dc8bfb68abcd5f9ced7aaedd6d0da8129577112831cbd2c6c5f8325")
    }

    @Test func `every stack finds its sliders`() throws {
        let folders = StackFolders(own: [], shipped: Self.sliders.path)
        for name in Self.stacks {
            let stack = try decodeRecipe(StackFile.self, at: Self.sliders.appending(path: name).path)
            #expect(stack.entries.count >= 2)
            for entry in stack.entries {
                #expect(try folders.file(of: entry.slider).hasPrefix(Self.sliders.path), "\(entry.slider)")
            }
        }
    }
}
