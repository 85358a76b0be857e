internal import Foundation
internal import Recipes

/// How an adapter was made from others: kept in its file's metadata, with the provenance of what it was made from.
public struct Provenance: Codable, Sendable, Hashable {
    public struct Input: Codable, Sendable, Hashable {
        /// The file, or how it was made.
        public var name: String
        /// Of the file, where it is one.
        public var sha256: String?
        public var weight: Double?
        /// What was made of what, when the input was made itself.
        public var provenance: Provenance?

        /// A file that is no adapter.
        public init(path: String) {
            name = path
            sha256 = try? sha256Hex(ofFile: path)
        }

        /// Anything else by its name and hash.
        public init(name: String, sha256: String?) {
            self.name = name
            self.sha256 = sha256
        }

        init(_ adapter: Adapter, weight: Double?) {
            self.init(path: adapter.name)
            self.weight = weight
            provenance = adapter.provenance
        }
    }

    public var operation: String
    public var parameters: [String: String]
    public var inputs: [Input]

    public init(_ operation: String, parameters: [String: String] = [:], inputs: [Input]) {
        self.operation = operation
        self.parameters = parameters
        self.inputs = inputs
    }

    static let key = "atelier.provenance"
}

extension Adapter {
    /// How the adapter was made, or nil when nobody wrote it down.
    public var provenance: Provenance? {
        metadata[Provenance.key].flatMap { try? JSONDecoder().decode(Provenance.self, from: Data($0.utf8)) }
    }

    /// The adapter with its provenance in the metadata, and a name for errors.
    func made(by provenance: Provenance) -> Adapter {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        var copy = self
        copy.name = "\(provenance.operation)(\(provenance.inputs.map(\.name).joined(separator: ", ")))"
        copy.metadata[Provenance.key] = (try? encoder.encode(provenance)).map { String(decoding: $0, as: UTF8.self) }
        // What trainers say of rank and alpha is no longer true.
        for key in ["ss_network_dim", "ss_network_alpha", "ss_network_args", "sshs_model_hash", "sshs_legacy_hash"] {
            copy.metadata[key] = nil
        }
        // Several sliders have no unit in common; of one, the unit still holds, and nobody has measured the effect.
        if ["add", "interpolate"].contains(provenance.operation) {
            copy.metadata[SliderNote.key] = nil
        } else if var note = copy.sliderNote {
            (note.curve, note.range) = (nil, SliderNote.widestRange)
            try? copy.setNote(note)
        }
        return copy
    }
}
