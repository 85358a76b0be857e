internal import Layers
internal import Synchronization
internal import TensorCore

/// What a model of gated layers keeps ready for single tokens, made by the first. It belongs to the parameters that it was
/// made of: a model whose parameters change gets a new one.
final class PreparedDecoder: Sendable {
    private enum State: Sendable {
        case unknown, absent
        case ready(GatedDecoder)
    }

    private let state = Mutex(State.unknown)

    /// One token of one text through all layers in one kernel; nil where something is visited, adapted or masked, or where
    /// the layers have no kernel.
    ///
    /// - Parameter make: gives the layers; called at the first token.
    func token(
        _ x: Tensor, _ context: DecoderContext, after state: DecodingState?, _ pass: Pass, make: () -> GatedDecoder?
    ) -> (Tensor, DecodingState)? {
        guard pass.isPlain, context.count == 1, context.past > 0, context.padding == [0], var next = state,
            let decoder = decoder(make)
        else { return nil }
        let caches = next.layers.compactMap { layer in
            if case .attention(let keys, let values) = layer { (keys: keys, values: values) } else { nil }
        }
        let turn = context.rotations[0]
        guard let decoded = decoder(x, caches: caches, cosines: turn.cosines, sines: turn.sines) else { return nil }
        next.layers = decoded.caches.map { .attention(keys: $0.keys, values: $0.values) }
        next.length += 1
        return (decoded.output, next)
    }

    /// Outside of the lock, for it waits for the compute thread, which may be waiting here.
    private func decoder(_ make: () -> GatedDecoder?) -> GatedDecoder? {
        switch state.withLock({ $0 }) {
        case .ready(let decoder): return decoder
        case .absent: return nil
        case .unknown:
            let made = make()
            state.withLock { $0 = made.map(State.ready) ?? .absent }
            return made
        }
    }
}
