import Layers
import TensorCore
import TestSupport
import Testing
import Weights

/// What travels in a pass: plans, adaptations and checkpoints.
@Suite struct PassTests {
    private let index = SiteIndex()

    private func linear(_ name: String = "layer", isTrainable: Bool = false) throws -> Linear {
        var values: [String: Tensor] = [
            "\(name).weight": tensor([1, 2, 3, 4, 5, 6], [3, 2]), "\(name).bias": tensor([0.5, 0, -0.5]),
        ]
        if isTrainable { values = values.mapValues { $0.tracked() } }
        return try Linear(2, 3, ScopedWeights(DictionarySource(values), sites: index).scope(name))
    }

    @Test func plainLayer() throws {
        let y = try linear()(tensor([1, 1, 0, 2], [2, 2]), Pass())
        #expect(y.floats == [3.5, 7, 10.5, 4.5, 8, 11.5])
    }

    @Test func actionsRunInOrder() throws {
        let layer = try linear()
        let recorder = SiteRecorder(index)
        var plan = SitePlan()
        plan.add(.replace { $0 + 1 }, at: layer.site, .input)
        plan.add(.replace { $0 * 2 }, at: layer.site, .input)
        plan.add(.replace { $0 - 1 }, at: layer.site)
        let input = recorder.plan(ports: [.input, .output])
        let x = tensor([0, 0], [1, 2])
        #expect(layer(x, Pass(plan: plan)).floats == [5.5, 13, 20.5])
        _ = layer(x, Pass(plan: input))
        #expect(recorder["layer"]?.floats == [0.5, 0, -0.5])
        #expect(recorder["layer", .input]?.floats == [0, 0])
        #expect(recorder["other"] == nil)
        #expect(recorder.paths() == ["layer"])
    }

    /// Layers that were built after the plan are passed by.
    @Test func plansKnowTheirSitesOnly() throws {
        let first = try linear("first")
        let recorder = SiteRecorder(index)
        let plan = recorder.plan()
        let second = try linear("second")
        let x = tensor([0, 0], [1, 2])
        _ = second(first(x, Pass(plan: plan)).narrowed(1, start: 0, count: 2), Pass(plan: plan))
        #expect(recorder.paths() == ["first"])
        #expect(index["second"] == second.site && second.site != first.site)
    }

    @Test func sharedStateDoesNotLeak() throws {
        let layer = try linear()
        let x = tensor([1, 1], [1, 2])
        var plan = SitePlan()
        plan.add(.replace { $0 * 0 }, at: layer.site)
        _ = layer(x, Pass(plan: plan))
        #expect(layer(x, Pass()).floats == [3.5, 7, 10.5])
    }

    /// A trainable scale on the output of linear layers.
    private struct Scaling: Adaptation {
        var scale: Tensor

        func adapted(_ layer: BaseLayer, input: Tensor, at site: Int, _ pass: Pass) -> Tensor {
            let isScaled = layer.operation == .linear && !pass.rows.contains(.unconditional)
            return isScaled ? layer(input) * scale : layer(input)
        }

        var parameters: [Tensor] { [scale] }

        func replacing(parameters: [Tensor]) -> any Adaptation { Scaling(scale: parameters[0]) }
    }

    @Test func adaptation() throws {
        let layer = try linear()
        let x = tensor([1, 1], [1, 2])
        let pass = Pass(adaptation: Scaling(scale: tensor([2])))
        #expect(layer(x, pass).floats == [7, 14, 21])
        var unconditional = pass
        unconditional.rows = [.unconditional]
        #expect(layer(x, unconditional).floats == [3.5, 7, 10.5])
    }

    /// Inside a checkpoint, the trainable parameters of layer and adapter keep their gradients.
    @Test func checkpointsKeepGradients() throws {
        let layer = try linear(isTrainable: true)
        let scale = tensor([2]).tracked()
        let x = tensor([1, 3], [1, 2])
        func run(_ policy: CheckpointPolicy) -> Gradients {
            let pass = Pass(adaptation: Scaling(scale: scale), checkpointing: policy)
            return gradients(of: sum(layer.checkpointed([x], pass) { layer, inputs, pass in layer(inputs[0], pass) }))
        }
        let (plain, checkpointed) = (run(.none), run(.blocks))
        for leaf in layer.parameters + [scale] {
            #expect(try isBitEqual(#require(plain[leaf]), #require(checkpointed[leaf])))
        }
        #expect(try #require(checkpointed[scale]).floats == [45])
    }

    /// A body runs once forward; the replay of the backward pass says that it is one, and observers sleep.
    @Test func replaysAreTold() throws {
        let layer = try linear(isTrainable: true)
        let (seen, changed) = (Counter(), Counter())
        var plan = SitePlan()
        plan.add(.observe { _ in seen.add() }, at: layer.site)
        plan.add(
            .replace { value in
                changed.add(); return value * 3
            }, at: layer.site)
        let pass = Pass(plan: plan, checkpointing: .blocks)
        let y = layer.checkpointed([tensor([1, 1], [1, 2])], pass) { layer, inputs, pass in
            layer(inputs[0], pass)
        }
        #expect(y.floats == [10.5, 21, 31.5])
        let result = gradients(of: sum(y))
        #expect(try #require(result[layer.parameters[1]]).floats == [3, 3, 3])
        #expect(seen.count == 1)
        #expect(changed.count == 2)
    }

    @Test func parametersAreReplacedInOrder() throws {
        let layer = try linear()
        #expect(layer.parameters.map(\.shape) == [[3, 2], [3]])
        let other = layer.replacing(parameters: layer.parameters.map { $0 * 2 })
        let x = tensor([1, 1], [1, 2])
        #expect(other(x, Pass()).floats == [7, 14, 21])
        #expect(layer(x, Pass()).floats == [3.5, 7, 10.5])
    }
}
