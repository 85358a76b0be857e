import Foundation

extension JobList {
    /// Refuses a folder for the outputs where a run would write over what it reads: a picture that a job begins with, the
    /// list itself; or where it would read its own outputs the next time, as they lie among the pictures of a folder.
    ///
    /// - Parameters:
    ///   - output: the folder of the run.
    ///   - path: of the list.
    /// - Throws: `JobError`, with the output folder as its subject.
    public func checkOriginals(output: String, path: String, shard: Shard = .whole) throws {
        let folder = URL(filePath: output, directoryHint: .isDirectory).path
        let base = folder.hasSuffix("/") ? folder : folder + "/"
        func refuse(_ expected: String, _ found: String) -> JobError {
            JobError(output, expected: expected, found: found)
        }
        let list = FilePlace(path)
        for name in [shard.fileName("journal"), shard.fileName("report"), "journal.lock"]
        where FilePlace(base + name) == list {
            throw refuse("another folder than that of \(path), the list", "that the run's \(name) is the same file")
        }
        let inputs = Set(jobs.compactMap(\.input)).map { $0.hasPrefix("/") ? $0 : self.folder + "/" + $0 }
        guard !inputs.isEmpty else { return }
        let originals = Dictionary(inputs.map { (FilePlace($0), $0) }) { first, _ in first }
        let readFolders = Dictionary(folders.map { (FilePlace($0.path), $0.path) }) { first, _ in first }
        if let read = readFolders[FilePlace(folder)] {
            throw refuse("another folder than \(read), whose pictures are read", "the same")
        }
        var parents: Set<String> = []
        for (number, name) in outputs.enumerated() where flaws[number] == nil && OutputFile.isInside(name) {
            if let own = originals[FilePlace(base + name)] {
                throw refuse("another folder than that of \(own)", "that \(name) of job \(number + 1) is the same file")
            }
            guard let cut = name.lastIndex(of: "/"), parents.insert(String(name[..<cut])).inserted else { continue }
            if let read = readFolders[FilePlace(base + name[..<cut])] {
                throw refuse(
                    "another folder than \(read), whose pictures are read", "that \(name) of job \(number + 1) is in it"
                )
            }
        }
    }
}
