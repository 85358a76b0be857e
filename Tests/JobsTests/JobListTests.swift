import Foundation
import Generation
import Imaging
import Recipes
import TensorCore
import TestSupport
import Testing

@testable import Jobs

/// Lists of jobs in files, and what a job becomes for a model.
@Suite struct JobListTests {
    private func list(_ text: String, _ name: String, _ folder: URL) throws -> JobList {
        try Data(text.utf8).write(to: folder.appending(path: name))
        return try JobList(path: folder.appending(path: name).path)
    }

    @Test func `jobs override a template, a matrix is every combination`() throws {
        try inTemporaryFolder { folder in
            let read = try list(
                """
                model: mini
                template: {steps: 8, cfg_scale: 3, styles: [{style: ink, strength: 2}]}
                matrix:
                  prompt: [a cat, a dog]
                  seed: [1, 2, 3]
                jobs:
                  - {prompt: a woman, steps: 4, output: w.png}
                """, "a.yaml", folder)
            #expect(read.model == "mini" && read.jobs.count == 7 && read.folder == folder.path)
            #expect(read.jobs[0].steps == 4 && read.jobs[0].output == "w.png" && read.jobs[0].cfgScale == 3)
            #expect(read.jobs[1...].map(\.seed) == [1, 2, 3, 1, 2, 3])
            #expect(read.jobs[4].prompt == "a dog" && read.jobs[4].steps == 8)
            #expect(read.jobs.allSatisfy { $0.styles?.first?.strength == 2 })
        }
    }

    @Test func `values are set by their places, a wrong place is named`() throws {
        try inTemporaryFolder { folder in
            let read = try list(
                """
                template: {styles: [{style: ink}, {style: wash}], set: {styles.0.strength: 2, steps: 4}}
                matrix:
                  set: {styles.1.strength: [1, 2.5], cfg_scale: [3]}
                  seed: [1, 2]
                jobs:
                  - {prompt: a, set: {steps: 6}}
                  - {train: slider, recipe: a.yaml, set: {network.rank: 8}}
                """, "a.yaml", folder)
            #expect(read.jobs.count == 6 && read.jobs[0].steps == 6 && read.jobs[0].set == nil)
            #expect(read.jobs.map { $0.styles?[0].strength } == [2, nil, 2, 2, 2, 2])
            #expect(read.jobs[2...].map { $0.styles?[1].strength } == [1, 1, 2.5, 2.5])
            #expect(read.jobs[2...].map(\.seed) == [1, 2, 1, 2] && read.jobs[3].cfgScale == 3)
            // A training's values are its recipe's.
            #expect(read.jobs[1].set?["network.rank"] == .whole(8) && read.jobs[1].steps == nil)
            for (text, words) in [
                ("jobs: [{prompt: a, set: {promt: b}}]", "promt"),
                ("jobs: [{prompt: a, set: {styles.0.strenth: 1}, styles: [{style: ink}]}]", "styles[0].strenth"),
                ("jobs: [{prompt: a, set: {styles.1.strength: 1}, styles: [{style: ink}]}]", "styles.1.strength"),
                ("jobs: [{prompt: a, set: {prompt.b: 1}}]", "prompt.b"),
                (
                    "jobs: [{prompt: a, set: {styles.0.strength: 3}}]",
                    "styles.0.strength: expected styles in the job or in the template, of which one can be changed, found no styles in either"
                ),
            ] {
                let error = #expect(throws: RecipeError.self) { try list(text, "b.yaml", folder) }
                #expect(error.map { "\($0)".contains(words) && "\($0)".contains("job 1") } == true, "\(error as Any)")
            }
            let numbers = (0..<1001).map(String.init).joined(separator: ", ")
            let error = #expect(throws: JobError.self) {
                try list("matrix: {seed: [\(numbers)], steps: [\(numbers)]}", "c.yaml", folder)
            }
            #expect(error?.description.contains("at most 1000000 combinations") == true)
        }
    }

    @Test func `a word that is none of a key's is answered by those that are`() throws {
        try inTemporaryFolder { folder in
            for (text, words) in [
                (
                    "jobs: [{input: a.png, method: sedit}]",
                    "method: expected one of sdedit, inversion, found the text \"sedit\" on line 1; did you mean \"sdedit\"?"
                ),
                (
                    "template: {train: sliders}\njobs: [{recipe: a.yaml}]",
                    "train: expected one of slider, pair, lora, found the text \"sliders\" on line 1; did you mean \"slider\"?"
                ),
            ] {
                let error = #expect(throws: RecipeError.self) { try list(text, "b.yaml", folder) }
                #expect(error.map { "\($0)".hasSuffix(words) } == true, "\(error as Any)")
            }
        }
    }

    @Test func `jobs that are lines know which`() throws {
        try inTemporaryFolder { folder in
            let read = try list(
                "{\"template\": {\"steps\": 4}}\n{\"prompt\": \"a\"}\n\n{\"prompt\": \"b\"}\n", "a.jsonl", folder)
            #expect(read.lines == [0: 2, 1: 4])
            let error = #expect(throws: RecipeError.self) {
                try list("{\"prompt\": \"a\"}\n\n{\"set\": {\"promt\": \"b\"}}\n", "b.jsonl", folder)
            }
            #expect(error?.description.contains("b.jsonl: job 2 (line 3)") == true, "\(error as Any)")
        }
    }

    @Test func `a line that is broken keeps its place where one keeps going`() throws {
        try inTemporaryFolder { folder in
            let path = folder.appending(path: "a.jsonl").path
            func read(_ second: String, keepsGoing: Bool = true) throws -> JobList {
                try Data(
                    """
                    {"template": {"steps": 4}}
                    {"prompt": "a"}

                    \(second)
                    {"prompt": "c", "input": "empty"}
                    {"prompt": "d"}
                    """.utf8
                ).write(to: URL(filePath: path))
                return try JobList(path: path, keepsGoing: keepsGoing)
            }
            try FileManager.default.createDirectory(
                at: folder.appending(path: "empty"), withIntermediateDirectories: false)
            let broken = try read("{\"prompt\": \"b\", ")
            #expect(broken.jobs.map(\.prompt) == ["a", nil, nil, "d"] && broken.jobs.allSatisfy { $0.steps == 4 })
            #expect(broken.outputs[3] == "00003.png" && broken.flaws.keys.sorted() == [1, 2])
            #expect(broken.flaws[1]?.description.hasPrefix("\(path) line 4: expected") == true, "\(broken.flaws)")
            #expect(broken.flaws[1]?.description.contains("on line 1") == false, "\(broken.flaws)")
            #expect(broken.flaws[2]?.description.contains("found an empty one") == true, "\(broken.flaws)")
            let unknown = try read("{\"promt\": \"b\"}")
            #expect(unknown.flaws[1]?.description.contains("line 4: promt: expected a known key") == true)
            // The same list by another path is the same list, for shards that are given that; mended, it is another.
            let other = folder.appending(path: "b.jsonl")
            try FileManager.default.copyItem(at: URL(filePath: path), to: other)
            #expect(try JobList(path: other.path, keepsGoing: true).contentHash() == unknown.contentHash())
            #expect(try read("{}").contentHash() != unknown.contentHash())
            let error = #expect(throws: RecipeError.self) { try read("{\"promt\": \"b\"}", keepsGoing: false) }
            #expect(error.map { "\($0)".hasPrefix("\(path) line 4: promt") } == true)
            // What all lines begin with is no job.
            try Data("{\"template\": {\"stepz\": 4}}\n{}".utf8).write(to: URL(filePath: path))
            #expect(throws: RecipeError.self) { try JobList(path: path, keepsGoing: true) }
        }
    }

    @Test func `a list's hash is that of what it says`() throws {
        try inTemporaryFolder { folder in
            let first = try list("jobs: [{prompt: a, seed: 1}, {prompt: b}]", "a.yaml", folder)
            let same = try list(
                "# a comment\ntemplate: {}\njobs:\n  - {seed: 1, prompt: a}\n  - {prompt: b}\n", "b.yaml", folder)
            let other = try list("jobs: [{prompt: a, seed: 1}, {prompt: c}]", "c.yaml", folder)
            #expect(try first.contentHash() == same.contentHash() && first.contentHash() != other.contentHash())
            var named = first
            named.model = "mini"
            #expect(try named.contentHash() != first.contentHash())
            #expect(first.outputs == ["00000.png", "00001.png"])
        }
    }

    @Test func `an input folder is its files in the order of names`() throws {
        try inTemporaryFolder { folder in
            let photos = folder.appending(path: "photos")
            try FileManager.default.createDirectory(
                at: photos.appending(path: "below"), withIntermediateDirectories: true)
            for name in ["b.png", "a.png", ".hidden"] { try Data().write(to: photos.appending(path: name)) }
            let read = try list("matrix: {input: [photos], seed: [1, 2]}", "a.yaml", folder)
            #expect(read.jobs.map(\.input) == ["photos/a.png", "photos/b.png", "photos/a.png", "photos/b.png"])
            #expect(throws: JobError.self) { try list("jobs: [{input: photos, output: x.png}]", "b.yaml", folder) }
            #expect(throws: JobError.self) { try list("jobs: [{input: photos/below}]", "c.yaml", folder) }
        }
    }

    @Test func `lines are jobs, the first may be the template`() throws {
        try inTemporaryFolder { folder in
            let read = try list(
                """
                {"model": "tiny", "template": {"steps": 3}}
                {"prompt": "a", "seed": 7}

                {"prompt": "b", "input": "x.png", "method": "sdedit"}
                """, "a.jsonl", folder)
            #expect(read.model == "tiny" && read.jobs.map(\.prompt) == ["a", "b"])
            #expect(read.jobs.map(\.steps) == [3, 3] && read.jobs[1].method == .sdedit)
            let error = #expect(throws: RecipeError.self) {
                try list("{\"prompt\": \"a\"}\n{\"promt\": \"b\"}\n", "b.jsonl", folder)
            }
            #expect(error.map { "\($0)".contains("line 2") && "\($0)".contains("promt") } == true)
            #expect(throws: JobError.self) { try list("\n", "c.jsonl", folder) }
        }
    }

    @Test func `lines may end as on other systems`() throws {
        try inTemporaryFolder { folder in
            let lines = [
                "{\"template\": {\"steps\": 3}}", "{\"prompt\": \"a\"}", "", "{\"prompt\": \"b\", \"seed\": 1}",
            ]
            let plain = try list(lines.joined(separator: "\n"), "a.jsonl", folder)
            for (text, name) in [
                (lines.joined(separator: "\r\n"), "b.jsonl"), (lines.joined(separator: "\r\n") + "\r\n", "c.jsonl"),
                ("\u{FEFF}" + lines.joined(separator: "\r\n"), "d.jsonl"),
            ] {
                let read = try list(text, name, folder)
                #expect(read.jobs.map(\.prompt) == ["a", "b"] && read.jobs.map(\.steps) == [3, 3], "\(name)")
                #expect(try read.contentHash() == plain.contentHash())
            }
            let error = #expect(throws: RecipeError.self) {
                try list("{\"prompt\": \"a\"}\r\n\r\n{\"promt\": \"b\"}\r\n", "e.jsonl", folder)
            }
            #expect(error.map { "\($0)".contains("line 3: promt") } == true)
            // A document is YAML, which takes both.
            let document = try list("template: {steps: 3}\r\njobs:\r\n  - {prompt: a}\r\n", "f.yaml", folder)
            #expect(document.jobs.map(\.steps) == [3])
        }
    }

    @Test func `a job becomes a complete recipe`() throws {
        try inTemporaryFolder { folder in
            let store = try ModelFolder(path: Fixtures.path("tiny-sd"))
            let model = try StableDiffusion(store)
            let blank = PictureRecipe(
                engine: "1", model: "tiny", modelHash: "abc", precision: .fp32,
                request: GenerationRequest(prompt: "", steps: 4, guidanceScale: 3, width: 32, height: 32))
            let planner = PicturePlanner(
                model, blank: blank, folders: StackFolders(own: [Fixtures.path("adapters")]), folder: folder.path)
            let style = Fixtures.path("adapters/slider-bf16.pt")

            var job = BatchJob()
            job.prompt = "a cat <lora:slider-bf16:0.5>"
            job.styles = [StackFile.Style(style: style, strength: 2, phrase: "in ink style")]
            var recipe = try planner.recipe(of: job)
            #expect(recipe.request.prompt == "a cat" && recipe.request.steps == 4)
            #expect(recipe.adapters?.map(\.styleBranch) == [0, nil] && recipe.request.styles?.map(\.strength) == [2])

            var random = TorchGenerator(seed: 1)
            let picture = (random.uniform([1, 3, 40, 80]) * 2 - 1).images()[0]
            try writeImage(picture, to: folder.appending(path: "x.png").path)
            job = BatchJob()
            (job.input, job.seed) = ("x.png", 9)
            recipe = try planner.recipe(of: job)
            #expect(recipe.start?.inversion != nil && recipe.request.sampler == "ddim" && recipe.request.seed == 9)
            #expect(recipe.request.guidanceScale == 1 && recipe.request.prompt.isEmpty)
            #expect(recipe.request.width == 2 * recipe.request.height)
            let drawn = try #require(try planner.draw(recipe))
            #expect(drawn.picture.width == recipe.request.width && drawn.recipe.latentsHash != nil)
            job.method = .sdedit
            recipe = try planner.recipe(of: job)
            #expect(recipe.start?.inversion == nil && recipe.request.guidanceScale == 3)

            // The key is that of everything that matters.
            func key(_ job: BatchJob) throws -> String { try planner.task(job, number: 0).prepare().key }
            let first = try key(job)
            #expect(try key(job) == first)
            job.strength = 0.5
            #expect(try key(job) != first)
            job.strength = nil
            try writeImage(picture.resized(width: 40, height: 20), to: folder.appending(path: "x.png").path)
            #expect(try key(job) != first)
            job.width = 33
            #expect(throws: GenerationError.self) { try key(job) }
        }
    }
}
