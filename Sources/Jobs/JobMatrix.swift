import Generation
import Recipes

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
    /// Values by place, in the order of the places' names.
    var set: [String: [RecipeSetting]]?
    var seed: [UInt64]?

    /// The jobs, the last key changing fastest.
    ///
    /// - Throws: `JobError` for more jobs than a list may have, before any is made.
    func jobs(_ path: String) throws -> [BatchJob] {
        var jobs = [BatchJob()]
        func spread<Value>(_ values: [Value]?, _ set: (inout BatchJob, Value) -> Void) throws {
            guard let values else { return }
            let (count, isTooLarge) = jobs.count.multipliedReportingOverflow(by: values.count)
            guard !isTooLarge, count <= JobList.largest else {
                throw JobError(
                    "\(path): matrix", expected: "at most \(JobList.largest) combinations", found: "more")
            }
            jobs = jobs.flatMap { job in
                values.map { value in
                    var copy = job
                    set(&copy, value)
                    return copy
                }
            }
        }
        try spread(prompt) { $0.prompt = $1 }
        try spread(input) { $0.input = $1 }
        try spread(style) { $0.styles = [StackFile.Style(style: $1)] }
        try spread(strength) { $0.strength = $1 }
        try spread(steps) { $0.steps = $1 }
        try spread(cfgScale) { $0.cfgScale = $1 }
        try spread(sampler) { $0.sampler = $1 }
        try spread(recipe) { $0.recipe = $1 }
        for (place, values) in (set ?? [:]).sorted(by: { $0.key < $1.key }) {
            try spread(values) { job, value in job.set = (job.set ?? [:]).merging([place: value]) { $1 } }
        }
        try spread(seed) { $0.seed = $1 }
        return jobs
    }
}
