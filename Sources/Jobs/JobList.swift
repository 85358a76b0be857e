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
/// (`set: {styles.0.strength: 2}`); in a matrix each place has a list of values. An input that is a folder stands for all
/// files in it.
public struct JobList: Sendable {
    /// A model folder, a checkpoint file, or an embedded model's name; nil where the list names none.
    public var model: String?
    public var jobs: [BatchJob]
    /// Of the file: where relative paths start.
    public var folder: String

    public init(model: String? = nil, jobs: [BatchJob], folder: String) {
        self.model = model
        self.jobs = jobs
        self.folder = folder
    }

    /// - Throws: `RecipeError` with the line of what cannot be read; `JobError` for a list without jobs.
    public init(path: String) throws {
        let folder = URL(filePath: path).deletingLastPathComponent().path
        let isLines = URL(filePath: path).pathExtension.lowercased() == "jsonl"
        self = try isLines ? Self.lines(path, folder) : Self.document(path, folder)
        jobs = try jobs.enumerated().flatMap { number, job in
            try job.applyingSet(path: "\(path): job \(number + 1)").spreadOverFolder(folder)
        }
        guard !jobs.isEmpty else { throw JobError(path, expected: "at least one job", found: "none") }
        guard jobs.count <= Self.largest else {
            throw JobError(path, expected: "at most \(Self.largest) jobs", found: "\(jobs.count)")
        }
    }

    static let largest = 1_000_000

    private struct Content: Encodable {
        let model: String?
        let jobs: [BatchJob]
    }

    /// The hash of all that the list says: what a journal is bound to. Comments and the order of keys do not count.
    public func contentHash() throws -> String { try canonicalHash(of: Content(model: model, jobs: jobs)) }

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

    private static func document(_ path: String, _ folder: String) throws -> JobList {
        let read = try decodeRecipe(Document.self, at: path)
        let jobs = try (read.jobs ?? []) + (read.matrix?.jobs(path) ?? [])
        let template = read.template ?? BatchJob()
        return JobList(model: read.model, jobs: jobs.map { $0.filled(from: template) }, folder: folder)
    }

    private struct Head: Decodable {
        var model: String?
        var template: BatchJob?
    }

    private static func lines(_ path: String, _ folder: String) throws -> JobList {
        let text: String
        do {
            text = try String(contentsOfFile: path, encoding: .utf8)
        } catch {
            throw JobError(path, expected: "a list of jobs that can be read", found: "none")
        }
        var head = Head()
        var jobs: [BatchJob] = []
        for (number, line) in text.split(separator: "\n", omittingEmptySubsequences: false).enumerated()
        where !line.allSatisfy(\.isWhitespace) {
            let name = "\(path) line \(number + 1)"
            let isHead = line.contains("\"template\"") || line.contains("\"model\"")
            if jobs.isEmpty, isHead {
                head = try decodeRecipe(Head.self, yaml: String(line), name: name)
            } else {
                jobs.append(try decodeRecipe(BatchJob.self, yaml: String(line), name: name))
            }
        }
        let template = head.template ?? BatchJob()
        return JobList(model: head.model, jobs: jobs.map { $0.filled(from: template) }, folder: folder)
    }
}
