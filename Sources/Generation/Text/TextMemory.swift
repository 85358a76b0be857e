public import Adapters
import Layers
import Recipes
import TensorCore

/// Texts that were read before, by what determines their encoding.
public typealias TextEncodings = ContentCache<TextConditioning>

extension TextEncodings {
    /// A cache for encodings of a number of bytes.
    public convenience init(byteBudget: Int) {
        self.init(byteBudget: byteBudget) { text in
            4 * (text.context.count + (text.pooled?.count ?? 0))
        }
    }
}

/// Encodings for one model, with or without adapters that change how it reads.
struct TextMemory: Sendable {
    let encodings: TextEncodings
    /// The model, and the adapters of its text encoders.
    let identity: String
    /// Whether adapters change how a text is read, so that its row's role and their weights in the pass count.
    let dependsOnPass: Bool

    /// The encoding of a prompt, made where it is not known.
    func conditioning(
        _ prompt: String, clipSkip: Int, _ pass: Pass, _ make: () -> TextConditioning
    ) -> TextConditioning {
        // The same stack is read with weights of 0 where a lock draws the picture without some of it.
        let weights = (pass.adaptation as? AdapterStack)?.entries.map(\.weight)
        let reader = dependsOnPass ? "\(pass.rows) \(weights ?? [])" : ""
        guard let key = try? canonicalHash(of: [identity, reader, "\(clipSkip)", prompt]) else { return make() }
        return encodings.value(key, make)
    }
}

extension StableDiffusion {
    /// The same model, which remembers the texts that it has read; for passes with this stack alone.
    ///
    /// - Parameters:
    ///   - hash: of everything that makes the model, its number format included.
    ///   - uses: what the stack was made of.
    public func remembering(
        _ encodings: TextEncodings, hash: String, _ stack: AdapterStack?, _ uses: [AdapterUse]
    ) throws -> StableDiffusion {
        // Most adapters change the UNet alone, and then texts are shared with and without them.
        let readsOtherwise = stack?.entries.contains { entry in
            entry.adapter.sortedLayers.contains { $0.module.path.hasPrefix("text_encoder") }
        }
        var model = self
        let adapters = readsOtherwise == true ? try canonicalHash(of: uses) : ""
        model.text.memory = TextMemory(
            encodings: encodings, identity: "\(hash) \(adapters)", dependsOnPass: !adapters.isEmpty)
        return model
    }
}
