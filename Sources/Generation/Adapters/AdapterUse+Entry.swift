public import Adapters
import Layers
import Samplers

extension StableDiffusion {
    /// The adapters of a recipe, ready for a pass; nil where there are none.
    ///
    /// - Throws: the errors of the files; `AdapterError` for what does not fit the model; `GenerationError` for what a use
    ///   says that makes no sense.
    public func adapters(_ uses: [AdapterUse]) throws -> AdapterStack? {
        guard !uses.isEmpty else { return nil }
        return try AdapterStack(uses.map(entry), sites: sites)
    }

    private func entry(_ use: AdapterUse) throws -> StackEntry {
        let adapter = try adapter(of: use)
        guard use.weight.isFinite else {
            throw GenerationError("\(use.label): scale", expected: "a finite number", found: "\(use.weight)")
        }
        // A calibrated slider's weights are in its own unit.
        try use.checkScale(adapter.sliderNote)
        try check(use.gains ?? [], use.label)
        // Strengths are numbers of 32 bits where they meet the layers.
        let largest = adapter.layers.values.map { abs($0.delta?.scale ?? 1) }.reduce(1, max)
        let gain = (use.gains ?? []).reduce(1) { $0 * max(abs($1.gain), 1) }
        guard Float(use.weight * adapter.unit * largest * gain).isFinite else {
            throw GenerationError(
                "\(use.label): scale", expected: "a strength that 32 bits can hold", found: "\(use.weight)")
        }
        let timesteps = scheduler.trainTimesteps
        var entry = StackEntry(
            adapter, weight: use.weight * adapter.unit,
            schedule: try use.schedule?.schedule(timesteps: timesteps, of: use.label)
                ?? adapter.schedule(timesteps: timesteps),
            rows: use.rows, region: try use.region?.regionMask(use.label))
        entry.gains = (use.gains ?? []).map { LayerGain($0.part, $0.gain) }
        entry.word = use.region?.wordRegion
        entry.isLocked = use.region?.lock ?? false
        // Rows of a style are its own: no slider replaces it there.
        entry.combine = use.styleBranch == nil ? use.combine ?? .sum : nil
        return entry
    }

    /// Reads a file for this model; one for another says what it is for where that can be told.
    private func adapter(of use: AdapterUse) throws -> Adapter {
        let allowsUnmatched = use.allowsUnmatched ?? false
        do {
            let file = try AdapterFile(path: use.file.path)
            if !allowsUnmatched { try AdapterOrigin(file.metadata).check(family, use.label) }
            do {
                return try Adapter(file, modules: modules, allowsUnmatched: allowsUnmatched)
            } catch let error as AdapterError {
                let others = try StandardArchitecture.allCases.filter { $0.rawValue != family?.rawValue }
                    .map { try AdapterBase($0) }
                guard let other = try? AdapterBase.of(file, among: others) else { throw error }
                throw AdapterError(file.path, expected: "an adapter for this model", found: "one for \(other.name)")
            }
        } catch let error as AdapterError {
            guard use.named.text != nil else { throw error }
            throw AdapterError("\(use.label): \(error.subject)", expected: error.expected, found: error.found)
        }
    }

    /// Refuses gains of parts that the model has not, which would be left without a word.
    private func check(_ gains: [StackGain], _ label: String) throws {
        for gain in gains {
            guard gain.gain.isFinite else {
                throw GenerationError("\(label): gains", expected: "a finite number", found: "\(gain.gain)")
            }
            guard !gain.part.isEmpty, modules.modules.contains(where: { $0.path.contains(gain.part) }) else {
                throw GenerationError(
                    "\(label): gains",
                    expected: "a part of the path of a layer that the model has, such as \(exampleParts)",
                    found: "'\(gain.part)'")
            }
        }
    }

    /// Parts of this model's paths: `down_blocks.0, mid_block, up_blocks.0, attn1`.
    private var exampleParts: String {
        ["down_blocks.0", "mid_block", "up_blocks.0", "attn1", "resnets"]
            .filter { part in modules.modules.contains { $0.path.contains(part) } }.joined(separator: ", ")
    }
}

extension AdapterUse {
    /// Refuses scales beyond what the file of a calibrated slider declares; 0 is always one.
    fileprivate func checkScale(_ note: SliderNote?) throws {
        guard let flaw = note?.flaw(of: weight) else { return }
        throw GenerationError(label, expected: flaw.expected, found: flaw.found)
    }
}
