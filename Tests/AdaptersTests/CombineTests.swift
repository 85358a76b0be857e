@testable import Adapters
import Layers
import TensorCore
import TestSupport
import Testing
import Weights

/// Entries of a stack that are averaged, or that take the place of others.
@Suite struct CombineTests {
    private let unet: AdaptedUNet

    init() throws { unet = try AdaptedUNet() }

    private func entry(
        _ adapter: Adapter, _ weight: Double = 1, _ combine: CombineRule? = .sum, region: RegionMask? = nil,
        schedule: Schedule = .always, rows: RowWeights = .all
    ) -> StackEntry {
        var entry = StackEntry(adapter, weight: weight, schedule: schedule, rows: rows, region: region)
        entry.combine = combine
        return entry
    }

    private func moment(_ timestep: Double) -> SamplingMoment {
        SamplingMoment(timestep: timestep, latentHeight: 4, latentWidth: 6)
    }

    @Test func `shares follow the rules`() {
        func shares(_ rules: [CombineRule?], _ coverage: [Double]) -> [Double] {
            CombineRule.shares(rules, coverage: coverage)
        }
        #expect(shares([.sum, .sum], [1, 1]) == [1, 1])
        #expect(shares([.mean, .mean, .sum], [1, 1, 1]) == [0.5, 0.5, 1])
        // Alone, or with one that is hardly there, a mean entry keeps (nearly) all.
        #expect(shares([.mean, .sum], [1, 1]) == [1, 1] && shares([.mean, .mean], [0.5, 0.25]) == [1, 1])
        #expect(shares([.sum, .mean, .replace, .sum], [1, 1, 1, 1]) == [0, 0, 1, 1])
        // Half of the way in, one fades into the other.
        #expect(shares([.sum, .replace], [1, 0.25]) == [0.75, 1])
        #expect(shares([.sum, .replace, .replace], [1, 0.5, 0.5]) == [0.25, 0.5, 1])
        // What is replaced does not thin out what is averaged after it.
        #expect(shares([.mean, .replace, .mean], [1, 1, 1]) == [0, 1, 1])
        #expect(shares([nil, .replace], [1, 1]) == [1, 1])
    }

    @Test func `where one number holds everywhere, the rule is another weight`() throws {
        let (a, b, c) = (unet.random(seed: 1), unet.random(seed: 2), unet.random(seed: 3))
        let onlyB = try unet.run([entry(b, 0.8)])
        #expect(try isBitEqual(unet.run([entry(a, 1.2), entry(b, 0.8, .replace)]), onlyB))
        #expect(try !isBitEqual(unet.run([entry(b, 0.8, .replace), entry(a, 1.2)]), onlyB))
        let halves = try unet.run([entry(a, 0.6), entry(b, 0.4), entry(c, 0.5)])
        let mean = [entry(a, 1.2, .mean), entry(b, 0.8, .mean), entry(c, 0.5)]
        #expect(try isBitEqual(unet.run(mean), halves))
        #expect(try largestError(unet.run(mean.reversed()), halves) <= 1e-5)
        // Off is not there: it replaces nothing, and is averaged with nothing.
        let onlyA = try unet.run([entry(a, 1.2)])
        #expect(try isBitEqual(unet.run([entry(a, 1.2), entry(b, 0, .replace)]), onlyA))
        #expect(try isBitEqual(unet.run([entry(a, 1.2, .mean), entry(b, 0, .mean)]), onlyA))
        // The adapter of a style is its own row's business.
        let both = try unet.run([entry(a, 1.2), entry(b, 0.8)])
        #expect(try isBitEqual(unet.run([entry(a, 1.2, nil), entry(b, 0.8, .replace)]), both))
    }

    @Test func `one replaces others from its start on`() throws {
        let (a, b) = (unet.random(seed: 1), unet.random(seed: 2))
        let stack = try AdapterStack(
            [entry(a), entry(b, 1, .replace, schedule: .starting(atNoise: 500))], sites: unet.sites)
        let (onlyA, onlyB) = (try unet.run([entry(a)]), try unet.run([entry(b)]))
        for (timestep, target) in [(501.0, onlyA), (500, onlyB)] {
            #expect(isBitEqual(try unet.run(Pass(adaptation: stack.at(moment(timestep)))), target))
        }
    }

    @Test func `rows combine what acts in them`() throws {
        let (a, b) = (unet.random(seed: 1), unet.random(seed: 2))
        let stack = try AdapterStack(
            [entry(a), entry(b, 1, .replace, rows: RowWeights(roles: [.unconditional: 0]))], sites: unet.sites)
        let rows = try unet.run(Pass(adaptation: stack, rows: [.unconditional, .conditional])).chunked(0, count: 2)
        #expect(isBitEqual(rows[0], try unet.run([entry(a)]).chunked(0, count: 2)[0]))
        #expect(isBitEqual(rows[1], try unet.run([entry(b)]).chunked(0, count: 2)[1]))
    }

    // MARK: Regions

    private let left = RegionMask(Tensor([1, 1, 1, 0, 0, 0] as [Float], shape: [1, 6]))
    private let middle = RegionMask(Tensor([0, 0, 1, 1, 0, 0] as [Float], shape: [1, 6]))

    /// One layer of a 4x6 map, by the columns.
    private func columns(_ entries: [StackEntry]) throws -> (_ first: Int, _ count: Int) -> Tensor {
        let stack = try AdapterStack(entries, sites: unet.sites).at(moment(0))
        let weight = try Fixtures.require(unet.weights, "conv_in.weight").frozen()
        let layer = BaseLayer(
            weight: weight, bias: unet.weights["conv_in.bias"], .convolution(ConvolutionGeometry(padding: 1)))
        var random = TorchGenerator(seed: 5)
        let output = stack.adapted(
            layer, input: random.normal([1, 4, 4, 6]), at: try #require(unet.sites["unet.conv_in"]), Pass())
        return { output.narrowed(3, start: $0, count: $1).contiguous() }
    }

    @Test(arguments: ["random", "loha.safetensors", "dora-rows.safetensors", "full.safetensors"])
    func `inside its region one replaces the others, of any kind`(_ file: String) throws {
        let a = file == "random" ? unet.random(seed: 1) : try unet.adapter(file)
        let b = unet.random(seed: 2)
        let mixed = try columns([entry(a, 0.7), entry(b, 0.5, .replace, region: left)])
        let (onlyA, onlyB) = (try columns([entry(a, 0.7)]), try columns([entry(b, 0.5)]))
        #expect(largestError(mixed(0, 3), onlyB(0, 3)) <= 1e-5)
        #expect(largestError(mixed(3, 3), onlyA(3, 3)) <= 1e-5)
    }

    @Test func `where regions overlap their entries are averaged`() throws {
        let (a, b) = (unet.random(seed: 1), unet.random(seed: 2))
        // Left half and middle third: columns 0, 1 are a's, column 2 both's, column 3 is b's, the rest nobody's.
        let mixed = try columns([entry(a, 0.7, .mean, region: left), entry(b, 0.5, .mean, region: middle)])
        let (onlyA, onlyB) = (try columns([entry(a, 0.7)]), try columns([entry(b, 0.5)]))
        let halves = try columns([entry(a, 0.35), entry(b, 0.25)])
        #expect(largestError(mixed(0, 2), onlyA(0, 2)) <= 1e-5)
        #expect(largestError(mixed(2, 1), halves(2, 1)) <= 1e-5)
        #expect(largestError(mixed(3, 1), onlyB(3, 1)) <= 1e-5)
        #expect(largestError(mixed(4, 2), try columns([])(4, 2)) <= 1e-6)
        let sum = try columns([entry(a, 0.7, region: left), entry(b, 0.5, region: middle)])
        #expect(maximumDifference(sum(2, 1), mixed(2, 1)) > 1e-3)
    }

    /// What is read from a text has no place: the attention reads once for each region.
    @Test func `answers of the text are combined by region`() throws {
        let block = "down_blocks.0.attentions.0.transformer_blocks.0"
        func weights(_ name: String) throws -> Linear {
            let path = "\(block).attn2.\(name)"
            return Linear(
                weight: try Fixtures.require(unet.weights, path + ".weight").frozen(),
                bias: unet.weights[path + ".bias"], site: try #require(unet.sites["unet.\(path)"]))
        }
        let layer = Attention(
            queries: try weights("to_q"), keys: try weights("to_k"), values: try weights("to_v"),
            output: try weights("to_out.0"), heads: 2, site: try #require(unet.sites["unet.\(block).attn2"]))
        var random = TorchGenerator(seed: 6)
        let width = try weights("to_k").weight.size(1)
        let (tokens, text) = (random.normal([2, 24, 16]), random.normal([2, 13, width]))
        func read(_ entries: [StackEntry], rows: [RowRole] = []) throws -> Tensor {
            let stack = try AdapterStack(entries, sites: unet.sites).at(moment(0))
            return layer(tokens, context: text, Pass(adaptation: stack, rows: rows)).reshaped([2, 4, 6, 16])
        }
        func adapter(_ seed: UInt64) -> Adapter {
            unet.random(seed: seed) { $0.hasSuffix("attn2.to_k") || $0.hasSuffix("attn2.to_v") }
        }
        let (a, b) = (adapter(1), adapter(2))
        func part(_ tensor: Tensor, _ start: Int, row: Int = 0) -> Tensor {
            tensor.narrowed(0, start: row, count: 1).narrowed(2, start: start, count: 3).contiguous()
        }
        let (onlyA, onlyB) = (try read([entry(a)]), try read([entry(b)]))
        let replaced = try read([entry(a), entry(b, 1, .replace, region: left)])
        #expect(largestError(part(replaced, 0), part(onlyB, 0)) <= 1e-5)
        #expect(isBitEqual(part(replaced, 3), part(onlyA, 3)))
        let averaged = try read([entry(a, 1, .mean), entry(b, 1, .mean, region: left)])
        #expect(largestError(part(averaged, 0), part(try read([entry(a, 0.5), entry(b, 0.5)]), 0)) <= 1e-5)
        #expect(isBitEqual(part(averaged, 3), part(onlyA, 3)))
        // In one row only, too.
        let conditional = entry(b, 1, .replace, region: left, rows: RowWeights(roles: [.unconditional: 0]))
        let rows = try read([entry(a), conditional], rows: [.unconditional, .conditional])
        #expect(isBitEqual(part(rows, 0), part(onlyA, 0)))
        #expect(largestError(part(rows, 0, row: 1), part(onlyB, 0, row: 1)) <= 1e-5)
    }
}
