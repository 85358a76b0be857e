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
/// jobs.
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
        guard !jobs.isEmpty else { throw JobError(path, expected: "at least one job", found: "none") }
        guard jobs.count <= 1_000_000 else {
            throw JobError(path, expected: "at most 1000000 jobs", found: "\(jobs.count)")
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
        let jobs = (read.jobs ?? []) + (read.matrix?.jobs ?? [])
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

/// Every combination of some values.
struct JobMatrix: Decodable {
    var prompt: [String]?
    var input: [String]?
    var style: [String]?
    var strength: [Double]?
    var steps: [Int]?
    var cfgScale: [Double]?
    var sampler: [String]?
    var recipe: [String]?
    var seed: [UInt64]?

    var jobs: [BatchJob] {
        var jobs = [BatchJob()]
        func spread<Value>(_ values: [Value]?, _ set: (inout BatchJob, Value) -> Void) {
            guard let values else { return }
            jobs = jobs.flatMap { job in
                values.map { value in
                    var copy = job
                    set(&copy, value)
                    return copy
                }
            }
        }
        spread(prompt) { $0.prompt = $1 }
        spread(input) { $0.input = $1 }
        spread(style) { $0.styles = [StackFile.Style(style: $1)] }
        spread(strength) { $0.strength = $1 }
        spread(steps) { $0.steps = $1 }
        spread(cfgScale) { $0.cfgScale = $1 }
        spread(sampler) { $0.sampler = $1 }
        spread(recipe) { $0.recipe = $1 }
        spread(seed) { $0.seed = $1 }
        return jobs
    }
}
