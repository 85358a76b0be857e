@testable import Generation
import Imaging
import TensorCore
import TestSupport
import Testing

/// Recipes make their picture again, and say what is not as it was.
@Suite struct PictureVerdictTests {
    private func made() throws -> (recipe: PictureRecipe, image: Image, model: StableDiffusion) {
        let model = try StableDiffusion(ModelFolder(path: Fixtures.path("tiny-sd")))
        let request = GenerationRequest(
            prompt: "a cat", steps: 2, guidanceScale: 3, seed: 4, width: 32, height: 32, sampler: "euler_a")
        var recipe = PictureRecipe(
            engine: "1", model: "tiny", modelHash: "abc", precision: .fp32, request: request)
        var denoising = try recipe.denoising(with: model)
        while !denoising.isComplete { denoising.advance() }
        recipe.note(denoising)
        return (recipe, try denoising.picture(), model)
    }

    private func verdict(_ recipe: PictureRecipe, _ image: Image, _ model: StableDiffusion) throws -> PictureVerdict {
        var denoising = try recipe.denoising(with: model)
        while !denoising.isComplete { denoising.advance() }
        return try recipe.verdict(on: image, against: denoising, model: model, changedInputs: ["something"])
    }

    @Test func `a recipe survives its picture and makes it again to the bit`() throws {
        let (recipe, image, model) = try made()
        let metadata = try recipe.metadata()
        #expect(metadata.entries.last?.isInternational == true)
        let read = try #require(try PictureRecipe(metadata, path: "p.png"))
        #expect(read == recipe)
        #expect(try verdict(read, image, model) == .identical)
    }

    @Test func `another seed is another picture, a bit elsewhere is within tolerance`() throws {
        let (recipe, image, model) = try made()
        var other = recipe
        other.request.seed += 1
        guard case .different(let difference, let inputs) = try verdict(other, image, model) else {
            Issue.record("expected a difference")
            return
        }
        #expect(difference > PictureVerdict.tolerance && inputs == ["something"])
        // The same pixels from latents that were noted otherwise.
        other = recipe
        (other.latentsHash, other.latents) = ("0", nil)
        #expect(try verdict(other, image, model) == .withinTolerance(largestDifference: 0))
    }

    @Test func `the largest difference is that of the final latents`() throws {
        let (recipe, image, model) = try made()
        var denoising = try recipe.denoising(with: model)
        denoising.advanceToEnd()
        let largest = try #require(denoising.latents.floats.map(abs).max())
        let rounding = largest / Float(Int16.max)
        for (shift, isWithin) in [(Float(5e-4), true), (0.01, false)] {
            var moved = denoising.latents.floats
            moved[7] += moved[7] > 0 ? -shift : shift
            var other = recipe
            other.note(latents: Tensor(moved, shape: denoising.latents.shape), sampler: "euler_a")
            switch try verdict(other, image, model) {
            case .withinTolerance(let difference):
                #expect(isWithin && abs(difference - shift) <= rounding)
            case .different(let difference, _):
                #expect(!isWithin && abs(difference - shift) <= rounding)
            case .identical: Issue.record("identical")
            }
        }
    }

    @Test func `a JPEG carries no latents, and what cannot be compared is read from the pictures`() throws {
        let (recipe, image, model) = try made()
        let read = try #require(try PictureRecipe(recipe.metadata(for: .jpeg), path: "p.jpg"))
        #expect(read.latents == nil && read.latentsHash == recipe.latentsHash)
        let compressed = try decodeImage(encodeImage(image, as: .jpeg)).image
        #expect(compressed != image)
        #expect(try verdict(read, compressed, model) == .identical)
        var other = recipe
        other.latents = StoredLatents(Tensor.zeros([1, 4, 2, 2]))
        other.latentsHash = "0"
        #expect(try verdict(other, image, model) == .withinTolerance(largestDifference: 0))
    }

    @Test func `changed inputs are named`() throws {
        let recipe = try made().recipe
        #expect(recipe.changedInputs(modelHash: "abc", engine: "1").isEmpty)
        let changed = recipe.changedInputs(modelHash: "def", engine: "2")
        #expect(changed.count == 2 && changed[0].contains("the model") && changed[1].contains("the engine"))
    }

    @Test(arguments: ["{}", "no JSON", "{\"schema\":2}", "{\"schema\":1}"])
    func `a recipe that cannot be read is refused`(_ text: String) {
        var metadata = ImageMetadata()
        metadata["atelier"] = text
        #expect(throws: GenerationError.self) { try PictureRecipe(metadata, path: "p.png") }
    }
}
