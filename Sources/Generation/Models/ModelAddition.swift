import Foundation

/// A file that replaces a part of a model, or adds to one.
public struct ModelAddition: Codable, Sendable, Hashable {
    public enum Role: String, Codable, Sendable, CaseIterable {
        /// The autoencoder, in the place of the model's own.
        case autoencoder = "vae"
        /// A tiny decoder, used in the autoencoder's place.
        case tinyAutoencoder = "taesd"
        /// A textual inversion; the file's name without its ending is the word in the prompt.
        case embedding
    }

    public var role: Role
    public var file: PictureRecipe.InputFile

    /// - Throws: `GenerationError` when there is no such file or folder.
    public init(_ role: Role, path: String) throws {
        self.role = role
        file = try PictureRecipe.InputFile(path: path)
    }
}

extension [ModelAddition] {
    /// The textual inversions of a folder whose words occur in a prompt.
    ///
    /// - Throws: `GenerationError` when there is no such folder.
    public static func embeddings(in folder: String, for prompts: [String]) throws -> [ModelAddition] {
        try TextualInversion.files(in: folder, for: prompts).map { try ModelAddition(.embedding, path: $0) }
    }

    func path(of role: ModelAddition.Role) -> String? { last { $0.role == role }?.file.path }
}
