/// Where a denoising run is: what schedules and regions look at.
public struct SamplingMoment: Sendable, Hashable {
    /// As the model is told, whole or fractional; 999 is pure noise.
    public var timestep: Double
    /// The share of the steps that are done, from 0 to 1.
    public var fraction: Double
    /// The noise level, where the sampler has one.
    public var sigma: Double?
    /// Height and width of the latents, from which the sizes of all feature maps follow.
    public var latentHeight: Int
    public var latentWidth: Int

    public init(
        timestep: Double, fraction: Double = 0, sigma: Double? = nil, latentHeight: Int = 0, latentWidth: Int = 0
    ) {
        self.timestep = timestep
        self.fraction = fraction
        self.sigma = sigma
        self.latentHeight = latentHeight
        self.latentWidth = latentWidth
    }

    /// The height of a feature map of so many tokens, or nil when no level of the model has as many.
    func height(ofTokens count: Int) -> Int? {
        var (height, width) = (latentHeight, latentWidth)
        while height > 0 && width > 0 {
            if height * width == count { return height }
            if height == 1 && width == 1 { return nil }
            (height, width) = ((height + 1) / 2, (width + 1) / 2)
        }
        return nil
    }
}
