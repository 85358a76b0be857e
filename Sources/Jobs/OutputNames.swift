/// The outputs of a list beside each other: each inside the folder, of its own, and no file where another wants a folder.
enum OutputNames {
    /// What is wrong with outputs, by the number of the job: of two that cannot both be, the second one.
    static func flaws(_ outputs: [String]) -> [Int: JobError] {
        var flaws: [Int: JobError] = [:]
        /// The jobs that write a file of a name, and the first that needs a folder of it.
        var (files, folders): ([String: Int], [String: Int]) = ([:], [:])
        for (number, output) in outputs.enumerated() {
            func note(_ expected: String, _ found: String) {
                flaws[number] = JobError("job \(number + 1): output", expected: expected, found: found)
            }
            guard OutputFile.isInside(output) else {
                note("a name inside the output folder", "'\(output)'")
                continue
            }
            if let other = files[output] {
                note("a name of its own", "'\(output)', which job \(other + 1) has")
            } else if let other = folders[output] {
                note("a name for a file", "'\(output)', which job \(other + 1) needs as a folder")
            } else if let (parent, other) = parents(of: output).lazy.compactMap({ name in
                files[name].map { (name, $0) }
            }).first {
                note("a folder that can be one", "'\(output)', where '\(parent)' is the file of job \(other + 1)")
            } else {
                files[output] = number
                for parent in parents(of: output) where folders[parent] == nil { folders[parent] = number }
            }
        }
        return flaws
    }

    /// `a/b/c.png` is in `a` and in `a/b`.
    private static func parents(of output: String) -> [String] {
        let parts = output.split(separator: "/")
        return (1..<max(parts.count, 1)).map { parts[..<$0].joined(separator: "/") }
    }
}
