/// A regular expression for names of modules, as PEFT's `rank_pattern` and `alpha_pattern` have them for keys.
///
/// A name matches when the expression matches all of it, or all that stands behind one of its dots: PEFT's
/// `re.match(rf"(.*\.)?({key})$", name)`. All states are followed at once, so the time is bounded by the length of the
/// name times the size of the expression, whatever it is; what needs more than that (references back, looking around)
/// is refused.
struct ModulePattern: Sendable {
    let text: String
    private let program: [Instruction]
    /// The bytes of an expression without any operator but the dot; such ones are compared directly.
    private let literal: [UInt8]?

    enum Instruction: Sendable {
        case scalar(ScalarSet)
        /// Goes on at both places.
        case split(Int, Int)
        case jump(Int)
        case assertion(Assertion)
        case accept
    }

    enum Assertion: Sendable { case start, end, wordBoundary, noWordBoundary }

    /// How many states all the expressions of a file may have.
    static let largestSize = 4096

    /// - Throws: `PatternFlaw` for what is no expression, and for what is not understood here.
    init(_ text: String) throws(PatternFlaw) {
        self.text = text
        let isPlain = text.utf8.allSatisfy { byte in
            byte == UInt8(ascii: ".") || byte == UInt8(ascii: "_") || byte == UInt8(ascii: "-")
                || isDigit(byte) || isLetter(byte)
        }
        if isPlain, !text.isEmpty {
            (literal, program) = (Array(text.utf8), [])
        } else {
            literal = nil
            var parser = PatternParser(text)
            let node = try parser.parse()
            var program: [Instruction] = []
            try node.compile(into: &program)
            program.append(.accept)
            self.program = program
        }
    }

    /// The number of states; 0 for what is compared directly.
    var size: Int { program.count }

    func matches(_ name: String) -> Bool {
        if let literal { return Self.ends(Array(name.utf8), with: literal) }
        let scalars = Array(name.unicodeScalars)
        var current: [Int] = []
        for place in 0...scalars.count {
            var isKnown = [Bool](repeating: false, count: program.count)
            var next: [Int] = []
            for state in current { follow(state, at: place, scalars, &isKnown, &next) }
            if place == 0 || scalars[place - 1] == "." { follow(0, at: place, scalars, &isKnown, &next) }
            if place == scalars.count {
                return next.contains { if case .accept = program[$0] { true } else { false } }
            }
            current = next.compactMap { state in
                guard case .scalar(let set) = program[state], set.contains(scalars[place]) else { return nil }
                return state + 1
            }
        }
        return false
    }

    /// Adds the states that are reached from one without reading anything.
    private func follow(
        _ state: Int, at place: Int, _ scalars: [Unicode.Scalar], _ isKnown: inout [Bool], _ found: inout [Int]
    ) {
        var open = [state]
        while let state = open.popLast() {
            guard !isKnown[state] else { continue }
            isKnown[state] = true
            switch program[state] {
            case .jump(let target): open.append(target)
            case .split(let first, let second): open += [first, second]
            case .assertion(let assertion):
                if Self.holds(assertion, at: place, scalars) { open.append(state + 1) }
            case .scalar, .accept: found.append(state)
            }
        }
    }

    private static func holds(_ assertion: Assertion, at place: Int, _ scalars: [Unicode.Scalar]) -> Bool {
        func isWord(_ index: Int) -> Bool { scalars.indices.contains(index) && ScalarSet.word.contains(scalars[index]) }
        return switch assertion {
        case .start: place == 0
        case .end: place == scalars.count
        case .wordBoundary: isWord(place - 1) != isWord(place)
        case .noWordBoundary: isWord(place - 1) == isWord(place)
        }
    }

    /// Whether `name` is the literal, or ends with it behind a dot; a dot of the literal is any character.
    private static func ends(_ name: [UInt8], with literal: [UInt8]) -> Bool {
        let start = name.count - literal.count
        guard start >= 0, start == 0 || name[start - 1] == UInt8(ascii: ".") else { return false }
        return literal.indices.reversed().allSatisfy {
            literal[$0] == UInt8(ascii: ".") || literal[$0] == name[start + $0]
        }
    }
}

/// Why a text is no expression that is understood here.
struct PatternFlaw: Error {
    let reason: String
}

/// A set of characters: `[a-z_]`, `\d`, `.`.
struct ScalarSet: Sendable {
    /// Ranges with whether each is turned round.
    var parts: [(ranges: [ClosedRange<UInt32>], isNegated: Bool)]
    var isNegated = false

    init(_ ranges: [ClosedRange<UInt32>], isNegated: Bool = false) { parts = [(ranges, isNegated)] }
    init(_ scalar: Unicode.Scalar) { self.init([scalar.value...scalar.value]) }

    func contains(_ scalar: Unicode.Scalar) -> Bool {
        parts.contains { part in part.ranges.contains { $0.contains(scalar.value) } != part.isNegated } != isNegated
    }

    static let digit = ScalarSet([48...57])
    static let word = ScalarSet([48...57, 65...90, 95...95, 97...122, 0x80...0x10FFFF])
    static let space = ScalarSet([9...13, 32...32])
    static let any = ScalarSet([10...10], isNegated: true)
}

func isDigit(_ byte: UInt8) -> Bool { (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte) }
func isLetter(_ byte: UInt8) -> Bool { (UInt8(ascii: "a")...UInt8(ascii: "z")).contains(byte | 0x20) }
