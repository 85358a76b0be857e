import Foundation
import Generation
import Recipes

/// Many jobs in a file.
///
///     jobs.yaml                                      jobs.jsonl, a job a line
///     model: mini                                    {"model": "mini", "template": {"steps": 20}}
///     template: {steps: 20, styles: [{style: ink}]}  {"prompt": "an old man", "seed": 1}
///     matrix:                                        {"prompt": "an old man", "seed": 2}
///       prompt: [an old man, a sea at sunset]
///       seed: [1, 2, 3]
///     jobs:
///       - {prompt: a woman, output: woman.png}
///
/// Jobs override the template; a matrix is every combination of its values, the last key changing fastest, after the
/// jobs. `set` puts values at places: in a recipe that is trained (`set: {network.rank: 8}`), or in the job itself
/// (`set: {styles.0.strength: 2}`); in a matrix each place has a list of values. An input that is a folder stands for the
/// pictures in it.
public struct JobList: Sendable {
    /// A model folder, a checkpoint file, or an embedded model's name; nil where the list names none.
    public var model: String?
    public var jobs: [BatchJob]
    /// What is wrong with jobs that could not be read, by their places; there they are jobs that say nothing of their own.
    public private(set) var flaws: [Int: JobFlaw] = [:]
    /// The lines of a file that has a job a line, by the jobs' places.
    public private(set) var lines: [Int: Int] = [:]
    /// Of the file: where relative paths start.
    public var folder: String
    /// Folders that stand for their pictures, in the order of their paths.
    public private(set) var folders: [PictureFolder] = []

    public init(model: String? = nil, jobs: [BatchJob], folder: String) {
        self.model = model
        self.jobs = jobs
        self.folder = folder
    }

    /// - Parameter keepsGoing: whether a job that cannot be read keeps its place and is told of by `flaws`.
    /// - Throws: `RecipeError` with the line of what cannot be read; `JobError` for a list without jobs.
    public init(path: String, keepsGoing: Bool = false) throws {
        let folder = URL(filePath: path).deletingLastPathComponent().path
        let isLines = URL(filePath: path).pathExtension.lowercased() == "jsonl"
        let read = try isLines ? Self.lines(path) : Self.document(path)
        self.init(model: read.model, jobs: [], folder: folder)
        var known: [String: PictureFolder] = [:]
        for (number, entry) in read.jobs.enumerated() {
            let line = read.lines.isEmpty ? nil : read.lines[number]
            let first = jobs.count
            defer { for place in first..<jobs.count { lines[place] = line } }
            do {
                let job = try entry.get().filled(from: read.template)
                let place = "\(path): job \(first + 1)" + (line.map { " (line \($0))" } ?? "")
                jobs += try job.applyingSet(path: place).spreadOverFolder(folder, known: &known)
            } catch {
                guard keepsGoing else { throw error }
                flaws[jobs.count] = JobFlaw(description: "\(error)")
                jobs.append(BatchJob().filled(from: read.template))
            }
        }
        folders = known.values.sorted { $0.path < $1.path }
        guard !jobs.isEmpty else { throw JobError(path, expected: "at least one job", found: "none") }
        guard jobs.count <= Self.largest else {
            throw JobError(path, expected: "at most \(Self.largest) jobs", found: "\(jobs.count)")
        }
    }

    static let largest = 1_000_000

    private struct Content: Encodable {
        let model: String?
        let jobs: [BatchJob]
        /// The places of jobs that could not be read, whatever is said of them where; nil where there are none.
        let unread: [Int]?
    }

    /// The hash of all that the list says: what a journal is bound to. Comments and the order of keys do not count.
    public func contentHash() throws -> String {
        let content = Content(model: model, jobs: jobs, unread: flaws.isEmpty ? nil : flaws.keys.sorted())
        return try canonicalHash(of: content)
    }

    /// Of all jobs, in order.
    public var outputs: [String] {
        jobs.enumerated().map { number, job in
            job.train == nil
                ? PicturePlanner.output(of: job, number: number) : TrainingPlanner.output(of: job, number: number)
        }
    }

    private struct Document: Decodable {
        var model: String?
        var template: BatchJob?
        var matrix: JobMatrix?
        var jobs: [BatchJob]?
    }

    /// What a file says, its jobs not yet filled from the template.
    private struct Reading {
        var model: String?
        var template = BatchJob()
        var jobs: [Result<BatchJob, any Error>] = []
        /// Of the jobs, in a file with one a line.
        var lines: [Int] = []
    }

    private static func document(_ path: String) throws -> Reading {
        let read = try decodeRecipe(Document.self, at: path)
        let jobs = try (read.jobs ?? []) + (read.matrix?.jobs(path) ?? [])
        return Reading(
            model: read.model, template: read.template ?? BatchJob(), jobs: jobs.map { .success($0) })
    }

    private struct Head: Decodable {
        var model: String?
        var template: BatchJob?
    }

    /// Lines that end in a line feed, with a carriage return before it or without; a byte order mark is none of the text.
    ///
    /// Of scalars, as the two of a line end are one `Character`.
    private static func lines(of text: String) -> [String] {
        let scalars = text.unicodeScalars.drop { $0 == "\u{FEFF}" }
        return scalars.split(separator: "\n", omittingEmptySubsequences: false).map { line in
            String(String.UnicodeScalarView(line.last == "\r" ? line.dropLast() : line))
        }
    }

    private static func lines(_ path: String) throws -> Reading {
        let text: String
        do {
            text = try String(contentsOfFile: path, encoding: .utf8)
        } catch {
            throw JobError(path, expected: "a list of jobs that can be read", found: "none")
        }
        var read = Reading()
        for (number, line) in Self.lines(of: text).enumerated() where !line.allSatisfy(\.isWhitespace) {
            func decoded<Value: Decodable>(_ type: Value.Type) throws -> Value {
                do {
                    return try decodeRecipe(type, yaml: line, name: "\(path) line \(number + 1)")
                } catch var error as RecipeError {
                    // It counts from the beginning of what it was given.
                    error.line = nil
                    throw error
                }
            }
            let isHead = line.contains("\"template\"") || line.contains("\"model\"")
            if read.jobs.isEmpty, isHead {
                let head = try decoded(Head.self)
                (read.model, read.template) = (head.model, head.template ?? BatchJob())
            } else {
                read.jobs.append(Result { try decoded(BatchJob.self) })
                read.lines.append(number + 1)
            }
        }
        return read
    }
}

/// Why a job of a list could not be read, in a sentence that names the file and the line.
public struct JobFlaw: Error, Sendable, Hashable, CustomStringConvertible {
    public let description: String
}
