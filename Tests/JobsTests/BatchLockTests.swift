import Foundation
import TestSupport
import Testing

@testable import Jobs

/// Runs beside each other in one folder: the whole list alone, shards of one number together, and no job twice.
@Suite struct BatchLockTests {
    private func tasks(_ count: Int, made: Counter) -> [BatchTask] {
        (0..<count).map { number in
            BatchTask(output: "\(number).txt") {
                PreparedTask(key: "key \(number)") {
                    made.add()
                    return Array("number \(number)\n".utf8)
                }
            }
        }
    }

    private func shard(_ text: String) throws -> Shard { try #require(Shard(text)) }

    @Test func `the whole list beside a shard of it is refused, and makes nothing twice`() throws {
        try inTemporaryFolder { folder in
            let made = Counter()
            var refusals: [String] = []
            // In the middle of one run, another one begins.
            func run(_ name: String, meanwhile other: String) throws -> BatchRun.Report {
                var isFirst = true
                return try BatchRun(folder: folder, shard: shard(name)).run(
                    tasks(12, made: made),
                    report: { _ in
                        guard isFirst else { return }
                        isFirst = false
                        do {
                            _ = try BatchRun(folder: folder, shard: shard(other)).run(tasks(12, made: made))
                        } catch {
                            refusals.append("\(error)")
                        }
                    })
            }
            let half = try run("1/2", meanwhile: "1/1")
            let rest = try run("1/1", meanwhile: "2/2")
            #expect(half.made == 6 && rest == .init(made: 6, kept: 6))
            #expect(made.count == 12 && refusals.count == 2, "\(refusals)")
            #expect(refusals.first?.contains("found shards of 2 that are still at work") == true, "\(refusals)")
            #expect(refusals.last?.contains("no run of the whole list beside shard 2/2") == true, "\(refusals)")
        }
    }

    @Test func `shards of one number run together, those of another wait until they are done`() throws {
        try inTemporaryFolder { folder in
            let made = Counter()
            do {
                let first = try BatchLock(folder: folder, shard: shard("1/3"))
                let second = try BatchLock(folder: folder, shard: shard("2/3"))
                let error = #expect(throws: JobError.self) {
                    try BatchRun(folder: folder, shard: shard("1/2")).run(tasks(6, made: made))
                }
                #expect(
                    error?.description.hasSuffix(
                        "expected shard 1/2 beside shards of 2, found shards of 3 that are still at work") == true,
                    "\(error as Any)")
                #expect(throws: JobError.self) { try BatchLock(folder: folder, shard: .whole) }
                // Another run of the same shard is the journal's to refuse.
                #expect(try BatchRun(folder: folder, shard: shard("3/3")).run(tasks(6, made: made)).made == 2)
                // A merge makes nothing, and may be done at any moment.
                let outputs = (0..<6).map { "\($0).txt" }
                #expect(try BatchMerge(folder: folder, list: "list", outputs: outputs).run().missing.count == 6)
                withExtendedLifetime((first, second)) {}
            }
            #expect(try BatchRun(folder: folder, shard: shard("1/2")).run(tasks(6, made: made)).made == 2)
            #expect(try BatchRun(folder: folder).run(tasks(6, made: made)) == .init(made: 2, kept: 4))
            #expect(made.count == 6)
        }
    }

    @Test func `many shards may begin at once`() throws {
        try inTemporaryFolder { folder in
            let locks = try (1...8).map { try shard("\($0)/8") }
            let taken = Counter()
            DispatchQueue.concurrentPerform(iterations: 8) { index in
                for _ in 0..<20 where (try? BatchLock(folder: folder, shard: locks[index])) != nil { taken.add() }
            }
            #expect(taken.count == 160)
        }
    }
}
