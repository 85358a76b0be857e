public import Layers
public import Samplers
public import TensorCore
public import Tokenizers
public import Weights

/// A model on disk, whatever its layout: which parts it has, their configurations and their weights.
///
/// Parts have the names of the diffusers layout: `unet`, `vae`, `text_encoder`, `text_encoder_2`; weights have
/// diffusers' and transformers' keys.
public protocol ModelStore: Sendable {
    /// The file or folder, for messages.
    var path: String { get }
    func holds(_ part: String) -> Bool
    func configuration<Configuration: ModelConfiguration>(
        _ type: Configuration.Type, of part: String
    ) throws -> Configuration
    /// - Parameter floatingPoint: the type that floating-point tensors are converted to; nil keeps them as stored.
    func weights(of part: String, floatingPoint: DType?) throws -> any WeightSource
    /// The weights as a model of a precision reads them: in fp32 those that are stored in bfloat16 are widened, for they would
    /// choose the products of bfloat16.
    func weights(of part: String, precision: Precision) throws -> any WeightSource
    /// The tokenizer of a text encoder: `tokenizer` or `tokenizer_2`.
    func tokenizer(_ part: String) throws -> CLIPTokenizer
    /// How the model was trained, and how it likes to be sampled.
    func scheduler() throws -> SchedulerConfiguration
    /// Whether what `scheduler` says of the UNet's prediction is a guess that the UNet itself has to confirm.
    var guessesPrediction: Bool { get }
    /// What the model is best drawn with.
    func samplingDefaults() throws -> SamplingDefaults
    /// Whether the unconditional row of a request without a negative prompt is zeros instead of the empty text.
    var zeroesMissingNegative: Bool { get }
    /// Keys of the files that belong to no part.
    var strayKeys: [String] { get }
    /// The identity of the model's bytes.
    func hash() throws -> String
}

extension ModelStore {
    public var guessesPrediction: Bool { false }
    public func samplingDefaults() throws -> SamplingDefaults { .standard }

    public func weights(of part: String, precision: Precision) throws -> any WeightSource {
        switch precision {
        case .fp32: WidenedSource(try weights(of: part, floatingPoint: nil))
        case .bf16: try weights(of: part, floatingPoint: .bfloat16)
        }
    }

    /// As SDXL's base was trained, and its refiner was not.
    public var zeroesMissingNegative: Bool { holds("text_encoder_2") && holds("text_encoder") }
}
