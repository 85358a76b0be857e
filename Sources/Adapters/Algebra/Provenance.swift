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

    /// The provenance in a file's metadata, or nil when nobody wrote it down.
    init?(_ metadata: [String: String]) {
        guard let text = metadata[Self.key],
            let provenance = try? JSONDecoder().decode(Provenance.self, from: Data(text.utf8))
        else { return nil }
        self = provenance
    }

    /// Whether this is an operation's result, compressed or not.
    public func isOf(_ name: String) -> Bool {
        operation == name || (operation == "compress" && inputs.first?.provenance?.isOf(name) == true)
    }

    static let key = "atelier.provenance"
}

extension AdapterFile {
    /// How the adapter was made, or nil when nobody wrote it down.
    public var provenance: Provenance? { Provenance(metadata) }
}

extension Adapter {
    /// How the adapter was made, or nil when nobody wrote it down.
    public var provenance: Provenance? { Provenance(metadata) }

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
            // Nor is what one of them was trained by the recipe of the sum; `provenance` names them all.
            copy.metadata["atelier.recipe"] = nil
        } else if var note = copy.sliderNote {
            (note.curve, note.range) = (nil, SliderNote.widestRange)
            try? copy.setNote(note)
        }
        return copy
    }
}
