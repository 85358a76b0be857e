internal import Layers
internal import Samplers
internal import TensorCore
internal import Tokenizers
internal import Weights

/// A model on disk whose weights are loaded into the memory of a device.
struct DeviceStore: ModelStore {
    let store: any ModelStore
    let device: any Backend

    func weights(of part: String, floatingPoint: DType?) throws -> any WeightSource {
        DeviceSource(try store.weights(of: part, floatingPoint: floatingPoint), on: device)
    }

    func weights(of part: String, precision: Precision) throws -> any WeightSource {
        DeviceSource(try store.weights(of: part, precision: precision), on: device)
    }

    var path: String { store.path }
    func holds(_ part: String) -> Bool { store.holds(part) }
    func configuration<Configuration: ModelConfiguration>(
        _ type: Configuration.Type, of part: String
    ) throws -> Configuration {
        try store.configuration(type, of: part)
    }
    func tokenizer(_ part: String) throws -> CLIPTokenizer { try store.tokenizer(part) }
    func scheduler() throws -> SchedulerConfiguration { try store.scheduler() }
    var guessesPrediction: Bool { store.guessesPrediction }
    func samplingDefaults() throws -> SamplingDefaults { try store.samplingDefaults() }
    var zeroesMissingNegative: Bool { store.zeroesMissingNegative }
    var strayKeys: [String] { store.strayKeys }
    func hash() throws -> String { try store.hash() }
}
