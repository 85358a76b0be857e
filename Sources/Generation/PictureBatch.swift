public import DiffusionModels
public import Imaging
import Layers
import TensorCore

extension StableDiffusion {
    /// Draws many pictures, as many at once as there are threads; the bits of each are those of one drawn alone.
    ///
    /// - Parameter progress: gets the number of pictures done, after each group.
    public func pictures(of requests: [GenerationRequest], progress: (Int) throws -> Void = { _ in }) throws -> [Image]
    {
        for request in requests { try request.validate(for: self) }
        return try ComputeThread.shared.concurrently(requests.count, progress: progress) { index in
            var denoising = try Denoising(requests[index], model: self)
            denoising.advanceToEnd()
            return try denoising.picture()
        }
    }
}

extension AutoencoderKL {
    /// Pictures as they come back from the latents that the encoder finds likeliest.
    ///
    /// - Parameters:
    ///   - progress: gets the number of pictures done, after each group.
    ///   - picture: the picture of a number; all have one size.
    public func roundTrips(
        _ count: Int, batch: Int = 8, progress: (Int) throws -> Void = { _ in },
        _ picture: @Sendable (Int) throws -> Image
    ) throws -> [Image] {
        let starts = Array(stride(from: 0, to: count, by: batch))
        return try ComputeThread.shared.concurrently(
            starts.count, progress: { try progress(min($0 * batch, count)) }
        ) { index in
            let part = try (starts[index]..<min(starts[index] + batch, count)).map(picture)
            return decode(encode(Tensor(images: part), Pass()).mean, Pass()).images()
        }.flatMap { $0 }
    }
}
