import Adapters
import Weights

/// What an adapter's file says of the model that it was made for.
struct AdapterOrigin: Sendable, Hashable {
    /// As the file names it: `sdxl_base_v1-0`; nil where it names none.
    var family: String?
    /// The hash of that model; nil where it says none.
    var model: String?

    init(_ metadata: [String: String]) {
        // kohya's, then the model specification's, which files of other programs carry.
        family = metadata["ss_base_model_version"] ?? metadata["modelspec.architecture"]
        model = SliderNote(metadata)?.base ?? StyleNote(metadata)?.base ?? metadata["atelier.base"]
    }

    /// Families that no model here is of.
    private static let others = [
        "flux", "sd3", "stablediffusion3", "stablediffusionv3", "stablecascade", "pixart", "hunyuan", "auraflow",
        "lumina",
    ]

    /// Refuses a file that names another family than the model's. Shapes decide for models of no known family, and for
    /// names that are not known here.
    func check(_ model: ModelFamily?, _ subject: String) throws {
        guard let model, let family else { return }
        let letters = family.lowercased().filter { $0.isLetter || $0.isNumber }
        let named = ModelFamily(named: family)
        guard named != model, named != nil || Self.others.contains(where: letters.hasPrefix) else { return }
        throw GenerationError(
            subject, expected: "an adapter for \(model.rawValue)", found: "one for \(family.prefix(60))")
    }

    /// What is to be said of a file that was made for another model of the family; nil for nothing.
    func remark(on model: ModelIdentity) -> String? {
        guard let own = self.model, own.isHash, own != model.hash else { return nil }
        return "made for the model \(own.prefix(12)), used with \(model.hash.prefix(12))"
    }
}

extension AdapterUse {
    /// Checks what the file says of its model before anything is computed.
    ///
    /// - Returns: what the user is to be told of a file that fits, but was made for another model.
    /// - Throws: `GenerationError` for a file of another family; the errors of its format.
    public func remark(on model: ModelIdentity) throws -> String? {
        let origin = AdapterOrigin(try TensorFile(path: file.path).metadata)
        if allowsUnmatched != true { try origin.check(model.family, label) }
        return origin.remark(on: model).map { "\(label): \($0)" }
    }
}
