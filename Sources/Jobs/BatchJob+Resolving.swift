import Foundation
import Recipes

extension BatchJob {
    /// The job with what it sets put in its places; jobs that train keep it for their recipe.
    ///
    /// - Parameter path: of the list and the job, for messages.
    /// - Throws: `RecipeError` that names a place which no job has.
    func applyingSet(path: String) throws -> BatchJob {
        guard let set, train == nil else { return self }
        try checkLists(of: set, path: path)
        var plain = self
        plain.set = nil
        let encoder = JSONEncoder()
        encoder.keyEncodingStrategy = .convertToSnakeCase
        encoder.outputFormatting = .withoutEscapingSlashes
        let text = String(decoding: try encoder.encode(plain), as: UTF8.self)
        return try decodeRecipe(BatchJob.self, yaml: text, name: path, setting: set)
    }

    /// Refuses elements of lists that neither the job nor its template has.
    private func checkLists(of set: [String: RecipeSetting], path: String) throws {
        let missing = [("sliders", sliders == nil), ("styles", styles == nil), ("directions", directions == nil)]
        for place in set.keys.sorted() {
            for (name, isMissing) in missing where isMissing && set[name] == nil && place.hasPrefix(name + ".") {
                throw RecipeError(
                    path: path, key: place,
                    expected: "\(name) in the job or in the template, of which one can be changed",
                    found: "no \(name) in either")
            }
        }
    }

    /// A job for each picture of an input that is a folder, in the order of names; the job itself for any other.
    ///
    /// - Parameters:
    ///   - folder: where relative paths start.
    ///   - known: folders that were read, by their paths.
    /// - Throws: `JobError` for a folder without pictures, and for one output of several files.
    func spreadOverFolder(_ folder: String, known: inout [String: PictureFolder]) throws -> [BatchJob] {
        guard let input else { return [self] }
        let path = input.hasPrefix("/") ? input : folder + "/" + input
        var isFolder: ObjCBool = false
        guard FileManager.default.fileExists(atPath: path, isDirectory: &isFolder), isFolder.boolValue else {
            return [self]
        }
        guard output == nil else {
            throw JobError(path, expected: "a picture, as the job names one output", found: "a folder")
        }
        let pictures = try known[path] ?? PictureFolder(path)
        known[path] = pictures
        return pictures.names.map { name in
            var job = self
            job.input = input.hasSuffix("/") ? input + name : "\(input)/\(name)"
            return job
        }
    }
}
