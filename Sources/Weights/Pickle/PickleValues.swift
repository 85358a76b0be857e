/// Turns the machine's nodes into values, each once, and refuses what has no end: cycles and deep nesting.
struct PickleValues {
    private let machine: PickleMachine
    /// By node: the value and how many containers deep it is; nil inside the first case while it is being made.
    private var states: [State]

    private enum State {
        case untouched
        case open
        case made(CheckpointValue, height: Int)
    }

    init(_ machine: PickleMachine) {
        self.machine = machine
        states = Array(repeating: .untouched, count: machine.nodes.count)
    }

    mutating func value(_ item: PickleItem) throws(TorchCheckpointError) -> CheckpointValue {
        try make(item, depth: 0).value
    }

    private mutating func make(
        _ item: PickleItem, depth: Int
    ) throws(TorchCheckpointError) -> (value: CheckpointValue, height: Int) {
        switch item {
        case .none: return (.none, 0)
        case .boolean(let value): return (.boolean(value), 0)
        case .integer(let value): return (.integer(value), 0)
        case .wideInteger(let bits): return (.opaque("an integer of \(bits) bits"), 0)
        case .float(let value): return (.float(value), 0)
        case .string(let value): return (.string(value), 0)
        case .bytes(let value): return (.bytes(value), 0)
        case .global(let global): return (.opaque(global.spelling), 0)
        case .node(let index):
            switch states[index] {
            case .made(let value, let height): return (value, height)
            case .open:
                throw failure(.cycle, "values that end", found: "a container that contains itself")
            case .untouched: break
            }
            guard depth < PickleLimits.nesting else { throw tooDeep() }
            states[index] = .open
            let (value, height) = try make(machine.nodes[index], depth: depth + 1)
            // The height, not only the depth of this visit: shared parts could otherwise be stacked without end.
            guard height <= PickleLimits.nesting else { throw tooDeep() }
            states[index] = .made(value, height: height)
            return (value, height)
        }
    }

    private mutating func make(
        _ node: PickleNode, depth: Int
    ) throws(TorchCheckpointError) -> (value: CheckpointValue, height: Int) {
        switch node {
        case .list(let items), .tuple(let items):
            var values: [CheckpointValue] = []
            values.reserveCapacity(items.count)
            var height = 0
            for item in items {
                let made = try make(item, depth: depth)
                values.append(made.value)
                height = max(height, made.height)
            }
            return (.list(values), height + 1)
        case .dictionary(let items):
            return try dictionary(items, depth: depth)
        case .parameters(let state):
            return try parameters(state, depth: depth)
        case .storage: return (.opaque("torch.Storage"), 0)
        case .tensor(let index): return (.tensor(machine.tensors[index]), 0)
        case .numpyType: return (.opaque("numpy.dtype"), 0)
        case .opaque(let name): return (.opaque(name), 0)
        }
    }

    private mutating func dictionary(
        _ items: [PickleItem], depth: Int
    ) throws(TorchCheckpointError) -> (value: CheckpointValue, height: Int) {
        var members: [String: CheckpointValue] = [:]
        var height = 0
        for position in stride(from: 0, to: items.count - 1, by: 2) {
            let key = try key(items[position])
            let made = try make(items[position + 1], depth: depth)
            // Python takes the last one of two; a reader that took another would see a different model.
            guard members.updateValue(made.value, forKey: key) == nil else {
                throw failure(.duplicateKey, "every key once", found: "\(quoted(key)) again")
            }
            height = max(height, made.height)
        }
        return (.dictionary(members), height + 1)
    }

    /// The parameters of a module, out of the attributes that Python keeps beside them.
    private mutating func parameters(
        _ state: PickleItem, depth: Int
    ) throws(TorchCheckpointError) -> (value: CheckpointValue, height: Int) {
        guard case .node(let index) = state, case .dictionary(let items) = machine.nodes[index] else {
            return (.dictionary([:]), 1)
        }
        for position in stride(from: 0, to: items.count - 1, by: 2) {
            if case .string("_parameters") = items[position] { return try make(items[position + 1], depth: depth) }
        }
        return (.dictionary([:]), 1)
    }

    private func key(_ item: PickleItem) throws(TorchCheckpointError) -> String {
        switch item {
        case .none: return "None"
        case .boolean(let value): return value ? "True" : "False"
        case .integer(let value): return "\(value)"
        case .float(let value): return "\(value)"
        case .string(let value):
            guard value.utf8.count <= PickleLimits.keyByteCount else {
                throw failure(
                    .limit, "a key of at most \(PickleLimits.keyByteCount) bytes", found: "\(value.utf8.count)")
            }
            return value
        case .global(let global): return global.spelling
        case .wideInteger, .bytes, .node:
            throw failure(.syntax, "texts and numbers as keys", found: item.description)
        }
    }

    private func tooDeep() -> TorchCheckpointError {
        failure(.limit, "values nested at most \(PickleLimits.nesting) deep", found: "deeper ones")
    }

    private func failure(
        _ rule: TorchCheckpointError.Rule, _ expected: String, found: String
    ) -> TorchCheckpointError {
        TorchCheckpointError(rule, path: machine.reader.path, place: "pickle", expected: expected, found: found)
    }
}
