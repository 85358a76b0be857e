import Foundation
import TestSupport
import Testing

@testable import Jobs

/// Joining what shards did: complete, of one list only, and the same however often and wherever it was cut off.
@Suite struct BatchMergeTests {
    private struct Broken: Error, CustomStringConvertible { let description = "it broke" }

    private func tasks(_ count: Int, failing: Set<Int> = []) -> [BatchTask] {
        (0..<count).map { number in
            BatchTask(output: "\(number).txt") {
                PreparedTask(key: "key \(number)") {
                    if failing.contains(number) { throw Broken() }
                    return Array("number \(number)\n".utf8)
                }
            }
        }
    }

    private func run(_ folder: URL, _ shards: [String], _ tasks: [BatchTask], list: String = "list") throws {
        for name in shards {
            let shard = try #require(Shard(name))
            _ = try BatchRun(folder: folder, shard: shard, keepsGoing: true, list: list).run(tasks)
        }
    }

    private func merge(_ folder: URL, _ count: Int, list: String = "list") throws -> BatchMerge.Report {
        try BatchMerge(folder: folder, list: list, outputs: (0..<count).map { "\($0).txt" }).run()
    }

    @Test func `shards become one journal and one report`() throws {
        try inTemporaryFolder { folder throws in
            try run(folder, ["1/3", "3/3"], tasks(7, failing: [3]))
            var report = try merge(folder, 7)
            #expect(report == .init(done: 4, failed: ["3.txt"], missing: ["1.txt", "4.txt"]))
            try run(folder, ["2/3"], tasks(7))
            try run(folder, ["1/3"], tasks(7))
            report = try merge(folder, 7)
            #expect(report == .init(done: 7) && report.isComplete)
            let journal = folder.appending(path: "journal.jsonl")
            let text = try Data(contentsOf: journal)
            #expect(try merge(folder, 7).isComplete)
            #expect(try Data(contentsOf: journal) == text)
            // A run of the whole list finds everything done.
            #expect(try BatchRun(folder: folder, list: "list").run(tasks(7)) == .init(kept: 7))
            let lines = try String(contentsOf: folder.appending(path: "report.jsonl"), encoding: .utf8)
            #expect(lines.split(separator: "\n").count == 7 && !lines.contains("failed"))
        }
    }

    @Test func `only the list's own lines count, and only outputs that are there`() throws {
        try inTemporaryFolder { folder throws in
            try run(folder, ["1/2", "2/2"], tasks(4), list: "other")
            #expect(try merge(folder, 4).missing.count == 4)
            // The same jobs in another list are done already, and are noted for it.
            try run(folder, ["1/2", "2/2"], tasks(4))
            #expect(try merge(folder, 4).isComplete && merge(folder, 4, list: "other").isComplete)
            try Data("number x\n".utf8).write(to: folder.appending(path: "2.txt"))
            #expect(try merge(folder, 4) == .init(done: 3, missing: ["2.txt"]))
            let nowhere = folder.appending(path: "nowhere")
            #expect(throws: JobError.self) { try merge(nowhere, 4) }
            #expect(!FileManager.default.fileExists(atPath: nowhere.path))
        }
    }

    @Test func `a merge that is cut off at any byte ends in the same journal`() throws {
        try inTemporaryFolder { folder throws in
            try run(folder, ["1/2", "2/2"], tasks(4, failing: [1]))
            _ = try merge(folder, 4)
            let journal = folder.appending(path: "journal.jsonl")
            let whole = try Data(contentsOf: journal)
            #expect(whole.split(separator: UInt8(ascii: "\n")).count == 4)
            for length in stride(from: 0, to: whole.count, by: 7) {
                try whole.prefix(length).write(to: journal)
                _ = try merge(folder, 4)
                #expect(try Data(contentsOf: journal) == whole, "cut at \(length)")
            }
        }
    }
}
