import Foundation
import Synchronization
import TestSupport
import Testing

@testable import Jobs

/// Many jobs: what a kill leaves, what is done again, what fails, and how shards divide.
@Suite struct BatchRunTests {
    private struct Broken: Error, CustomStringConvertible { let description = "it broke" }

    /// Jobs whose outputs are their numbers, and a count of how often any was made.
    private func tasks(_ count: Int, failing: Set<Int> = [], made: Counter = Counter()) -> [BatchTask] {
        (0..<count).map { number in
            BatchTask(output: "part/\(number).txt") {
                PreparedTask(key: "key \(number)") {
                    if failing.contains(number) { throw Broken() }
                    made.add()
                    return Array("number \(number)\n".utf8)
                }
            }
        }
    }

    private func files(_ folder: URL) throws -> [String] {
        let part = folder.appending(path: "part").path
        guard FileManager.default.fileExists(atPath: part) else { return [] }
        return try FileManager.default.contentsOfDirectory(atPath: part).sorted()
    }

    @Test func `what is done stays done`() throws {
        try inTemporaryFolder { folder in
            let made = Counter()
            let run = BatchRun(folder: folder)
            #expect(try run.run(tasks(5, made: made)) == .init(made: 5))
            #expect(try run.run(tasks(7, made: made)) == .init(made: 2, kept: 5))
            #expect(try made.count == 7 && files(folder).count == 7)
            // An output that was taken away is made again.
            try FileManager.default.removeItem(at: folder.appending(path: "part/3.txt"))
            #expect(try run.run(tasks(7, made: made)) == .init(made: 1, kept: 6))
        }
    }

    @Test func `an output that another list has written over is made again`() throws {
        try inTemporaryFolder { folder throws in
            func task(_ key: String) -> BatchTask {
                BatchTask(output: "a.txt") { PreparedTask(key: key) { Array(key.utf8) } }
            }
            func text() throws -> String { try String(contentsOf: folder.appending(path: "a.txt"), encoding: .utf8) }
            let run = BatchRun(folder: folder)
            for key in ["one", "two", "one"] {
                #expect(try run.run([task(key)]).made == 1)
                #expect(try text() == key)
            }
            #expect(try run.run([task("one")]).kept == 1)
        }
    }

    @Test func `another list's output of the same name and size does not count`() throws {
        try inTemporaryFolder { folder throws in
            func task(_ key: String, _ text: String) -> BatchTask {
                BatchTask(output: "a.txt") { PreparedTask(key: key) { Array(text.utf8) } }
            }
            func text() throws -> String { try String(contentsOf: folder.appending(path: "a.txt"), encoding: .utf8) }
            // Two journals in one folder; which line is later, their names do not say.
            let shard = try #require(Shard("1/2"))
            #expect(try BatchRun(folder: folder, shard: shard, list: "b").run([task("two", "2222")]).made == 1)
            #expect(try BatchRun(folder: folder, list: "a").run([task("one", "1111")]).made == 1)
            #expect(try BatchRun(folder: folder, shard: shard, list: "b").run([task("two", "2222")]).made == 1)
            #expect(try text() == "2222")
            #expect(try BatchRun(folder: folder, list: "a").run([task("one", "1111")]).made == 1)
            #expect(try text() == "1111")
            #expect(try BatchRun(folder: folder, list: "a").run([task("one", "1111")]).kept == 1)
            // A file that was changed in place is not the job's output any more.
            try Data("1112".utf8).write(to: folder.appending(path: "a.txt"))
            #expect(try BatchRun(folder: folder, list: "a").run([task("one", "1111")]).made == 1)
            #expect(try text() == "1111")
        }
    }

    @Test func `half an output of a job that was changed is never taken`() throws {
        try inTemporaryFolder { folder throws in
            let old = OutputFile(folder: folder, output: "a.txt", key: "old")
            try old.write(Array("whole".utf8))
            let run = BatchRun(folder: folder)
            let task = BatchTask(output: "a.txt") { PreparedTask(key: "new") { Array("other".utf8) } }
            #expect(try run.run([task]).made == 1)
            #expect(try String(contentsOf: old.path, encoding: .utf8) == "other")
            #expect(old.temporary != OutputFile(folder: folder, output: "a.txt", key: "new").temporary)
        }
    }

    @Test func `the report tells of every job, in order`() throws {
        try inTemporaryFolder { folder throws in
            struct Line: Decodable {
                let job: Int
                let output: String
                let state: String
                let seconds: Double?
                let error: String?
            }
            func lines(_ name: String = "report.jsonl") throws -> [Line] {
                let text = try String(contentsOf: folder.appending(path: name), encoding: .utf8)
                return try text.split(separator: "\n").map {
                    try JSONDecoder().decode(Line.self, from: Data($0.utf8))
                }
            }
            _ = try BatchRun(folder: folder, keepsGoing: true).run(tasks(4, failing: [2]))
            #expect(try lines().map(\.state) == ["done", "done", "failed", "done"])
            #expect(try lines()[2].error == "it broke" && lines()[1].output == "part/1.txt")
            #expect(try lines().map(\.job) == [1, 2, 3, 4] && lines()[0].seconds != nil)
            let shard = try #require(Shard("2/3"))
            _ = try BatchRun(folder: folder, shard: shard).run(tasks(9, failing: [1]))
            #expect(try lines("report-2-of-3.jsonl").map(\.job) == [2, 5, 8])
            #expect(try lines("report-2-of-3.jsonl").first?.state == "done")
        }
    }

    @Test func `a kill between two moments loses nothing and makes nothing twice`() throws {
        try inTemporaryFolder { folder in
            let made = Counter()
            let run = BatchRun(folder: folder)
            _ = try run.run(tasks(4, made: made))
            let journal = folder.appending(path: "journal.jsonl")
            let text = try Data(contentsOf: journal)
            // After the journal's line, before the name.
            let (named, unnamed) = (
                folder.appending(path: "part/2.txt"),
                OutputFile(folder: folder, output: "part/2.txt", key: "key 2").temporary
            )
            try FileManager.default.moveItem(at: named, to: unnamed)
            #expect(try run.run(tasks(4, made: made)) == .init(kept: 4))
            #expect(FileManager.default.fileExists(atPath: named.path))
            // In the middle of a line, and of a file.
            // Pieces that run side by side end in any order.
            let lines = text.split(separator: UInt8(ascii: "\n")).map { Data($0) }
            let last = try #require(lines.first { $0.range(of: Data("part/3.txt".utf8)) != nil })
            let whole = lines.filter { $0 != last }.map { $0 + Data("\n".utf8) }
            try (whole.reduce(Data(), +) + last.prefix(20)).write(to: journal)
            try FileManager.default.removeItem(at: folder.appending(path: "part/3.txt"))
            try Data("num".utf8).write(
                to: OutputFile(folder: folder, output: "part/3.txt", key: "key 3").temporary)
            #expect(try run.run(tasks(4, made: made)) == .init(made: 1, kept: 3))
            #expect(try files(folder) == ["0.txt", "1.txt", "2.txt", "3.txt"] && made.count == 5)
            let again = try String(contentsOf: journal, encoding: .utf8).split(separator: "\n")
            let states = try again.map { try JSONDecoder().decode(Journal.Line.self, from: Data($0.utf8)).state }
            #expect(states.allSatisfy { $0 == .done })
        }
    }

    @Test func `a job that fails ends the run, or is told of and left`() throws {
        try inTemporaryFolder { folder in
            let strict = try BatchRun(folder: folder).run(tasks(9, failing: [0]))
            #expect(strict.failed == ["part/0.txt"] && strict.made < 8)
            let events = Mutex<[String]>([])
            let loose = try BatchRun(folder: folder, keepsGoing: true).run(
                tasks(9, failing: [0, 4]),
                report: { event in if let error = event.error { events.withLock { $0.append(error) } } })
            #expect(loose.failed == ["part/0.txt", "part/4.txt"] && loose.made + loose.kept == 7)
            #expect(events.withLock { $0 } == ["it broke", "it broke"])
            #expect(try files(folder).count == 7)
            // What failed is tried again.
            #expect(try BatchRun(folder: folder).run(tasks(9)) == .init(made: 2, kept: 7))
        }
    }

    @Test func `shards divide the jobs, and know of each other's`() throws {
        try inTemporaryFolder { folder in
            let made = Counter()
            for index in 1...3 {
                let shard = try #require(Shard("\(index)/3"))
                #expect(try BatchRun(folder: folder, shard: shard).run(tasks(10, made: made)).kept == 0)
            }
            #expect(try made.count == 10 && files(folder).count == 10)
            #expect(try BatchRun(folder: folder).run(tasks(10)) == .init(kept: 10))
        }
        for bad in ["0/3", "4/3", "1", "1/", "a/b", "1/2/3", "-1/2"] { #expect(Shard(bad) == nil, "\(bad)") }
    }

    @Test func `a stop is taken between jobs, and two runs never share a journal`() throws {
        try inTemporaryFolder { folder in
            let asked = Counter()
            let report = try BatchRun(folder: folder).run(tasks(50)) { _ in
            } shouldStop: {
                asked.add()
                return asked.count > 2
            }
            #expect(report.isStopped && report.made > 0 && report.made < 50)
            let open = try Journal(folder: folder, shard: .whole)
            let error = #expect(throws: JobError.self) { try BatchRun(folder: folder).run(tasks(1)) }
            #expect(error?.description.contains("expected no other run") == true)
            withExtendedLifetime(open) {}
        }
    }

    @Test func `outputs are inside the folder, each its own`() throws {
        try inTemporaryFolder { folder throws in
            for output in ["../a.txt", "/a.txt", "", "a//b", "./a"] {
                let task = BatchTask(output: output) { PreparedTask(key: "a") { [] } }
                #expect(throws: JobError.self, "\(output)") { try BatchRun(folder: folder).run([task]) }
            }
            let error = #expect(throws: JobError.self) { try BatchRun(folder: folder).run(tasks(2) + tasks(1)) }
            #expect(error?.description.contains("job 3: output") == true)
            #expect(try FileManager.default.contentsOfDirectory(atPath: folder.path).isEmpty)
        }
    }

    @Test func `of two jobs with one output the second fails, where one keeps going`() throws {
        try inTemporaryFolder { folder throws in
            func named(_ outputs: [String]) -> [BatchTask] {
                outputs.enumerated().map { number, output in
                    BatchTask(output: output) {
                        PreparedTask(key: "key \(number)") { Array("number \(number)\n".utf8) }
                    }
                }
            }
            var events: [BatchRun.Event] = []
            let run = BatchRun(folder: folder, keepsGoing: true, list: "list")
            let outputs = ["a.png", "b.png", "a.png", "x.png", "x.png/y.png", "c/d.png", "c", "../e.png", "f.png"]
            let report = try run.run(named(outputs), report: { events.append($0) })
            #expect(report.made == 5 && report.failed == ["a.png", "x.png/y.png", "c", "../e.png"])
            let told = events.compactMap(\.error)
            #expect(
                told == [
                    "job 3: output: expected a name of its own, found 'a.png', which job 1 has",
                    "job 5: output: expected a folder that can be one, found 'x.png/y.png', where 'x.png' is the file "
                        + "of job 4",
                    "job 7: output: expected a name for a file, found 'c', which job 6 needs as a folder",
                    "job 8: output: expected a name inside the output folder, found '../e.png'",
                ])
            #expect(try String(contentsOf: folder.appending(path: "a.png"), encoding: .utf8) == "number 0\n")
            // What failed is not done.
            #expect(events.last.map { [$0.done, $0.failed, $0.total] } == [5, 4, 9])
            #expect(try run.run(named(outputs)).kept == 5)
            // A merge takes no one's output for another's.
            let merged = try BatchMerge(folder: folder, list: "list", outputs: outputs).run()
            #expect(merged == .init(done: 5, failed: ["a.png", "x.png/y.png", "c", "../e.png"]))
            #expect(throws: JobError.self) { try BatchRun(folder: folder).run(named(outputs)) }
        }
    }

    @Test func `an output that cannot be written is its job's failure`() throws {
        try inTemporaryFolder { folder in
            // A file stands where the folder should be.
            try Data().write(to: folder.appending(path: "part"))
            var told: [String] = []
            let report = try BatchRun(folder: folder, keepsGoing: true).run(
                tasks(2), report: { told.append($0.error ?? "") })
            #expect(report.failed.count == 2)
            let place = folder.appending(path: "part").path
            #expect(
                told.first?.hasPrefix("\(place)/0.txt: expected a folder at \(place), found a file") == true, "\(told)")
            // A folder stands where the file should be.
            let task = BatchTask(output: "whole") { PreparedTask(key: "whole") { [1] } }
            try FileManager.default.createDirectory(
                at: folder.appending(path: "whole"), withIntermediateDirectories: false)
            told = []
            _ = try BatchRun(folder: folder, keepsGoing: true).run([task], report: { told.append($0.error ?? "") })
            #expect(told.first?.contains("expected a file there or nothing, found a folder") == true, "\(told)")
            try FileManager.default.removeItem(at: folder.appending(path: "part"))
            #expect(try BatchRun(folder: folder).run(tasks(2)) == .init(made: 2))
        }
    }
}
