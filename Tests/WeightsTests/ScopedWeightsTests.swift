import TensorCore
import Testing
import Weights

/// Taking parameters by path: what is right, what is missing, what is left.
@Suite struct ScopedWeightsTests {
    private func source(_ shapes: [String: [Int]]) -> DictionarySource {
        DictionarySource(shapes.mapValues { Tensor([Float](repeating: 2, count: $0.reduce(1, *)), shape: $0) })
    }

    private func message(_ body: () throws -> Void) -> String {
        do {
            try body()
            return "no error"
        } catch { return "\(error)" }
    }

    @Test func pathsAreTheRootAndTheKey() throws {
        let weights = ScopedWeights(source(["mid.0.to_q.weight": [2, 3]]), root: "unet")
        let query = weights.scope("mid", 0).scope("to_q")
        #expect(query.path == "unet.mid.0.to_q")
        #expect(query.contains("weight"))
        #expect(!query.contains("bias"))
        #expect(try query.tensor("weight", shape: [2, 3], initial: .zeros).floats == [2, 2, 2, 2, 2, 2])

        let prefixed = ScopedWeights(source(["text_model.a.weight": [1]]), root: "clip", keyPrefix: "text_model")
        #expect(prefixed.scope("a").path == "clip.a")
        #expect(prefixed.scope("a").contains("weight"))
        #expect(ScopedWeights(source([:])).scope("a.b").path == "a.b")
    }

    @Test func sitesKeepTheirNumbers() {
        let sites = SiteIndex()
        let weights = ScopedWeights(source([:]), root: "unet", sites: sites)
        let a = weights.scope("a")
        let b = weights.scope("b")
        #expect([weights.site, a.site, b.site] == [0, 1, 2])
        #expect(weights.scope("a").site == a.site)
        #expect(sites.paths == ["unet", "unet.a", "unet.b"])
        #expect(sites["unet.b"] == 2)
        #expect(sites["unet.c"] == nil)
        #expect(ScopedWeights(source([:]), root: "vae", sites: sites).site == 3)
    }

    @Test func sitesFromManyThreads() async {
        let sites = SiteIndex()
        await withTaskGroup(of: Void.self) { group in
            for _ in 0..<8 {
                group.addTask { for number in 0..<200 { _ = sites.register("layer.\(number)") } }
            }
        }
        #expect(sites.count == 200)
        #expect(sites.paths.enumerated().allSatisfy { sites[$0.element] == $0.offset })
    }

    @Test func errorsNamePathExpectedAndFound() throws {
        let folder = try TemporaryFolder()
        let path = folder("model.safetensors")
        try writeSafetensors(
            ["conv_in.weight": Tensor([Float](repeating: 0, count: 18), shape: [2, 9, 1, 1])], to: path)
        let files = try SafetensorsSource(SafetensorsSet(WeightFiles(file: path)))
        let weights = ScopedWeights(files, root: "unet").scope("conv_in")
        #expect(
            message { _ = try weights.tensor("weight", shape: [2, 4, 1, 1], initial: .zeros) }
                == "unet.conv_in.weight: expected [2, 4, 1, 1], found [2, 9, 1, 1] in \(path)")
        #expect(
            message { _ = try weights.tensor("bias", shape: [2], initial: .zeros) }
                == "unet.conv_in.bias: expected [2], found no such tensor in \(path)")
        #expect(
            message { _ = try weights.optionalTensor("weight", shape: [2, 9]) }
                == "unet.conv_in.weight: expected [2, 9], found [2, 9, 1, 1] in \(path)")
        #expect(try weights.optionalTensor("bias", shape: [2]) == nil)
        #expect(try weights.optionalTensor("weight")?.shape == [2, 9, 1, 1])
    }

    /// Integers that no layer asks for, such as position ids, stay.
    @Test func parametersAreOfAFloatingPointType() throws {
        let source = DictionarySource([
            "a.weight": Tensor([1, 2] as [Int32]), "a.bias": Tensor([true]),
            "a.position_ids": Tensor([0, 1] as [Int64]),
        ])
        let weights = ScopedWeights(source, root: "m").scope("a")
        #expect(
            message { _ = try weights.tensor("weight", shape: [2], initial: .zeros) }
                == "m.a.weight: expected a floating-point type, found int32 in memory")
        #expect(
            message { _ = try weights.optionalTensor("bias") }
                == "m.a.bias: expected a floating-point type, found bool in memory")
        let all = message {
            _ = try ScopedWeights.load(source, root: "m", ignoring: ["*.position_ids"]) { weights in
                let bias = try weights.scope("a").optionalTensor("bias")
                #expect(bias?.shape == [1])
                return try weights.scope("a").tensor("weight", shape: [2], initial: .zeros)
            }
        }
        #expect(
            all == "m.a.bias: expected a floating-point type, found bool in memory; also wrong or missing: m.a.weight")
    }

    @Test func theReportSaysWhatWasUsed() throws {
        let source = source(["a.weight": [1], "a.bias": [1], "b.weight": [1], "c.position_ids": [1]])
        let (sum, report) = try ScopedWeights.load(source, root: "m", ignoring: ["*.position_ids"]) { weights in
            try weights.scope("a").tensor("weight", shape: [1], initial: .ones).item
                + (weights.scope("a").optionalTensor("bias", shape: [1])?.item ?? 0)
        }
        #expect(sum == 4)
        #expect(report.used == ["a.bias", "a.weight"])
        #expect(report.unused == ["b.weight"])
        #expect(report.ignored == ["c.position_ids"])
        #expect(report.missing == [])
        #expect("\(report)" == "2 tensors used, 1 unused (b.weight), 1 ignored")
    }

    @Test func aPrefixHidesOtherKeys() throws {
        let source = source(["vae.a": [1], "unet.a": [1], "unet.b": [1], "unets.a": [1]])
        let (_, report) = try ScopedWeights.load(source, root: "u", keyPrefix: "unet") { weights in
            try weights.tensor("a", shape: [1], initial: .ones)
        }
        #expect(report.used == ["unet.a"])
        #expect(report.unused == ["unet.b"])
    }

    @Test func aStrictLoadNamesEveryFlaw() {
        func load(_ shapes: [String: [Int]]) -> String {
            message {
                _ = try ScopedWeights.load(source(shapes), root: "m") { weights in
                    let a = try weights.tensor("a", shape: [2, 2], initial: .zeros)
                    #expect(a.shape == [2, 2])
                    _ = try weights.tensor("b", shape: [3], initial: .zeros)
                    return try weights.tensor("c", shape: [1], initial: .zeros)
                }
            }
        }
        #expect(load(["a": [2, 2], "b": [3], "c": [1]]) == "no error")
        #expect(load(["a": [2, 2], "c": [1]]) == "m.b: expected [3], found no such tensor in memory")
        #expect(
            load(["a": [2, 2, 1], "c": [1]])
                == "m.a: expected [2, 2], found [2, 2, 1] in memory; also wrong or missing: m.b")
    }

    @Test func patterns() throws {
        let keys = ["position_ids", "a.position_ids", "a.position_ids.x", "a.b", "a.bb", "ab"]
        func ignored(_ patterns: String...) throws -> [String] {
            let source = source(Dictionary(uniqueKeysWithValues: keys.map { ($0, [1]) }))
            return try ScopedWeights.load(source, root: "", ignoring: patterns) { _ in }.report.ignored
        }
        #expect(try ignored("*.position_ids") == ["a.position_ids"])
        #expect(try ignored("*position_ids*") == ["a.position_ids", "a.position_ids.x", "position_ids"])
        #expect(try ignored("a*b") == ["a.b", "a.bb", "ab"])
        #expect(try ignored("a.b", "ab") == ["a.b", "ab"])
        #expect(try ignored("*") == keys.sorted())
        #expect(try ignored("", "b*") == [])
    }

    @Test func layersOfSources() throws {
        let layered = LayeredSource([
            source(["a": [1]]), DictionarySource(["a": Tensor(scalar: 0), "b": Tensor(scalar: 5)]),
        ])
        #expect(layered.keys == ["a", "b"])
        #expect(try layered.tensor("a", shape: nil, initial: nil)?.shape == [1])
        #expect(try layered.tensor("b", shape: nil, initial: nil)?.item == 5)
        #expect(try layered.tensor("c", shape: nil, initial: nil) == nil)
    }
}
