import Foundation
import Recipes
import TestSupport
import Testing

@testable import Generation

/// Where names of sliders are looked up: the user's folders, the stack's, the shipped one; paths where they say.
@Suite struct StackFoldersTests {
    private func inFolder(_ files: [String], _ body: (String) throws -> Void) throws {
        try inTemporaryFolder { folder in
            for file in files {
                let url = folder.appending(path: file)
                try FileManager.default.createDirectory(
                    at: url.deletingLastPathComponent(), withIntermediateDirectories: true)
                try Data("x".utf8).write(to: url)
            }
            try body(folder.path)
        }
    }

    @Test(.timeLimit(.minutes(1))) func `a device is no file, and nothing waits for its end`() throws {
        let folders = StackFolders(own: [], shipped: nil)
        #expect(throws: GenerationError.self) { try folders.file(of: "/dev/zero", beside: "/tmp") }
        #expect(throws: GenerationError.self) { try fileHash("/dev/zero") }
        #expect(throws: RecipeError.self) { try sha256Hex(ofFile: "/dev/zero") }
    }

    @Test func `names go through the folders in turn, with dots or without`() throws {
        let files = [
            "own/a.pt", "own/age.v2.safetensors", "stack/a.pt", "stack/b.pt", "stack/age.v2.safetensors",
            "shipped/a/a.safetensors", "shipped/b/b.safetensors", "shipped/c/c.safetensors",
        ]
        try inFolder(files) { folder in
            let folders = StackFolders(own: ["\(folder)/own"], shipped: "\(folder)/shipped")
            let found = try ["a", "b", "c", "c.safetensors", "age.v2", "age.v2.safetensors"].map {
                try folders.file(of: $0, beside: "\(folder)/stack").dropFirst(folder.count)
            }
            #expect(
                found == [
                    "/own/a.pt", "/stack/b.pt", "/shipped/c/c.safetensors", "/shipped/c/c.safetensors",
                    "/own/age.v2.safetensors", "/own/age.v2.safetensors",
                ])
            let onCommandLine = try folders.file(of: "b")
            #expect(onCommandLine == "\(folder)/shipped/b/b.safetensors")
            let error = #expect(throws: GenerationError.self) {
                try folders.file(of: "none", beside: "\(folder)/stack", for: "a.stack.yaml: entry 2 (none)")
            }
            #expect(
                error?.description == "a.stack.yaml: entry 2 (none): expected a file none.safetensors in "
                    + "\(folder)/own, \(folder)/stack, \(folder)/shipped, found none")
        }
    }

    @Test func `paths of a stack start in its folder`() throws {
        try inFolder(["stack/faces/a.pt", "a.pt", "own/faces/b.pt"]) { folder in
            let folders = StackFolders(own: ["\(folder)/own"])
            let found = try ["faces/a", "../a.pt", "\(folder)/a.pt"].map {
                try folders.file(of: $0, beside: "\(folder)/stack").dropFirst(folder.count)
            }
            #expect(found == ["/stack/faces/a.pt", "/stack/../a.pt", "/a.pt"])
            #expect(throws: GenerationError.self) { try folders.file(of: "faces/b.pt", beside: "\(folder)/stack") }
        }
    }

    /// The tests run in the package's folder.
    @Test func `the working directory is for the command line alone, and for paths`() throws {
        let relative = "Tests/Fixtures/golden/adapters/slider-f16.pt"
        try #require(FileManager.default.fileExists(atPath: relative))
        try inFolder([]) { folder in
            let folders = StackFolders(own: [folder])
            let found = try folders.file(of: relative)
            #expect(found == relative)
            #expect(throws: GenerationError.self) { try folders.file(of: relative, beside: folder) }
            // A name with a dot that happens to be a file there is another one's.
            #expect(throws: GenerationError.self) { try folders.file(of: "Package.swift") }
            #expect(throws: GenerationError.self) { try folders.file(ofTag: relative) }
        }
    }

    @Test func `tags in prompts do not leave the folders`() throws {
        try inFolder(["own/age.v2.safetensors", "own/faces/a.pt", "secret.pt"]) { folder in
            let folders = StackFolders(own: ["\(folder)/own"])
            let found = try ["age.v2", "faces/a"].map { try folders.file(ofTag: $0).dropFirst(folder.count) }
            #expect(found == ["/own/age.v2.safetensors", "/own/faces/a.pt"])
            for name in ["../secret", "../secret.pt", "faces/../../secret.pt", "\(folder)/secret.pt", ".."] {
                let error = #expect(throws: GenerationError.self, "\(name)") { try folders.file(ofTag: name) }
                #expect(error?.description.contains("out of it") == true)
            }
            let error = #expect(throws: GenerationError.self) { try folders.file(ofTag: "nothing") }
            #expect(error?.description.contains("<lora:nothing>: expected a file nothing.safetensors in") == true)
        }
    }
}
