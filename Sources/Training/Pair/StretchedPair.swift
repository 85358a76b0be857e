public import Foundation
import Imaging

/// A pair whose pictures have different proportions: the content picture is stretched to those of the style picture, for
/// both are cut out at one place.
public struct StretchedPair: Sendable, Hashable {
    public let content: String
    public let style: String
    /// `200x100`, in pixels.
    public let contentSize: String
    public let styleSize: String
}

extension PairRecipe {
    /// The pairs of which one picture is wider for its height than the other, by more than one part in a hundred.
    ///
    /// - Parameter folder: where relative paths start.
    /// - Throws: the errors of the pictures.
    public func stretchedPairs(beside folder: URL) throws -> [StretchedPair] {
        func read(_ name: String) throws -> (path: String, width: Int, height: Int) {
            let path = name.hasPrefix("/") ? name : folder.appending(path: name).path
            let image = try readImage(at: path).image
            return (path, image.width, image.height)
        }
        return try pairs.compactMap { pair in
            let (content, style) = (try read(pair.content), try read(pair.style))
            let stretch = Double(content.width * style.height) / Double(content.height * style.width)
            guard max(stretch, 1 / stretch) > 1.01 else { return nil }
            return StretchedPair(
                content: content.path, style: style.path, contentSize: "\(content.width)x\(content.height)",
                styleSize: "\(style.width)x\(style.height)")
        }
    }
}
