/// A value on the machine's stack: a scalar, or the number of a node.
enum PickleItem {
    case none
    case boolean(Bool)
    case integer(Int64)
    /// An integer of more than 64 bits, of which only the width is kept.
    case wideInteger(bits: Int)
    case float(Double)
    case string(String)
    case bytes([UInt8])
    case global(PickleGlobal)
    case node(Int)

    /// What an error calls it.
    var description: String {
        switch self {
        case .none: "None"
        case .boolean: "a truth value"
        case .integer, .wideInteger: "an integer"
        case .float: "a float"
        case .string(let text): "the text \(quoted(text))"
        case .bytes: "bytes"
        case .global(let global): "the name \(global.spelling)"
        case .node: "a container or a tensor"
        }
    }
}

/// A value that others refer to by its number, so that sharing and cycles need no references in memory.
enum PickleNode {
    case list([PickleItem])
    case tuple([PickleItem])
    /// Key, value, key, value, ...
    case dictionary([PickleItem])
    /// A module's parameters: the state that `BUILD` gave it.
    case parameters(PickleItem)
    /// Positions in the machine's lists.
    case storage(Int)
    case tensor(Int)
    case numpyType(String)
    case opaque(String)
}

/// Part of the bytes of the file that a pickle refers to.
struct PickleStorage: Equatable {
    let key: String
    /// Nil for plain bytes.
    let dtype: SafetensorsDType?
    let elementCount: Int
    let byteCount: Int
}

/// Follows the instructions of a pickle and builds inert values; it calls nothing and knows no classes but its own.
///
/// Time and memory are proportional to the pickle and capped by `PickleLimits`: an instruction that claims a length is
/// checked against the bytes that are left, and nothing is allocated by a claim.
struct PickleMachine {
    var reader: PickleReader
    var nodes: [PickleNode] = []
    var tensors: [TorchTensor] = []
    /// The storages by key, with their claims; and each mention of one: its storage and where a view of it begins.
    var storages: [String: PickleStorage] = [:]
    var mentions: [(storage: PickleStorage, offset: Int, byteCount: Int)] = []
    private var stack: [PickleItem] = []
    private var marks: [Int] = []
    private var memo: [Int: PickleItem] = [:]
    /// Elements and bytes that calls have copied.
    private var spent = 0

    init(_ reader: PickleReader) { self.reader = reader }

    /// Runs to the end of the pickle.
    ///
    /// - Returns: the value that it describes.
    mutating func run() throws(TorchCheckpointError) -> PickleItem {
        guard try reader.byte() == PickleOpcode.proto.rawValue else {
            throw failure(.format, "a pickle of protocol 2 to 5", found: "something else")
        }
        let version = try reader.byte()
        guard (2...5).contains(version) else {
            throw failure(.format, "a pickle of protocol 2 to 5", found: "protocol \(version)")
        }
        for _ in 0..<PickleLimits.instructionCount {
            let code = try reader.byte()
            guard let opcode = PickleOpcode(rawValue: code) else { throw unknown(code) }
            if opcode == .stop {
                let result = try pop()
                guard stack.isEmpty, marks.isEmpty else {
                    throw failure(.syntax, "one value at the end", found: "more on the stack")
                }
                return result
            }
            try execute(opcode)
        }
        throw failure(.limit, "at most \(PickleLimits.instructionCount) instructions", found: "more")
    }

    private func unknown(_ code: UInt8) -> TorchCheckpointError {
        if let name = PickleOpcode.refused[code] { return .forbidden("the instruction \(name)", path: reader.path) }
        return failure(.syntax, "an instruction of pickle", found: "byte 0x" + String(code, radix: 16))
    }

    private mutating func execute(_ opcode: PickleOpcode) throws(TorchCheckpointError) {
        switch opcode {
        case .stop: break
        case .proto: throw failure(.syntax, "one PROTO", found: "a second one")
        // Frames only say how far to read ahead.
        case .frame: try reader.skip(8)
        case .mark:
            guard marks.count < PickleLimits.stackCount else { throw tooMany("marks", PickleLimits.stackCount) }
            marks.append(stack.count)

        case .none: try push(.none)
        case .newTrue: try push(.boolean(true))
        case .newFalse: try push(.boolean(false))
        case .binInt: try push(.integer(Int64(Int32(truncatingIfNeeded: reader.unsigned(4)))))
        case .binInt1: try push(.integer(Int64(reader.unsigned(1))))
        case .binInt2: try push(.integer(Int64(reader.unsigned(2))))
        case .long1: try pushLong(reader.length(1))
        case .long4: try pushLong(reader.length(4))
        case .binFloat: try push(.float(reader.double()))
        case .shortBinUnicode, .shortBinString: try pushText(reader.length(1))
        case .binUnicode, .binString: try pushText(reader.length(4))
        case .binUnicode8: try pushText(reader.length(8))
        case .shortBinBytes: try pushBytes(reader.length(1))
        case .binBytes: try pushBytes(reader.length(4))
        case .binBytes8: try pushBytes(reader.length(8))

        case .emptyList, .emptySet: try push(new(.list([])))
        case .append: try append([pop()])
        case .appends, .addItems: try append(popToMark())
        case .frozenSet: try push(new(.list(popToMark())))
        case .emptyTuple: try push(new(.tuple([])))
        case .tuple: try push(new(.tuple(popToMark())))
        case .tuple1: try pushTuple(1)
        case .tuple2: try pushTuple(2)
        case .tuple3: try pushTuple(3)
        case .emptyDict: try push(new(.dictionary([])))
        case .setItem: try setItems(pop(2))
        case .setItems: try setItems(popToMark())

        case .binGet: try get(reader.unsigned(1))
        case .longBinGet: try get(reader.unsigned(4))
        case .binPut: try put(reader.unsigned(1))
        case .longBinPut: try put(reader.unsigned(4))
        case .memoize: try put(UInt64(memo.count))

        case .global:
            let module = try reader.line()
            try push(global(module, reader.line()))
        case .stackGlobal:
            guard case .string(let name) = try pop(), case .string(let module) = try pop() else {
                throw failure(.syntax, "the names of a module and a class", found: "other values")
            }
            try push(global(module, name))
        case .reduce:
            let arguments = try pop()
            try push(call(pop(), arguments))
        case .newObject:
            let arguments = try pop()
            try push(make(pop(), arguments))
        case .build:
            let state = try pop()
            try build(top(), state)
        case .binPersID: try push(storage(pop()))
        }
    }

    // MARK: Stack

    mutating func push(_ item: PickleItem) throws(TorchCheckpointError) {
        guard stack.count < PickleLimits.stackCount else {
            throw tooMany("values on the stack", PickleLimits.stackCount)
        }
        stack.append(item)
    }

    /// The values above the last mark are all that an instruction may reach.
    private mutating func pop() throws(TorchCheckpointError) -> PickleItem {
        guard stack.count > marks.last ?? 0, let item = stack.popLast() else {
            throw failure(.syntax, "a value on the stack", found: "none")
        }
        return item
    }

    private mutating func pop(_ count: Int) throws(TorchCheckpointError) -> [PickleItem] {
        guard stack.count - (marks.last ?? 0) >= count else {
            throw failure(.syntax, "\(count) values on the stack", found: "fewer")
        }
        defer { stack.removeLast(count) }
        return Array(stack.suffix(count))
    }

    private mutating func popToMark() throws(TorchCheckpointError) -> [PickleItem] {
        guard let mark = marks.popLast() else { throw failure(.syntax, "a mark on the stack", found: "none") }
        defer { stack.removeLast(stack.count - mark) }
        return Array(stack[mark...])
    }

    private func top() throws(TorchCheckpointError) -> PickleItem {
        guard stack.count > marks.last ?? 0, let item = stack.last else {
            throw failure(.syntax, "a value on the stack", found: "none")
        }
        return item
    }

    private mutating func get(_ key: UInt64) throws(TorchCheckpointError) {
        guard let item = memo[Int(key)] else { throw failure(.syntax, "a remembered value", found: "none of \(key)") }
        try push(item)
    }

    private mutating func put(_ key: UInt64) throws(TorchCheckpointError) {
        guard memo.count < PickleLimits.memoCount else { throw tooMany("remembered values", PickleLimits.memoCount) }
        memo[Int(key)] = try top()
    }

    // MARK: Scalars

    private mutating func pushLong(_ count: Int) throws(TorchCheckpointError) {
        try push(reader.long(count).map { .integer($0) } ?? .wideInteger(bits: 8 * count))
    }

    private mutating func pushText(_ count: Int) throws(TorchCheckpointError) { try push(.string(reader.text(count))) }

    private mutating func pushBytes(_ count: Int) throws(TorchCheckpointError) {
        try push(.bytes(Array(reader.take(count))))
    }

    private func global(_ module: String, _ name: String) throws(TorchCheckpointError) -> PickleItem {
        if let known = PickleGlobal(module: module, name: name) { return .global(known) }
        let full = "\(module).\(name)"
        if module == "torch", name.hasSuffix("Storage") {
            throw failure(.dtype, "a storage of a known element type", found: quoted(full))
        }
        let isPlain = full.utf8.count <= 80 && full.utf8.allSatisfy { $0 > 0x20 && $0 < 0x7F }
        throw .forbidden("the class \(isPlain ? full : quoted(full))", path: reader.path)
    }

    // MARK: Containers

    mutating func new(_ node: PickleNode) throws(TorchCheckpointError) -> PickleItem {
        guard nodes.count < PickleLimits.nodeCount else { throw tooMany("values", PickleLimits.nodeCount) }
        nodes.append(node)
        return .node(nodes.count - 1)
    }

    /// Accounts for work that one instruction does on something of any size.
    mutating func spend(_ count: Int) throws(TorchCheckpointError) {
        spent += count
        guard spent <= PickleLimits.copiedCount else { throw tooMany("copied elements", PickleLimits.copiedCount) }
    }

    private mutating func pushTuple(_ count: Int) throws(TorchCheckpointError) {
        try push(new(.tuple(pop(count))))
    }

    private mutating func append(_ items: [PickleItem]) throws(TorchCheckpointError) {
        guard case .node(let index) = try top(), case .list(var list) = nodes[index] else {
            throw failure(.syntax, "a list to append to", found: try top().description)
        }
        // The node lets go of the array first, so that appending copies nothing.
        nodes[index] = .list([])
        list += items
        nodes[index] = .list(list)
    }

    private mutating func setItems(_ items: [PickleItem]) throws(TorchCheckpointError) {
        guard case .node(let index) = try top(), case .dictionary(var members) = nodes[index] else {
            throw failure(.syntax, "a dictionary to add to", found: try top().description)
        }
        guard items.count.isMultiple(of: 2) else { throw failure(.syntax, "keys with values", found: "a key without") }
        nodes[index] = .dictionary([])
        members += items
        nodes[index] = .dictionary(members)
    }

    // MARK: Errors

    func failure(
        _ rule: TorchCheckpointError.Rule, _ expected: String, found: String
    ) -> TorchCheckpointError {
        reader.failure(rule, expected, found: found)
    }

    func tooMany(_ what: String, _ limit: Int) -> TorchCheckpointError {
        failure(.limit, "at most \(limit) \(what)", found: "more")
    }
}
