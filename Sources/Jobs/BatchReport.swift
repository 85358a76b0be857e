import Foundation

/// What became of every job of a run, one JSON object a line in the order of the list: `report.jsonl`, beside the
/// outputs, which say nothing of times.
///
///     {"bytes":1234,"hash":"9c41...","job":1,"output":"00000.png","seconds":0.52,"state":"done"}
struct BatchReport {
    private struct Line: Encodable {
        /// From 1, as in messages.
        let job: Int
        /// Of the list, where it has a job a line.
        let line: Int?
        let output: String
        /// `waiting` for a job that no run has come to.
        var state = "waiting"
        var bytes: Int?
        var hash: String?
        var seconds: Double?
        var error: String?
    }

    private let path: URL
    private var lines: [Line]
    private let places: [Int: Int]

    /// - Parameters:
    ///   - jobs: of the shard, with their places in the list, from 0.
    ///   - lines: of the list's file, by those places.
    init(folder: URL, shard: Shard, jobs: [(number: Int, output: String)], lines: [Int: Int] = [:]) {
        path = folder.appending(path: shard.fileName("report"))
        self.lines = jobs.map { Line(job: $0.number + 1, line: lines[$0.number], output: $0.output) }
        places = Dictionary(uniqueKeysWithValues: jobs.enumerated().map { ($1.number, $0) })
    }

    mutating func note(_ line: Journal.Line, of number: Int) {
        guard let place = places[number] else { return }
        lines[place].state = line.state.rawValue
        (lines[place].bytes, lines[place].hash) = (line.bytes, line.hash)
        (lines[place].seconds, lines[place].error) = (line.seconds, line.error)
    }

    /// Replaces the file as a whole.
    ///
    /// - Throws: `JobError` when there is no room for it.
    func write() throws {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        let text = try lines.reduce(into: Data()) { text, line in
            text += try encoder.encode(line) + Data("\n".utf8)
        }
        do {
            try text.write(to: path, options: .atomic)
        } catch {
            throw JobError(path.path, expected: "room to write the report", found: error.localizedDescription)
        }
    }
}
