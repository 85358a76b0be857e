/// How good a base model is, in numbers that `BaseEvaluation` measured.
public struct BaseReport: Sendable, Codable, Equatable {
    /// How often named attributes are right.
    public struct Accuracy: Sendable, Codable, Equatable {
        public var right = 0
        public var total = 0
        /// By attribute, sorted by name.
        public var attributes: [String: Count] = [:]

        public struct Count: Sendable, Codable, Equatable {
            public var right = 0
            public var total = 0
        }

        public var share: Double { Double(right) / Double(max(total, 1)) }
    }

    /// How often the probe's values rise in the order that captions name.
    public struct Order: Sendable, Codable, Equatable {
        public var attribute: String
        /// Rows in which every value is above the one before it.
        public var rising: Int
        public var rows: Int
        /// The mean reading for each word, from low to high.
        public var means: [Double]
    }

    public var model: String
    public var modelHash: String
    public var probes: String
    public var sampler: String
    public var steps: Int
    public var guidanceScale: Double
    public var heldOut: Accuracy
    public var unseen: Accuracy
    public var orders: [Order]
    /// Fréchet distance of the model's pictures from renders B.
    public var frechetDrawn: Double
    /// Fréchet distance of renders A, sent through the autoencoder, from renders B.
    public var frechetAutoencoded: Double
    /// Pictures in each of the sets.
    public var frechetPictures: Int

    /// A report without figures yet.
    public init(
        model: String, modelHash: String, probes: String, sampler: String, steps: Int, guidanceScale: Double
    ) {
        self.model = model
        self.modelHash = modelHash
        self.probes = probes
        self.sampler = sampler
        self.steps = steps
        self.guidanceScale = guidanceScale
        (heldOut, unseen, orders) = (Accuracy(), Accuracy(), [])
        (frechetDrawn, frechetAutoencoded, frechetPictures) = (0, 0, 0)
    }

    public var frechetRatio: Double { frechetDrawn / max(frechetAutoencoded, 1e-12) }

    public var risingShare: Double {
        Double(orders.reduce(0) { $0 + $1.rising }) / Double(max(orders.reduce(0) { $0 + $1.rows }, 1))
    }

    /// The table that the model's card shows: each figure beside what is asked.
    public var markdown: String {
        func percent(_ share: Double) -> String { "\(Double(Int((share * 1000).rounded())) / 10) %" }
        func number(_ value: Double) -> String { "\(Double(Int((value * 1000).rounded())) / 1000)" }
        var lines = ["| measure | asked | measured |", "|---|---|---|"]
        lines.append(
            "| named categories right, \(heldOut.total) names in held-out captions | 92 % | \(percent(heldOut.share)) |"
        )
        lines.append(
            "| the same for unseen combinations, \(unseen.total) names | at most 5 points less | \(percent(unseen.share)) |"
        )
        for order in orders {
            let share = Double(order.rising) / Double(max(order.rows, 1))
            lines.append(
                "| \(order.attribute) rises with its words, \(order.rows) rows (mean readings "
                    + order.means.map(number).joined(separator: ", ") + ") | 95 % | \(percent(share)) |")
        }
        lines.append(
            "| Fréchet distance of \(frechetPictures) pictures from renders, over that of autoencoded renders "
                + "(\(number(frechetDrawn)) / \(number(frechetAutoencoded))) | at most 2 | \(number(frechetRatio)) |")
        lines += ["", "| attribute | right | named |", "|---|---|---|"]
        for (name, count) in heldOut.attributes.sorted(by: { $0.key < $1.key }) {
            lines.append("| \(name) | \(percent(Double(count.right) / Double(max(count.total, 1)))) | \(count.total) |")
        }
        return lines.joined(separator: "\n") + "\n"
    }
}
