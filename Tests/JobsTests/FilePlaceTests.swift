import Foundation
import TestSupport
import Testing

@testable import Jobs

/// Paths that lead to one file, and what a folder of pictures holds.
@Suite struct FilePlaceTests {
    @Test func `links and roundabout paths lead to one place`() throws {
        try inTemporaryFolder { folder in
            let files = FileManager.default
            func path(_ name: String) -> String { folder.path + "/" + name }
            try files.createDirectory(atPath: path("in/below"), withIntermediateDirectories: true)
            for name in ["a.png", "b.png"] { try Data(name.utf8).write(to: folder.appending(path: "in/" + name)) }
            try files.createSymbolicLink(atPath: path("lnk"), withDestinationPath: "in")
            try files.createSymbolicLink(atPath: path("deep"), withDestinationPath: "in/below")
            try files.createSymbolicLink(atPath: path("c.png"), withDestinationPath: "in/a.png")
            try files.linkItem(atPath: path("in/a.png"), toPath: path("d.png"))
            let place = FilePlace(path("in/a.png"))
            for same in [
                "lnk/a.png", "in//a.png", "in/./a.png", "in/below/../a.png", "deep/../a.png", "c.png", "d.png",
                "in/new/../a.png",
            ] { #expect(FilePlace(path(same)) == place, "\(same)") }
            for other in ["in/b.png", "a.png", "in/a.png.png", "in"] {
                #expect(FilePlace(path(other)) != place, "\(other)")
            }
            // What is not there yet.
            let new = FilePlace(path("in/new/e.png"))
            for same in ["lnk/new/e.png", "lnk/new//e.png", "in/new/./e.png", "deep/../new/x/../e.png"] {
                #expect(FilePlace(path(same)) == new, "\(same)")
            }
            for other in ["in/e.png", "new/e.png", "in/new"] { #expect(FilePlace(path(other)) != new, "\(other)") }
            #expect(FilePlace("") == FilePlace(".") && FilePlace("new.png") == FilePlace("./new.png"))
            #expect(FilePlace(path("lnk/")) == FilePlace(path("in")))
        }
    }

    @Test func `a folder is its pictures, and what is left is told of`() throws {
        try inTemporaryFolder { folder in
            func write(_ names: [String]) throws {
                for name in names { try Data().write(to: folder.appending(path: name)) }
            }
            var error = #expect(throws: JobError.self) { try PictureFolder(folder.path) }
            #expect(error?.description == "\(folder.path): expected a folder with pictures, found an empty one")
            try write(["notes.txt", ".hidden.png"])
            error = #expect(throws: JobError.self) { try PictureFolder(folder.path) }
            #expect(error?.found == "no file whose name ends in .png, .jpg or .jpeg")
            try write(["b.png", "a.JPG", "c.jpeg"])
            let first = try PictureFolder(folder.path)
            #expect(first.names == ["a.JPG", "b.png", "c.jpeg"])
            #expect(
                first.remarks == [
                    "\(folder.path)/notes.txt: a file whose name does not end in .png, .jpg or .jpeg is left out"
                ])
            try write(["a.txt"])
            try FileManager.default.createDirectory(
                at: folder.appending(path: "below.png"), withIntermediateDirectories: false)
            let second = try PictureFolder(folder.path)
            #expect(second.names == first.names)
            #expect(
                second.remarks == [
                    "\(folder.path)/below.png: a folder inside a folder is left out",
                    "\(folder.path): 2 files whose names do not end in .png, .jpg or .jpeg are left out, such as a.txt",
                ])
            #expect(throws: JobError.self) { try PictureFolder(folder.path + "/nothing") }
        }
    }
}
