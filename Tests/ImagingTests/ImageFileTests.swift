import Foundation
import Imaging
import TestSupport
import Testing

@Suite struct ImageFileTests {
    @Test(arguments: ["a.png", "b.PNG", "c.jpg", "d.JPEG", "e.v2.png"])
    func formatFollowsTheExtension(name: String) throws {
        try inTemporaryFolder { folder in
            try writeImage(sample(), to: folder.appending(path: name).path, metadata: ["parameters": "x"])
            let bytes = try Data(contentsOf: folder.appending(path: name))
            #expect(bytes.first == (name.lowercased().hasSuffix("png") ? 0x89 : 0xFF))
            let (image, metadata) = try readImage(at: folder.appending(path: name).path)
            #expect((image.width, image.height) == (23, 17))
            #expect(metadata["parameters"] == "x")
            #expect(try readImage(at: folder.appending(path: name)).image == image)
        }
    }

    @Test func readingGoesByContent() throws {
        try inTemporaryFolder { folder in
            try Data(encodeImage(sample(), as: .png)).write(to: folder.appending(path: "misnamed.jpg"))
            #expect(try readImage(at: "\(folder.path)/misnamed.jpg").image == sample())
        }
    }

    @Test(arguments: ["plain", "a.gif", ".png", "a.png/b"])
    func otherExtensionsAreRefused(name: String) throws {
        try inTemporaryFolder { folder in
            // A dot file named `.png` has an extension by our rule and may be written; the others may not.
            guard name != ".png" else { return try writeImage(sample(), to: folder.appending(path: name).path) }
            let error = #expect(throws: ImageError.self) {
                try writeImage(sample(), to: folder.appending(path: name).path)
            }
            #expect(error?.kind == .unknownFormat)
            #expect(try contents(folder) == [])
        }
    }

    @Test func writingReplacesInOneStep() throws {
        try inTemporaryFolder { folder in
            try writeImage(sample(seed: 1), to: "\(folder.path)/a.png")
            try writeImage(sample(seed: 2), to: "\(folder.path)/a.png")
            #expect(try readImage(at: "\(folder.path)/a.png").image == sample(seed: 2))
            #expect(try contents(folder) == ["a.png"])
        }
    }

    @Test func unwritablePlacesLeaveNothingBehind() throws {
        try inTemporaryFolder { folder in
            let missing = #expect(throws: ImageError.self) { try writeImage(sample(), to: "\(folder.path)/no/a.png") }
            #expect(missing?.kind == .unwritable)
            #expect(missing?.description.contains("no/a.png: expected a place") == true)
            // A folder in the file's place: the temporary file can be written and must be removed again.
            try FileManager.default.createDirectory(
                atPath: "\(folder.path)/taken.png/x", withIntermediateDirectories: true)
            #expect(throws: ImageError.self) { try writeImage(sample(), to: "\(folder.path)/taken.png") }
            #expect(try contents(folder) == ["taken.png"])
        }
    }

    @Test func metadataErrorsLeaveNothingBehind() throws {
        try inTemporaryFolder { folder in
            let error = #expect(throws: ImageError.self) {
                try writeImage(sample(), to: "\(folder.path)/a.png", metadata: ["☃": "x"])
            }
            #expect(error?.path == "\(folder.path)/a.png")
            let left = try contents(folder)
            #expect(left == [])
        }
    }

    @Test func unreadableFilesAreNamed() throws {
        try inTemporaryFolder { folder in
            let missing = #expect(throws: ImageError.self) { try readImage(at: "\(folder.path)/none.png") }
            #expect(
                missing?.description
                    == "\(folder.path)/none.png: expected a readable image file, found No such file or directory")
            #expect(throws: ImageError.self) { try readImage(at: folder.path + "/") }
            #expect(mkfifo("\(folder.path)/pipe.png", 0o600) == 0)
            let pipe = #expect(throws: ImageError.self) { try readImage(at: "\(folder.path)/pipe.png") }
            #expect(pipe?.found == "not a regular file")
            try Data(count: 2000).write(to: folder.appending(path: "big.png"))
            let big = #expect(throws: ImageError.self) {
                try readImage(at: "\(folder.path)/big.png", limits: ImageLimits(encodedBytes: 1999))
            }
            #expect(big?.kind == .tooLarge)
        }
    }

    private func contents(_ folder: URL) throws -> [String] {
        try FileManager.default.contentsOfDirectory(atPath: folder.path)
    }
}
