public import Imaging
import DiffusionModels
import Layers
import TensorCore

extension StableDiffusion {
    /// Draws many pictures, as many at once as there are threads; the bits of each are those of one drawn alone.
    ///
    /// - Parameter progress: gets the number of pictures done, after each group.
    public func pictures(of requests: [GenerationRequest], progress: (Int) throws -> Void = { _ in }) throws -> [Image]
    {
        for request in requests { try request.validate(for: self) }
        var pictures: [Image] = []
        let group = 4 * ComputeThread.shared.threadCount
        while pictures.count < requests.count {
            let part = Array(requests[pictures.count..<min(pictures.count + group, requests.count)])
            pictures += try ComputeThread.shared.concurrently(part.count) { index in
                var denoising = try Denoising(part[index], model: self)
                while !denoising.isComplete { denoising.advance() }
                return denoising.picture()
            }
            try progress(pictures.count)
        }
        return pictures
    }

    /// Pictures after a round trip through the autoencoder.
    public func autoencoded(_ pictures: [Image], batch: Int = 8) throws -> [Image] {
        let starts = Array(stride(from: 0, to: pictures.count, by: batch))
        return try ComputeThread.shared.concurrently(starts.count) { index in
            let part = Array(pictures[starts[index]..<min(starts[index] + batch, pictures.count)])
            let latents = autoencoder.encode(Tensor(images: part), Pass()).mean
            return autoencoder.decode(latents, Pass()).images()
        }.flatMap { $0 }
    }
}
