@testable import Adapters
import Foundation
import TensorCore
import TestSupport
import Testing
import Weights

/// Sums, projections and approximations of adapters, beside the same with whole matrices.
@Suite struct AlgebraTests {
    private let unet: AdaptedUNet

    init() throws { unet = try AdaptedUNet() }

    private func dense(_ adapter: Adapter, _ path: String) throws -> Tensor {
        try #require(try adapter.layers[path]?.dense())
    }

    private func product(_ a: Tensor, _ b: Tensor) -> Double { Double(sum(a * b).item) }

    @Test func `a calibrated slider's range holds in sums and mixtures`() throws {
        var slider = unet.random(seed: 1) { $0 == "conv_in" }
        var note = SliderNote(name: "age", base: "abc")
        note.unit = 0.5
        try slider.setNote(note)
        let other = unet.random(seed: 2) { $0 == "conv_in" }
        _ = try Adapter.sum([(slider, -2), (other, 9)])
        _ = try Adapter.interpolated(other, slider, at: 2)
        for made in [
            { try Adapter.sum([(other, 1), (slider, 9)]) }, { try Adapter.interpolated(slider, other, at: 3.5) },
        ] {
            let error = #expect(throws: AdapterError.self) { try made() }
            #expect(error?.description.contains("random 1: expected a scale from -2.0 to 2.0") == true)
        }
    }

    @Test func `a sum has no recipe of its own`() throws {
        var a = unet.random(seed: 1) { $0 == "conv_in" }
        a.metadata["atelier.recipe"] = "{}"
        let b = unet.random(seed: 2) { $0 == "conv_in" }
        #expect(try Adapter.sum([(a, 1), (b, 1)]).metadata["atelier.recipe"] == nil)
        #expect(try Adapter.interpolated(a, b, at: 0.5).metadata["atelier.recipe"] == nil)
        #expect(try a.scaled(2).metadata["atelier.recipe"] == "{}")
    }

    @Test func `sums, multiples and mixtures are those of the changes`() throws {
        let (a, b) = (unet.random(seed: 1), unet.random(seed: 2, rank: 2) { $0.contains("mid_block") })
        let loha = try unet.adapter("loha.safetensors")
        let total = try Adapter.sum([(a, 0.5), (b, -2), (loha, 3)])
        let mixed = try Adapter.interpolated(a, b, at: 0.25)
        for path in a.layers.keys {
            func part(_ adapter: Adapter, _ weight: Double) throws -> Tensor? {
                try adapter.layers[path]?.dense().map { $0 * weight }
            }
            let terms = try [part(a, 0.5), part(b, -2), part(loha, 3)].compactMap { $0 }
            #expect(largestError(try dense(total, path), terms.dropFirst().reduce(terms[0]) { $0 + $1 }) <= 1e-5)
            let mixture = try [part(a, 0.75), part(b, 0.25)].compactMap { $0 }
            #expect(largestError(try dense(mixed, path), mixture.dropFirst().reduce(mixture[0]) { $0 + $1 }) <= 1e-5)
            #expect(largestError(try dense(a.scaled(-1.5), path), try dense(a, path) * -1.5) <= 1e-6)
        }
        let conv = "unet.mid_block.resnets.0.conv1"
        #expect(total.layers[conv]?.delta?.rank == 5)
        // Back through a file, where kinds without alpha have it multiplied in.
        try inTemporaryFolder { folder in
            for (name, adapter) in [
                ("a", total), ("b", try loha.scaled(0.3)), ("c", try unet.adapter("lokr-full.safetensors").scaled(2)),
            ] {
                try adapter.write(to: "\(folder.path)/\(name).safetensors", format: .kohya)
                let read = try Adapter(path: "\(folder.path)/\(name).safetensors", modules: unet.modules)
                for path in adapter.layers.keys {
                    #expect(largestError(try dense(read, path), try dense(adapter, path)) <= 1e-5, "\(name) \(path)")
                }
            }
        }
    }

    @Test func `calibrated sliders count in their own units`() throws {
        var (a, b) = (unet.random(seed: 1), unet.random(seed: 2))
        var note = SliderNote(name: "a", base: "abc")
        (note.unit, note.curve, note.trait, note.start) = (0.25, [[1, 0.25]], "age", 0.8)
        try a.setNote(note)
        (note.unit, note.name) = (3, "b")
        try b.setNote(note)
        let path = try #require(a.layers.keys.sorted().first)
        let total = try Adapter.sum([(a, 2), (b, -1)])
        #expect(largestError(try dense(total, path), try dense(a, path) * 0.5 - dense(b, path) * 3) <= 1e-5)
        #expect(largestError(try dense(Adapter.interpolated(a, b, at: 1), path), try dense(b, path) * 3) <= 1e-5)
        #expect(total.sliderNote == nil && total.unit == 1)
        // Of one slider the unit stays; what was measured of it does not.
        let opposite = try a.negated()
        #expect(largestError(try dense(opposite, path), try dense(a, path) * -1) <= 1e-6)
        #expect(opposite.unit == 0.25 && opposite.sliderNote?.start == 0.8 && opposite.sliderNote?.curve == nil)
    }

    @Test func `DoRA is resolved before it is added`() throws {
        let dora = try unet.adapter("dora-columns.safetensors")
        let error = #expect(throws: AdapterError.self) { try dora.negated() }
        #expect(error?.description.contains("DoRA") == true)
        let resolved = try dora.resolvingDecomposition { unet.weights["\($0.name).weight"] }
        #expect(largestError(try unet.run([StackEntry(resolved)]), try unet.run([StackEntry(dora)])) <= 1e-5)
        #expect(
            largestError(try unet.run([StackEntry(resolved.negated(), weight: -1)]), try unet.run([StackEntry(dora)]))
                <= 1e-5)
    }

    @Test(arguments: ProjectionScope.allCases) func `what was projected out is orthogonal`(_ scope: ProjectionScope)
        throws
    {
        let b = unet.random(seed: 2)
        // Nearly the same direction, so that there is something to remove.
        let a = try Adapter.sum([(unet.random(seed: 1), 1), (b, 0.8)])
        #expect(try a.cosine(b) > 0.5)
        let rest = try a.projectedOut(b, scope: scope)
        #expect(try abs(rest.cosine(b)) <= 1e-5)
        if scope == .layer {
            for path in a.layers.keys {
                let (x, y) = (try dense(rest, path), try dense(b, path))
                #expect(abs(product(x, y)) <= 1e-4 * (product(x, x) * product(y, y)).squareRoot(), "\(path)")
                let share = product(try dense(a, path), y) / product(y, y)
                #expect(largestError(x, try dense(a, path) - y * share) <= 1e-4)
            }
        }
    }

    @Test func `a set becomes orthogonal, its first member stays`() throws {
        let common = unet.random(seed: 9)
        let set = try (1...3).map { try Adapter.sum([(unet.random(seed: $0), 1), (common, 0.7)]) }
        let done = try Adapter.orthogonalized(set)
        for i in 0..<3 {
            for j in 0..<i {
                #expect(try abs(set[i].cosine(set[j])) > 0.2)
                #expect(try abs(done[i].cosine(done[j])) <= 1e-5)
            }
        }
        for path in set[0].layers.keys { #expect(isBitEqual(try dense(done[0], path), try dense(set[0], path))) }
    }

    @Test func `inner products are those of the whole matrices`() throws {
        let (a, b) = (unet.random(seed: 1), unet.random(seed: 2))
        let core = try unet.adapter("locon-tucker.safetensors")
        for (x, y) in [(a, b), (a, a), (a, core), (core, core), (a, try unet.adapter("loha.safetensors"))] {
            var expected = 0.0
            for path in x.layers.keys where y.layers[path] != nil {
                expected += product(try dense(x, path), try dense(y, path))
            }
            #expect(abs(try x.innerProduct(y) - expected) <= 1e-4 * (try x.norm() * y.norm()))
        }
    }

    @Test func `compression keeps the leading part`() throws {
        let (a, b) = (unet.random(seed: 1, rank: 2), unet.random(seed: 2, rank: 3, spread: 0.05))
        let sum = try Adapter.sum([(a, 1), (b, 1)])
        let same = try sum.compressed(rank: 5)
        let less = try sum.compressed(rank: 2)
        for path in sum.layers.keys {
            let whole = try dense(sum, path)
            #expect(largestError(try dense(same, path), whole) <= 1e-5)
            #expect(less.layers[path]?.delta?.rank == 2)
            let matrix = whole.reshaped([whole.size(0), -1])
            let values = try singularValueDecomposition(matrix).values.floats
            let lost = try dense(less, path) - whole
            let best = values.dropFirst(2).reduce(0.0) { $0 + Double($1) * Double($1) }
            #expect(abs(product(lost, lost) - best) <= 1e-4 * product(whole, whole), "\(path)")
        }
        let kept = try #require(less.metadata["atelier.kept"].flatMap(Double.init))
        #expect(kept > 0.9 && kept < 1)
        // Other kinds are taken apart as they are.
        let full = try unet.adapter("full.safetensors")
        for (path, layer) in try full.compressed(rank: 1000).layers {
            #expect(layer.delta is LowRankDelta)
            #expect(try largestError(#require(try layer.dense()), dense(full, path)) <= 1e-5)
            #expect(layer.biasDifference != nil || full.layers[path]?.biasDifference == nil)
        }
    }

    @Test func `large matrices are approximated by their leading singular vectors`() throws {
        var random = TorchGenerator(seed: 1)
        let q = try qrFactorization(random.normal([160, 160])).q
        let p = try qrFactorization(random.normal([200, 160])).q
        // Falling singular values, as changes of trained weights have.
        let values = Tensor((0..<160).map { Float(exp(-Double($0) / 6)) })
        let matrix = matmul(q * values, p.transposed(0, 1))
        let near = try LowRankApproximation(matrix, rank: 8)
        let lost = matmul(near.up, near.down) - matrix
        let best = values.floats.dropFirst(8).reduce(0.0) { $0 + Double($1) * Double($1) }
        #expect(abs(product(lost, lost) / best - 1) <= 1e-3)
        #expect(abs(1 - near.kept - best / product(matrix, matrix)) <= 1e-5)
    }

    @Test func `factors of a triangle and orthonormal columns`() throws {
        var random = TorchGenerator(seed: 1)
        for shape in [[7, 3], [3, 7], [5, 5], [4, 1]] {
            let a = random.normal(shape)
            let parts = try qrFactorization(a)
            let k = min(shape[0], shape[1])
            #expect(parts.q.shape == [shape[0], k] && parts.r.shape == [k, shape[1]])
            #expect(largestError(matmul(parts.q, parts.r), a) <= 1e-5)
            #expect(largestError(matmul(parts.q.transposed(0, 1), parts.q), .eye(k)) <= 1e-6)
            for row in 0..<k {
                for column in 0..<min(row, shape[1]) { #expect(parts.r.floats[row * shape[1] + column] == 0) }
            }
        }
        #expect(throws: LinearAlgebraError.self) { try qrFactorization(Tensor([Float.nan], shape: [1, 1])) }
    }

    @Test func `what a tuned model changed is found again`() throws {
        let adapter = unet.random(seed: 5, rank: 2) { $0.contains("attn1") || $0.contains("resnets.0") }
        let tuned = try MergedSource(DictionarySource(unet.weights), part: "unet", [(adapter, 1)])
        func weight(_ source: any WeightSource) -> (AdaptableModule) throws -> Tensor? {
            { try source.tensor("\($0.name).weight", shape: nil, initial: nil) }
        }
        let found = try Adapter.extracted(
            from: weight(tuned), base: weight(DictionarySource(unet.weights)), modules: unet.modules.modules, rank: 2,
            isXL: false, inputs: [Provenance.Input(path: "a"), Provenance.Input(path: "b")])
        #expect(Set(found.layers.keys) == Set(adapter.layers.keys))
        for path in adapter.layers.keys {
            #expect(largestError(try dense(found, path), try dense(adapter, path)) <= 1e-4)
        }
        #expect(found.provenance?.operation == "extract" && found.provenance?.inputs.count == 2)
        #expect(throws: AdapterError.self) {
            try Adapter.extracted(
                from: weight(DictionarySource(unet.weights)), base: weight(DictionarySource(unet.weights)),
                modules: unet.modules.modules, rank: 2, isXL: false, inputs: [])
        }
    }

    @Test func `files say how they were made`() throws {
        try inTemporaryFolder { folder in
            let (a, b) = ("\(folder.path)/a.safetensors", "\(folder.path)/b.safetensors")
            try unet.random(seed: 1).write(to: a, format: .kohya)
            try unet.random(seed: 2).write(to: b, format: .peft)
            func read(_ path: String) throws -> Adapter { try Adapter(path: path, modules: unet.modules) }
            let sum = "\(folder.path)/sum.safetensors"
            try Adapter.sum([(read(a), 1), (read(b), -0.5)]).write(to: sum, format: .kohya)
            let chained = try read(sum).compressed(rank: 3)
            try chained.write(to: "\(folder.path)/c.safetensors", format: .sliders, floatingPoint: .bfloat16)
            let provenance = try #require(try read("\(folder.path)/c.safetensors").provenance)
            #expect(provenance.operation == "compress" && provenance.parameters == ["rank": "3"])
            let input = try #require(provenance.inputs.first)
            #expect(input.name == sum && input.sha256?.count == 64)
            #expect(input.provenance?.operation == "add")
            #expect(input.provenance?.inputs.map(\.weight) == [1, -0.5])
            #expect(input.provenance?.inputs.map(\.name) == [a, b])
        }
    }
}

extension Tensor {
    /// The identity matrix.
    fileprivate static func eye(_ size: Int) -> Tensor {
        Tensor((0..<size * size).map { Float($0 % (size + 1) == 0 ? 1 : 0) }, shape: [size, size])
    }
}
