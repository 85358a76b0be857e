@testable import Adapters
import DiffusionModels
import Foundation
import Layers
import TensorCore
import TestSupport
import Testing
import Weights

/// What a stack of adapters promises: nothing at strength 0, the merged weights otherwise, in any order, in any company.
@Suite struct StackTests {
    private static let modes: [AdapterStack.Application] = [.beside, .folded, .automatic]
    private let unet: AdaptedUNet

    init() throws { unet = try AdaptedUNet() }

    private func moment(_ timestep: Double) -> SamplingMoment {
        let sample = unet.inputs["sample"]
        return SamplingMoment(
            timestep: timestep, latentHeight: sample?.size(2) ?? 0, latentWidth: sample?.size(3) ?? 0)
    }

    // MARK: Strength

    @Test(arguments: modes) func `strength 0 is the base, bit for bit`(_ mode: AdapterStack.Application) throws {
        let base = try unet.run()
        for name in ["locon", "dora-rows", "dora-columns", "loha", "full"] {
            let adapter = try unet.adapter("\(name).safetensors")
            #expect(try isBitEqual(unet.run([StackEntry(adapter, weight: 0)], application: mode), base))
            #expect(try !isBitEqual(unet.run([StackEntry(adapter)], application: mode), base))
        }
        #expect(try isBitEqual(unet.run([], application: mode), base))
        let gains = [LayerGain("blocks", 0), LayerGain("conv_", 0), LayerGain("time_", 0), LayerGain("mid_block", 0)]
        var entry = StackEntry(unet.random(seed: 1))
        entry.gains = gains
        #expect(try isBitEqual(unet.run([entry], application: mode), base))
    }

    @Test func `a fresh adapter is the base, bit for bit`() throws {
        var random = TorchGenerator(seed: 3)
        let modules = SliderTarget(.c3lier, .noxattn).modules(of: unet.modules)
        let fresh = Adapter.untrained(name: "fresh", modules: modules, rank: 4, alpha: 1, random: &random)
        #expect(fresh.layers.count == modules.count)
        // Adding products with zeros: the numbers are the base's, were it not for the sign of a zero.
        #expect(
            maximumDifference(try unet.run([StackEntry(fresh, weight: 5)], application: .beside), try unet.run()) == 0)
    }

    @Test func `the change is linear in the strength`() throws {
        let layer = try #require(try unet.adapter("locon.safetensors").sortedLayers.first)
        let (one, two) = (try #require(try layer.dense()), try #require(try layer.scaled(2).dense()))
        #expect(largestError(two, one * 2) <= 1e-6)
        #expect(try largestError(#require(try layer.scaled(-1).dense()), one * -1) <= 1e-6)
    }

    // MARK: Composition

    @Test(arguments: modes) func `several adapters are their merged weights`(_ mode: AdapterStack.Application) throws {
        let terms: [(adapter: Adapter, strength: Double)] = try [
            (unet.random(seed: 1), 0.7), (unet.random(seed: 2, rank: 5), -0.4),
            (unet.adapter("loha.safetensors"), 0.5), (unet.adapter("locon-tucker.safetensors"), 0.3),
            (unet.adapter("dora-rows.safetensors"), 0.6), (unet.adapter("dora-columns.safetensors"), -0.2),
            (unet.adapter("full.safetensors"), 0.9),
        ]
        let output = try unet.run(terms.map { StackEntry($0.adapter, weight: $0.strength) }, application: mode)
        let merged = try unet.rebuilt(MergedSource(DictionarySource(unet.weights), part: "unet", terms))
        let target = try unet.run(model: merged)
        #expect(largestError(output, target) <= 1e-4)
        let reversed = terms.reversed().map { StackEntry($0.adapter, weight: $0.strength) }
        #expect(try largestError(unet.run(reversed, application: mode), output) <= 1e-5)
    }

    /// Linear layers, convolutions of 1x1 and 3x3, with a stride of 2, one by one.
    @Test func `each kind of layer is its merged weight, and merging back restores it`() throws {
        let adapter = unet.random(seed: 1)
        var random = TorchGenerator(seed: 4)
        let block = "down_blocks.0"
        let plain = DictionarySource(unet.weights)
        let merged = try MergedSource(plain, part: "unet", [(adapter, 0.7)])
        let restored = try MergedSource(merged, part: "unet", [(adapter, -0.7)])
        let stack = try AdapterStack([StackEntry(adapter, weight: 0.7)], sites: unet.sites)
        for (path, operation, shape) in [
            ("\(block).attentions.0.transformer_blocks.0.attn1.to_q", AdaptedOperation.linear, [2, 12, 16]),
            ("\(block).attentions.0.proj_in", .convolution(ConvolutionGeometry()), [2, 16, 4, 6]),
            ("conv_in", .convolution(ConvolutionGeometry(padding: 1)), [2, 4, 4, 6]),
            ("\(block).downsamplers.0.conv", .convolution(ConvolutionGeometry(stride: 2, padding: 1)), [2, 16, 4, 6]),
        ] {
            func weight(_ source: any WeightSource) throws -> Tensor {
                try #require(try source.tensor("\(path).weight", shape: nil, initial: nil))
            }
            let (own, changed, back) = (try weight(plain), try weight(merged), try weight(restored))
            let bias = unet.weights["\(path).bias"]
            let x = random.normal(shape)
            let site = try #require(unet.sites["unet.\(path)"], "\(path)")
            let beside = stack.adapted(
                BaseLayer(weight: own.frozen(), bias: bias, operation), input: x, at: site, Pass())
            let target = BaseLayer(weight: changed, bias: bias, operation)(x)
            #expect(largestError(beside, target) <= 1e-5, "\(path)")
            #expect(largestError(back, own) <= 1e-6 && maximumDifference(changed, own) > 1e-3, "\(path)")
        }
    }

    @Test func `many adapters take the shorter way, to the same end`() throws {
        let entries = (1...12).map { StackEntry(unet.random(seed: $0, rank: 4, spread: 0.1), weight: 0.5) }
        let beside = try unet.run(entries, application: .beside)
        let automatic = try unet.run(entries)
        // Other bits: some layers were folded.
        #expect(!isBitEqual(automatic, beside) && largestError(automatic, beside) <= 1e-4)
        let single = Array(entries.prefix(1))
        #expect(try isBitEqual(unet.run(single), unet.run(single, application: .beside)))
    }

    /// The recipe that adds the factors themselves has cross terms; the sum of changes has none.
    @Test func `factors are put side by side, not added`() throws {
        let (a, b) = (
            unet.random(seed: 1) { $0.hasSuffix("attn1.to_q") }, unet.random(seed: 2) { $0.hasSuffix("attn1.to_q") }
        )
        let together = try unet.run([StackEntry(a), StackEntry(b)])
        let sum = try Adapter.sum([(a, 1), (b, 1)])
        #expect(try largestError(unet.run([StackEntry(sum)]), together) <= 1e-5)
        let (x, y) = (a.parameters, b.parameters)
        let added = a.replacing(
            parameters: Dictionary(uniqueKeysWithValues: x.map { ($0.key, $0.value + (y[$0.key] ?? $0.value)) }))
        #expect(try maximumDifference(unet.run([StackEntry(added)]), together) > 1e-3)
    }

    @Test func `an adapter that is off leaves the others' bits alone`() throws {
        let (a, b) = (unet.random(seed: 1), unet.random(seed: 2))
        let alone = try unet.run([StackEntry(a)])
        #expect(try isBitEqual(unet.run([StackEntry(a), StackEntry(b, weight: 0)]), alone))
        #expect(try isBitEqual(unet.run([StackEntry(b, weight: 0), StackEntry(a)]), alone))
    }

    // MARK: Rows

    @Test(arguments: modes) func `rows have strengths of their own`(_ mode: AdapterStack.Application) throws {
        let (a, b) = (unet.random(seed: 1), unet.random(seed: 2))
        let rows = RowWeights(otherwise: 0, roles: [.conditional: 1.5, .style(0): -1])
        let stack = try AdapterStack(
            [StackEntry(a, rows: rows), StackEntry(b, weight: 0.5, rows: .only([.style(0)]))], sites: unet.sites,
            application: mode)
        func run(_ roles: [RowRole]) throws -> Tensor { try unet.run(Pass(adaptation: stack, rows: roles)) }
        func alone(_ roles: RowRole, _ row: Int) throws -> Tensor {
            try unet.run(Pass(adaptation: stack, rows: [roles]), row: row)
        }
        for roles in [[RowRole.unconditional, .conditional], [.conditional, .style(0)], [.style(0), .style(0)]] {
            let together = try run(roles).chunked(0, count: 2)
            for row in 0..<2 { #expect(isBitEqual(together[row], try alone(roles[row], row)), "\(roles) \(row)") }
        }
        let base = try unet.run().chunked(0, count: 2)
        #expect(isBitEqual(try run([.unconditional, .conditional]).chunked(0, count: 2)[0], base[0]))
        // Without roles, what is confined to some does not act.
        #expect(isBitEqual(try unet.run(Pass(adaptation: stack)).chunked(0, count: 2)[1], base[1]))
    }

    @Test func `two passes at once are the two alone, bit for bit`() async throws {
        let stacks = try [
            [StackEntry(unet.random(seed: 1), weight: 1.2), StackEntry(unet.adapter("dora-columns.safetensors"))],
            [StackEntry(unet.random(seed: 2), weight: -0.7), StackEntry(unet.adapter("lokr.safetensors"))],
        ].map { try AdapterStack($0, sites: unet.sites) }
        let alone = try stacks.map { try self.unet.run(Pass(adaptation: $0)) }
        let network = self.unet
        let shared = try stacks.map { try AdapterStack($0.entries, sites: unet.sites) }
        for _ in 0..<3 {
            async let first = Task.detached { try network.run(Pass(adaptation: shared[0])) }.value
            async let second = Task.detached { try network.run(Pass(adaptation: shared[1])) }.value
            let together = try await [first, second]
            #expect(isBitEqual(together[0], alone[0]) && isBitEqual(together[1], alone[1]))
        }
        #expect(!isBitEqual(alone[0], alone[1]))
    }

    // MARK: Schedules

    @Test func `a start above which an adapter is off is exact`() throws {
        let schedule = Schedule.starting(atNoise: 750)
        #expect(schedule.factor(at: moment(751)) == 0 && schedule.factor(at: moment(750)) == 1)
        #expect(schedule.factor(at: moment(0)) == 1)
        let adapter = unet.random(seed: 1)
        let base = try unet.run()
        let always = try unet.run([StackEntry(adapter)])
        for (noise, target) in [(-1.0, base), (1000, always)] {
            let stack = try AdapterStack(
                [StackEntry(adapter, schedule: .starting(atNoise: noise))], sites: unet.sites)
            for timestep in [999.0, 500, 0] {
                #expect(isBitEqual(try unet.run(Pass(adaptation: stack.at(moment(timestep)))), target))
            }
        }
    }

    @Test func `each adapter follows its own start`() throws {
        let (a, b) = (unet.random(seed: 1), unet.random(seed: 2))
        let stack = try AdapterStack(
            [
                StackEntry(a, schedule: .starting(atNoise: 800)), StackEntry(b, schedule: .starting(atNoise: 400)),
            ], sites: unet.sites)
        let (onlyA, both) = (try unet.run([StackEntry(a)]), try unet.run([StackEntry(a), StackEntry(b)]))
        for (timestep, target) in [(900.0, try unet.run()), (800, onlyA), (401, onlyA), (400, both), (0, both)] {
            #expect(isBitEqual(try unet.run(Pass(adaptation: stack.at(moment(timestep)))), target), "\(timestep)")
        }
    }

    @Test func `curves are lines between their corners`() {
        let curve = Schedule(.fraction, points: [.init(1, 0.5), .init(0, 0), .init(0.5, 1)])
        func factor(_ fraction: Double) -> Double {
            curve.factor(at: SamplingMoment(timestep: 0, fraction: fraction))
        }
        #expect([0, 0.25, 0.5, 0.75, 1].map(factor) == [0, 0.5, 1, 0.75, 0.5])
        let sigma = Schedule(.sigma, window: 1...5)
        #expect(sigma.factor(at: SamplingMoment(timestep: 0)) == 0)
        #expect(sigma.factor(at: SamplingMoment(timestep: 0, sigma: 5)) == 1)
        // A text is encoded once for the whole run.
        #expect(curve.factor(at: nil) == 0 && Schedule.always.factor(at: nil) == 1)
        #expect(Schedule(points: [.init(0, 0.3)]).factor(at: nil) == 0.3)
    }

    // MARK: Regions

    private func region(_ values: [Float], _ shape: [Int]) -> RegionMask { RegionMask(Tensor(values, shape: shape)) }

    @Test func `a region of everything is none, one of nothing is the base`() throws {
        let adapter = unet.random(seed: 1) { name in !name.hasPrefix("time_") }
        func run(_ mask: RegionMask?) throws -> Tensor {
            let entry = StackEntry(adapter, weight: 0.8, region: mask)
            return try unet.run(Pass(adaptation: AdapterStack([entry], sites: unet.sites).at(moment(500))))
        }
        #expect(largestError(try run(region([1], [1, 1])), try run(nil)) <= 1e-5)
        #expect(isBitEqual(try run(region([0], [1, 1])), try unet.run()))
    }

    @Test(arguments: ["locon.safetensors", "loha.safetensors", "dora-rows.safetensors", "full.safetensors"])
    func `other kinds have regions, too`(_ file: String) throws {
        let adapter = try unet.adapter(file)
        func run(_ mask: RegionMask?) throws -> Tensor {
            var layers = adapter
            layers.layers["unet.\("down_blocks.0.attentions.0.transformer_blocks.0").attn2.to_k"] = nil
            let entry = StackEntry(layers, weight: 0.8, region: mask)
            return try unet.run(Pass(adaptation: AdapterStack([entry], sites: unet.sites).at(moment(500))))
        }
        #expect(largestError(try run(region([1, 1], [1, 2])), try run(nil)) <= 1e-5)
    }

    /// Keys and values of a text act where the region is: queries outside read what the base reads.
    @Test func `what is read from the text is mixed by region`() throws {
        let adapter = unet.random(seed: 4) { $0.hasSuffix("attn2.to_k") || $0.hasSuffix("attn2.to_v") }
        let block = "down_blocks.0.attentions.0.transformer_blocks.0"
        func weights(_ name: String) throws -> Linear {
            let path = "\(block).attn2.\(name)"
            return Linear(
                weight: try Fixtures.require(unet.weights, path + ".weight").frozen(),
                bias: unet.weights[path + ".bias"],
                site: try #require(unet.sites["unet.\(path)"]))
        }
        let layer = Attention(
            queries: try weights("to_q"), keys: try weights("to_k"), values: try weights("to_v"),
            output: try weights("to_out.0"), heads: 2, site: try #require(unet.sites["unet.\(block).attn2"]))
        var random = TorchGenerator(seed: 6)
        let width = try weights("to_k").weight.size(1)
        let (tokens, text) = (random.normal([1, 24, 16]), random.normal([1, 13, width]))
        func read(_ mask: RegionMask?) throws -> Tensor {
            let stack = try AdapterStack([StackEntry(adapter, weight: 0.8, region: mask)], sites: unet.sites)
                .at(SamplingMoment(timestep: 0, latentHeight: 4, latentWidth: 6))
            return layer(tokens, context: text, Pass(adaptation: stack)).reshaped([1, 4, 6, 16])
        }
        let (base, whole) = (layer(tokens, context: text, Pass()).reshaped([1, 4, 6, 16]), try read(nil))
        let half = try read(region([1, 0], [1, 2]))
        #expect(maximumDifference(whole, base) > 1e-3)
        #expect(largestError(try read(region([1], [1, 1])), whole) <= 1e-5)
        #expect(isBitEqual(half.narrowed(2, start: 3, count: 3), base.narrowed(2, start: 3, count: 3)))
        #expect(largestError(half.narrowed(2, start: 0, count: 3), whole.narrowed(2, start: 0, count: 3)) <= 1e-5)
    }

    /// One convolution of a map, one linear layer of its tokens, one vector that is spread over it.
    @Test func `outside its region a layer has the base's bits`() throws {
        let mask = region([1, 0], [1, 2])
        let moment = SamplingMoment(timestep: 0, latentHeight: 4, latentWidth: 6)
        var random = TorchGenerator(seed: 5)
        let stack = try AdapterStack(
            [StackEntry(unet.random(seed: 1), region: mask)], sites: unet.sites
        ).at(moment)
        func layer(_ path: String, _ operation: AdaptedOperation) throws -> (BaseLayer, Int) {
            let weight = try Fixtures.require(unet.weights, "\(path).weight").frozen()
            let layer = BaseLayer(weight: weight, bias: unet.weights["\(path).bias"], operation)
            return (layer, try #require(unet.sites["unet.\(path)"]))
        }
        let block = "down_blocks.0.attentions.0.transformer_blocks.0"
        let (conv, convSite) = try layer("conv_in", .convolution(ConvolutionGeometry(padding: 1)))
        let map = random.normal([2, 4, 4, 6])
        let y = stack.adapted(conv, input: map, at: convSite, Pass())
        #expect(isBitEqual(y.narrowed(3, start: 3, count: 3), conv(map).narrowed(3, start: 3, count: 3)))
        #expect(maximumDifference(y.narrowed(3, start: 0, count: 3), conv(map).narrowed(3, start: 0, count: 3)) > 1e-3)

        let (linear, linearSite) = try layer("\(block).attn1.to_q", .linear)
        let tokens = random.normal([2, 24, 16])
        let z = stack.adapted(linear, input: tokens, at: linearSite, Pass()).reshaped([2, 4, 6, 16])
        let plain = linear(tokens).reshaped([2, 4, 6, 16])
        #expect(isBitEqual(z.narrowed(2, start: 3, count: 3), plain.narrowed(2, start: 3, count: 3)))
        #expect(maximumDifference(z, plain) > 1e-3)

        let (time, timeSite) = try layer(
            "mid_block.resnets.0.time_emb_proj", .spreadLinear(height: 4, width: 6))
        let vector = random.normal([2, time.weight.size(1)])
        let spread = stack.adapted(time, input: vector, at: timeSite, Pass())
        let whole = time(vector).unsqueezed(-1).unsqueezed(-1).expanded(to: spread.shape)
        #expect(spread.shape == [2, time.weight.size(0), 4, 6])
        #expect(isBitEqual(spread.narrowed(3, start: 3, count: 3), whole.narrowed(3, start: 3, count: 3)))
        #expect(maximumDifference(spread, whole) > 1e-3)

        // Texts have no place in the picture: the attention that reads them mixes.
        let (keys, keySite) = try layer("\(block).attn2.to_k", .linear)
        let text = random.normal([1, 13, keys.weight.size(1)])
        #expect(isBitEqual(stack.adapted(keys, input: text, at: keySite, Pass()), keys(text)))
    }

    @Test func `masks are averaged down`() {
        let mask = region([1, 0, 0, 0, 1, 1, 0, 0], [2, 4])
        #expect(mask.resized(height: 1, width: 2).floats == [0.75, 0])
        #expect(mask.resized(height: 2, width: 4).floats == mask.values.floats)
        #expect(mask.resized(height: 2, width: 8).floats.prefix(4) == [1, 1, 0, 0])
        #expect(!mask.isEmpty && region([0, 0], [1, 2]).isEmpty)
    }

    // MARK: Training

    @Test func `training sees the same numbers as the frozen stack`() throws {
        for name in ["peft-lora/adapter_model.safetensors", "loha.safetensors", "lokr-tucker.safetensors"] {
            let adapter = try unet.adapter(name)
            let leaves = adapter.parameters.mapValues { $0.converted(to: .float32).tracked() }
            let trained = adapter.replacing(parameters: leaves)
            let other = unet.random(seed: 9)
            func run(_ entry: StackEntry) throws -> Tensor { try unet.run([entry, StackEntry(other, weight: 0.5)]) }
            let output = try run(StackEntry(trained, isTrainable: true))
            #expect(largestError(output, try run(StackEntry(adapter))) <= 1e-5)
            let result = gradients(of: mean(square(output)))
            for (path, leaf) in leaves { #expect(try #require(result[leaf], "\(path)").floats.contains { $0 != 0 }) }
        }
    }
}
