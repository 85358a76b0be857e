import Adapters
import DiffusionModels
import Imaging
import Layers
import Samplers
import TensorCore

/// The picture without the adapters that are locked into a region, drawn beside the picture with them: after each
/// evaluation the latents outside the region are its own.
///
///     latents = support · latents + (1 - support) · base    where support is 1 wherever the mask is over 0
///
/// The mask itself has its say in the layers: were it multiplied in here again at each evaluation, nothing of the slider
/// would be left in a softened edge.
struct LockedBase: Sendable {
    /// Of the picture without the locked adapters.
    private(set) var latents: Tensor
    private var sampler: Sampler
    private var random: any RandomSource
    private let guided: GuidedRows
    private let pass: Pass

    /// Nil for a pass whose adapters are not locked.
    ///
    /// - Parameters:
    ///   - latents, sampler, random: where the picture begins.
    init?(
        _ pass: Pass, _ request: GenerationRequest, _ model: StableDiffusion, latents: Tensor, sampler: Sampler,
        random: any RandomSource
    ) {
        guard let stack = pass.adaptation as? AdapterStack, stack.hasLockedEntries else { return nil }
        var pass = pass
        pass.adaptation = stack.withoutLocked
        self.pass = pass
        self.latents = latents
        self.sampler = sampler
        self.random = random
        guided = GuidedRows(request, model, pass)
    }

    /// Takes the base's own evaluation, and gives the latents that go on.
    ///
    /// - Parameters:
    ///   - other: the latents of the picture with all adapters, after the same evaluation.
    ///   - region: where they count; nil for nowhere.
    ///   - channels: what the UNet reads beside latents.
    ///   - context: what the unconditional row reads instead of its text.
    mutating func evaluate(
        _ index: Int, model: StableDiffusion, at moment: SamplingMoment, beside channels: Tensor?,
        unconditional context: Tensor?, mixing other: Tensor, in region: RegionMask?
    ) -> Tensor {
        var pass = pass
        if let stack = pass.adaptation as? AdapterStack { pass.adaptation = stack.at(moment) }
        var input = sampler.modelInput(latents, at: index)
        if let channels { input = concatenated([input, channels], axis: 1) }
        let output = guided.predict(
            input, timestep: sampler.evaluations[index].timestep, model.unet, pass, unconditional: context)
        latents = sampler.step(output, latents: latents, at: index, random: &random)
        guard let region else { return latents }
        let mask = region.support(height: latents.size(2), width: latents.size(3)).unsqueezed(0).unsqueezed(0)
        return mask * other + (1 - mask) * latents
    }
}

extension Image {
    /// This picture inside a region, another one outside it: an autoencoder lets a change of latents be seen everywhere, if
    /// only a little.
    ///
    ///     pixel = share · this + (1 - share) · other
    ///
    /// - Parameters:
    ///   - region: its support among the latents, between whose places the share is bilinear.
    ///   - height, width: of the latents.
    func kept(in region: RegionMask, over other: Image, height: Int, width: Int) -> Image {
        let map = region.support(height: height, width: width).floats.map(Double.init)
        var pixels = other.pixels
        for y in 0..<self.height {
            let row = (Double(y) + 0.5) * Double(height) / Double(self.height) - 0.5
            for x in 0..<self.width {
                let column = (Double(x) + 0.5) * Double(width) / Double(self.width) - 0.5
                let share = bilinear(map, height: height, width: width, row: row, column: column)
                for place in 3 * (y * self.width + x)..<3 * (y * self.width + x) + 3 where share > 0 {
                    let mixed = share * Double(self.pixels[place]) + (1 - share) * Double(other.pixels[place])
                    pixels[place] = UInt8(min(max(mixed.rounded(), 0), 255))
                }
            }
        }
        return Image(width: self.width, height: self.height, pixels: pixels)
    }
}
