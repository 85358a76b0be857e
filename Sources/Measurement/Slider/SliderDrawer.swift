public import Adapters
public import Generation
public import Imaging
import Layers
import Samplers
import TensorCore

/// Draws the pictures that sliders are measured by.
///
/// The variants of a case share what they have in common: the encoded prompt, and the steps before a slider starts.
public struct SliderDrawer: Sendable {
    private let model: StableDiffusion
    private let adapter: Adapter
    private let unit: Double
    private let start: Double
    private let stack: AdapterStack
    private let others: [AdapterStack]
    private let steps: Int
    private let guidanceScale: Double

    /// - Parameters:
    ///   - usesUnit: whether scales are in the slider's own units, once it has one.
    ///   - others: sliders for `SliderVariant.beside`, in units where they have one.
    public init(
        _ slider: Adapter, model: StableDiffusion, usesUnit: Bool, others: [Adapter] = [], steps: Int,
        guidanceScale: Double
    ) throws {
        self.model = model
        adapter = slider
        unit = usesUnit ? slider.unit : 1
        start = slider.sliderNote?.start ?? 1
        stack = try AdapterStack([Self.entry(slider, model)], sites: model.sites)
        self.others = try others.map {
            try AdapterStack([Self.entry($0, model, weight: $0.unit)], sites: model.sites)
        }
        self.steps = steps
        self.guidanceScale = guidanceScale
    }

    /// A slider as its file says that it acts: from its start on.
    ///
    /// - Parameter weight: a raw scale.
    public static func entry(_ slider: Adapter, _ model: StableDiffusion, weight: Double = 1) -> StackEntry {
        StackEntry(slider, weight: weight, schedule: slider.schedule(timesteps: model.scheduler.trainTimesteps))
    }

    /// `pictures[case][variant]`.
    ///
    /// - Parameter progress: gets the number of pictures done.
    public func draw(
        _ cases: [SliderCase], _ variants: [SliderVariant], progress: (Int) throws -> Void = { _ in }
    ) throws -> [[Image]] {
        let stacks = try variants.map(stack)
        return try ComputeThread.shared.concurrently(cases.count, progress: { try progress($0 * variants.count) }) {
            try pictures(cases[$0], variants, stacks)
        }
    }

    /// The adapters of a variant; nil for the plain model.
    private func stack(_ variant: SliderVariant) throws -> AdapterStack? {
        let timesteps = Double(model.scheduler.trainTimesteps)
        switch variant {
        case .scale(let scale): return scale == 0 ? nil : stack.weighted([scale * unit])
        case .zero: return stack.weighted([0])
        case .window(let from, let to):
            // The upper end belongs to the window before, but for the first.
            let top = from >= 1 ? timesteps : (min(from, start) * timesteps).nextDown
            let bottom = to <= 0 ? 0 : to * timesteps
            let window = bottom <= top ? bottom...top : -1 ... -1
            let entry = StackEntry(adapter, weight: unit, schedule: Schedule(.timestep, window: window))
            return try AdapterStack([entry], sites: model.sites)
        case .block(let part):
            var entry = Self.entry(adapter, model, weight: unit)
            entry.gains = [LayerGain(part, 1), LayerGain(".", 0)]
            return try AdapterStack([entry], sites: model.sites)
        case .beside(let number): return others[number]
        case .words, .exchange, .direction: return nil
        }
    }

    private func pictures(
        _ wanted: SliderCase, _ variants: [SliderVariant], _ stacks: [AdapterStack?]
    ) throws -> [Image] {
        let request = request(wanted.prompt, wanted.seed)
        let plain = try Denoising(request, model: model)
        let acting = stacks.compactMap { $0 }.filter { $0.entries.contains { $0.weight != 0 } }
        // Where sliders change text encoders, prompts are encoded anew for each of them.
        let sharesText = acting.allSatisfy { $0.entries.allSatisfy { $0.adapter.isForUNetOnly } }
        let begun = sharesText && !acting.isEmpty ? beginning(plain, acting) : plain
        return try zip(variants, stacks).map { variant, stack in
            var denoising: Denoising
            switch variant {
            case .zero: denoising = try Denoising(request, model: model, pass: Pass(adaptation: stack))
            case .scale, .window, .block, .beside:
                guard let stack else {
                    denoising = begun
                    break
                }
                let pass = Pass(adaptation: stack)
                denoising = sharesText ? begun.continued(pass) : try Denoising(request, model: model, pass: pass)
            case .words:
                denoising = try Denoising(self.request(wanted.raised ?? wanted.prompt, wanted.seed), model: model)
            case .exchange:
                return try PromptToPrompt()(request, edited: wanted.raised ?? wanted.prompt, model: model).edited
                    .picture()
            case .direction(let scale):
                var guided = request
                guided.directions = [
                    ConceptDirection(from: wanted.prompt, to: wanted.raised ?? wanted.prompt, scale: scale)
                ]
                denoising = try Denoising(guided, model: model)
            }
            denoising.advanceToEnd()
            return try denoising.picture()
        }
    }

    /// The plain picture up to the first step in which some stack acts.
    private func beginning(_ plain: Denoising, _ stacks: [AdapterStack]) -> Denoising {
        let windows = stacks.flatMap { $0.entries.map(\.schedule) }
        guard windows.allSatisfy({ $0.axis == .timestep && $0.window != nil }) else { return plain }
        let first = windows.compactMap { $0.window?.upperBound }.max() ?? 0
        var plain = plain
        while !plain.isComplete, !plain.nextTimesteps.isEmpty, plain.nextTimesteps.allSatisfy({ Double($0) > first }) {
            plain.advance()
        }
        return plain
    }

    private func request(_ prompt: String, _ seed: UInt64) -> GenerationRequest {
        GenerationRequest(
            prompt: prompt, steps: steps, guidanceScale: guidanceScale, seed: seed, width: model.defaultSize,
            height: model.defaultSize)
    }

    /// The blocks of the UNet that the slider changes, by a part of their layers' paths.
    public var blocks: [String] { Set(adapter.layers.keys.compactMap(blockOfUNet)).sorted() }

    /// Where the slider's weights change most: by block, and the ten layers before all others.
    public func layerShares() throws -> [SliderReport.LayerShare] {
        let squares = try adapter.layers.mapValues {
            try Adapter(name: "", layers: [$0]).innerProduct(.init(name: "", layers: [$0]))
        }
        let total = max(squares.values.reduce(0, +), 1e-30)
        let blocks = Dictionary(grouping: squares, by: { blockOfUNet($0.key) ?? "text" })
            .mapValues { $0.reduce(0) { $0 + $1.value } / total }
        let byBlock = blocks.sorted { $0.key < $1.key }.map { SliderReport.LayerShare(blockName($0.key), $0.value) }
        let largest = squares.sorted { ($1.value, $0.key) < ($0.value, $1.key) }.prefix(10)
        return byBlock + largest.map { SliderReport.LayerShare($0.key, $0.value / total) }
    }
}

/// `unet.down_blocks.1.` as reports call it: `down_blocks.1`.
func blockName(_ part: String) -> String {
    part.split(separator: ".").drop { $0 == "unet" }.joined(separator: ".")
}

/// `unet.down_blocks.1.resnets.0.conv1` is in `unet.down_blocks.1.`.
private func blockOfUNet(_ path: String) -> String? {
    let parts = path.split(separator: ".")
    guard parts.first == "unet", parts.count > 2 else { return nil }
    let hasNumber = parts[1].hasSuffix("_blocks")
    return parts.prefix(hasNumber ? 3 : 2).joined(separator: ".") + "."
}

extension Adapter {
    fileprivate var isForUNetOnly: Bool { layers.keys.allSatisfy { $0.hasPrefix("unet.") } }
}
