#if canImport(FoundationEssentials)
    internal import FoundationEssentials
#else
    internal import Foundation
#endif

extension TorchGenerator: Codable {
    private enum CodingKeys: String, CodingKey { case seed, state }

    /// Writes the seed, and the exact place in the stream as base64.
    public func encode(to encoder: any Encoder) throws {
        var container = encoder.container(keyedBy: CodingKeys.self)
        try container.encode(seed, forKey: .seed)
        try container.encode(Data(stateBytes).base64EncodedString(), forKey: .state)
    }

    public init(from decoder: any Decoder) throws {
        let container = try decoder.container(keyedBy: CodingKeys.self)
        let seed = try container.decode(UInt64.self, forKey: .seed)
        let text = try container.decode(String.self, forKey: .state)
        guard let data = Data(base64Encoded: text), let generator = Self(seed: seed, stateBytes: [UInt8](data)) else {
            throw DecodingError.dataCorruptedError(
                forKey: .state, in: container,
                debugDescription: "expected the base64 of a Mersenne Twister, found \(text.count) other characters")
        }
        self = generator
    }
}
