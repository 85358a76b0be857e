/// Which kernel a convolution runs on: a pure function of instruction set, pass and shape of one image, never of the
/// batch size nor of a measurement at run time, so that a recipe always gives the same bytes.
///
/// `rows` is written by `atelier bench ops --write-table` from measurements and committed.
struct KernelTable {
    /// A class of convolutions and the kernel for it.
    struct Row: Sendable, Equatable {
        let instructionSet: String
        let pass: ConvolutionPass
        let kind: ConvolutionKind
        /// The largest `height x width` of the input.
        let pixels: Int
        /// The largest of the smaller of input and output channels.
        let channels: Int
        let kernel: ConvolutionKernel

        init(
            _ instructionSet: String, _ pass: ConvolutionPass, _ kind: ConvolutionKind, pixels: Int = .max,
            channels: Int = .max, _ kernel: ConvolutionKernel
        ) {
            self.instructionSet = instructionSet
            self.pass = pass
            self.kind = kind
            self.pixels = pixels
            self.channels = channels
            self.kernel = kernel
        }
    }

    private struct Class: Hashable {
        let pass: ConvolutionPass
        let kind: ConvolutionKind
    }

    private let classes: [Class: [Row]]

    init(instructionSet: String, rows: [Row] = KernelTable.rows) {
        classes = Dictionary(grouping: rows.filter { $0.instructionSet == instructionSet }) {
            Class(pass: $0.pass, kind: $0.kind)
        }
    }

    /// The first row that the shape fits; oneDNN's direct kernel for instruction sets that nobody measured.
    func kernel(
        _ pass: ConvolutionPass, inputShape: [Int], weightShape: [Int], _ geometry: ConvolutionGeometry
    ) -> ConvolutionKernel {
        let kind = ConvolutionKind(weightShape, geometry)
        let pixels = inputShape[2] * inputShape[3]
        let channels = min(weightShape[0], weightShape[1])
        let row = classes[Class(pass: pass, kind: kind)]?.first { pixels <= $0.pixels && channels <= $0.channels }
        return row?.kernel ?? .directBlocked
    }
}

// MARK: The committed file

extension KernelTable {
    /// The same choices without rows that the next one includes.
    static func merged(_ rows: [Row]) -> [Row] {
        rows.reversed().reduce(into: [Row]()) { kept, row in
            if let next = kept.first, next.instructionSet == row.instructionSet, next.pass == row.pass,
                next.kind == row.kind, next.kernel == row.kernel, next.pixels >= row.pixels,
                next.channels >= row.channels
            {
                return
            }
            kept.insert(row, at: 0)
        }
    }

    /// The Swift file of a table, with these rows in the place of those of their instruction sets.
    static func source(replacing measured: [Row], in rows: [Row] = KernelTable.rows) -> String {
        let sets = Set(measured.map(\.instructionSet))
        let all = rows.filter { !sets.contains($0.instructionSet) } + measured
        // Within an instruction set the first row that fits counts, so their order must stay.
        let order = Set(all.map(\.instructionSet)).sorted(by: >)
        let lines = order.flatMap { name in all.filter { $0.instructionSet == name } }.map { row in
            var arguments = ["\"\(row.instructionSet)\"", ".\(row.pass)", ".\(row.kind)"]
            if row.pixels < .max { arguments.append("pixels: \(row.pixels)") }
            if row.channels < .max { arguments.append("channels: \(row.channels)") }
            return "        Row(\((arguments + [".\(row.kernel)"]).joined(separator: ", "))),"
        }
        return """
            // Written by `atelier bench ops --write-table`; rows of instruction sets that the machine lacks are kept.

            extension KernelTable {
                static let rows: [Row] = [
            \(lines.joined(separator: "\n"))
                ]
            }

            """
    }
}
