/// Reads Python's regular expressions, as far as finite automata go.
struct PatternParser {
    /// An expression taken apart.
    indirect enum Node {
        case scalar(ScalarSet)
        case assertion(ModulePattern.Assertion)
        case sequence([Node])
        case choice([Node])
        /// `most` is nil for any number.
        case loop(Node, least: Int, most: Int?)
    }

    private let scalars: [Unicode.Scalar]
    private var place = 0
    private var depth = 0

    init(_ text: String) { scalars = Array(text.unicodeScalars) }

    mutating func parse() throws(PatternFlaw) -> Node {
        guard scalars.count <= 1024 else { throw PatternFlaw(reason: "more than 1024 characters") }
        let node = try choice()
        guard place == scalars.count else { throw PatternFlaw(reason: "a ) without its (") }
        return node
    }

    private var next: Unicode.Scalar? { place < scalars.count ? scalars[place] : nil }

    private mutating func take(_ text: String) -> Bool {
        let wanted = Array(text.unicodeScalars)
        guard scalars[place...].starts(with: wanted) else { return false }
        place += wanted.count
        return true
    }

    private mutating func choice() throws(PatternFlaw) -> Node {
        var branches = [try sequence()]
        while take("|") { branches.append(try sequence()) }
        return branches.count == 1 ? branches[0] : .choice(branches)
    }

    private mutating func sequence() throws(PatternFlaw) -> Node {
        var nodes: [Node] = []
        while let next, next != "|", next != ")" { nodes.append(try repeated(atom())) }
        return .sequence(nodes)
    }

    private mutating func repeated(_ node: Node) throws(PatternFlaw) -> Node {
        guard let (least, most) = try quantifier() else { return node }
        if case .assertion = node { throw PatternFlaw(reason: "nothing to repeat") }
        // Lazy or not, the same names match.
        _ = take("?")
        guard !take("+") else { throw PatternFlaw(reason: "a possessive quantifier") }
        guard try quantifier() == nil else { throw PatternFlaw(reason: "a quantifier behind another") }
        return .loop(node, least: least, most: most)
    }

    private mutating func quantifier() throws(PatternFlaw) -> (least: Int, most: Int?)? {
        if take("*") { return (0, nil) }
        if take("+") { return (1, nil) }
        if take("?") { return (0, 1) }
        guard next == "{" else { return nil }
        // What is no quantifier is a brace.
        let start = place
        place += 1
        let least = try number()
        var most = least
        let isRange = take(",")
        if isRange { most = try number() }
        guard take("}"), least != nil || isRange else {
            place = start
            return nil
        }
        guard (most ?? .max) >= (least ?? 0) else { throw PatternFlaw(reason: "a range that falls") }
        return (least ?? 0, most)
    }

    private mutating func number() throws(PatternFlaw) -> Int? {
        var result: Int?
        while let next, ScalarSet.digit.contains(next) {
            result = (result ?? 0) * 10 + Int(next.value - 48)
            guard (result ?? 0) <= 1000 else { throw PatternFlaw(reason: "more than 1000 repetitions") }
            place += 1
        }
        return result
    }

    private mutating func atom() throws(PatternFlaw) -> Node {
        let scalar = scalars[place]
        place += 1
        switch scalar {
        case ".": return .scalar(.any)
        case "^": return .assertion(.start)
        case "$": return .assertion(.end)
        case "(": return try group()
        case "[": return .scalar(try bracket())
        case "\\": return try escape()
        case "*", "+", "?": throw PatternFlaw(reason: "nothing to repeat")
        default: return .scalar(ScalarSet(scalar))
        }
    }

    private mutating func group() throws(PatternFlaw) -> Node {
        if take("?P<") {
            while let next, next != ">" {
                guard ScalarSet.word.contains(next) else { throw PatternFlaw(reason: "a group without a name") }
                place += 1
            }
            guard take(">") else { throw PatternFlaw(reason: "a ( without its )") }
        } else if !take("?:"), next == "?" {
            throw PatternFlaw(reason: "a group of a kind that is not known here")
        }
        depth += 1
        defer { depth -= 1 }
        guard depth <= 64 else { throw PatternFlaw(reason: "more than 64 groups within each other") }
        let node = try choice()
        guard take(")") else { throw PatternFlaw(reason: "a ( without its )") }
        return node
    }

    private mutating func escape() throws(PatternFlaw) -> Node {
        switch next {
        case "b": return assertion(.wordBoundary)
        case "B": return assertion(.noWordBoundary)
        case "A": return assertion(.start)
        case "Z": return assertion(.end)
        default: return .scalar(try escapedSet())
        }
    }

    private mutating func assertion(_ assertion: ModulePattern.Assertion) -> Node {
        place += 1
        return .assertion(assertion)
    }

    private mutating func escapedSet() throws(PatternFlaw) -> ScalarSet {
        guard let scalar = next else { throw PatternFlaw(reason: "a \\ at its end") }
        place += 1
        let classes: [Unicode.Scalar: ScalarSet] = ["d": .digit, "w": .word, "s": .space]
        if let set = classes[scalar] { return set }
        if let set = classes[Unicode.Scalar(scalar.value | 0x20) ?? scalar], (65...90).contains(scalar.value) {
            return ScalarSet(set.parts[0].ranges, isNegated: true)
        }
        let controls: [Unicode.Scalar: UInt32] = ["n": 10, "t": 9, "r": 13, "f": 12, "v": 11, "a": 7]
        if let code = controls[scalar] { return ScalarSet([code...code]) }
        let isPlain = scalar.value >= 128 || !(isDigit(UInt8(scalar.value)) || isLetter(UInt8(scalar.value)))
        guard isPlain else { throw PatternFlaw(reason: "\\\(scalar), which is not known here") }
        return ScalarSet(scalar)
    }

    private mutating func bracket() throws(PatternFlaw) -> ScalarSet {
        var set = ScalarSet([])
        set.parts = []
        set.isNegated = take("^")
        var isFirst = true
        while let scalar = next, scalar != "]" || isFirst {
            isFirst = false
            let low = try member()
            // A - before the end is itself.
            guard next == "-", place + 1 < scalars.count, scalars[place + 1] != "]" else {
                set.parts += low.parts
                continue
            }
            place += 1
            let high = try member()
            guard let first = low.only, let last = high.only, first <= last else {
                throw PatternFlaw(reason: "a range of characters that falls")
            }
            set.parts.append(([first...last], false))
        }
        guard take("]") else { throw PatternFlaw(reason: "a [ without its ]") }
        return set
    }

    private mutating func member() throws(PatternFlaw) -> ScalarSet {
        guard let scalar = next else { throw PatternFlaw(reason: "a [ without its ]") }
        place += 1
        guard scalar == "\\" else { return ScalarSet(scalar) }
        return try escapedSet()
    }
}

extension ScalarSet {
    /// The one character of the set; nil where there are others.
    fileprivate var only: UInt32? {
        guard parts.count == 1, parts[0].ranges.count == 1, !parts[0].isNegated,
            parts[0].ranges[0].count == 1
        else { return nil }
        return parts[0].ranges[0].lowerBound
    }
}

extension PatternParser.Node {
    /// Appends the states of the node; what follows it follows them.
    func compile(into program: inout [ModulePattern.Instruction]) throws(PatternFlaw) {
        guard program.count < ModulePattern.largestSize else {
            throw PatternFlaw(reason: "one of more than \(ModulePattern.largestSize) states")
        }
        switch self {
        case .scalar(let set): program.append(.scalar(set))
        case .assertion(let assertion): program.append(.assertion(assertion))
        case .sequence(let nodes): for node in nodes { try node.compile(into: &program) }
        case .choice(let branches):
            var jumps: [Int] = []
            for (number, branch) in branches.enumerated() {
                guard number < branches.count - 1 else {
                    try branch.compile(into: &program)
                    continue
                }
                let split = program.count
                program.append(.jump(0))
                try branch.compile(into: &program)
                jumps.append(program.count)
                program.append(.jump(0))
                program[split] = .split(split + 1, program.count)
            }
            for jump in jumps { program[jump] = .jump(program.count) }
        case .loop(let node, let least, let most):
            for _ in 0..<least { try node.compile(into: &program) }
            guard let most else {
                let split = program.count
                program.append(.jump(0))
                try node.compile(into: &program)
                program.append(.jump(split))
                program[split] = .split(split + 1, program.count)
                return
            }
            var splits: [Int] = []
            for _ in least..<most {
                splits.append(program.count)
                program.append(.jump(0))
                try node.compile(into: &program)
            }
            for split in splits { program[split] = .split(split + 1, program.count) }
        }
    }
}
