#if canImport(Glibc)
    internal import Glibc
#elseif canImport(Musl)
    internal import Musl
#endif

extension SigmaSpacing {
    /// The sigmas that were optimised for Stable Diffusion 1.5 in ten steps, and between them for other counts.
    ///
    /// The table is interpolated in log sigma at N + 1 points, of which the last is the trajectory's end; what the
    /// schedule's own range is does not matter. Sabour et al., "Align Your Steps" (arXiv 2404.14507), and the tables
    /// that its authors published.
    public static let ays = SigmaSpacing(
        name: "ays", title: "Align Your Steps", aliases: ["ays_sd1", "align_your_steps_sd1"],
        configurationKey: "use_ays_sigmas", roundsTimesteps: true
    ) { _, _, count in
        logInterpolated(
            [
                14.6146412293, 6.4745760956, 3.8636745985, 2.6946151520, 1.8841921177, 1.3943805092, 0.9642583904,
                0.6523686016, 0.3977456272, 0.1515232662, 0.0291671582,
            ], count: count)
    }

    /// Likewise for Stable Diffusion XL.
    public static let aysXL = SigmaSpacing(
        name: "ays_sdxl", title: "Align Your Steps SDXL", aliases: ["ays_xl", "align_your_steps_xl"],
        configurationKey: "use_ays_sdxl_sigmas", roundsTimesteps: true
    ) { _, _, count in
        logInterpolated(
            [
                14.6146412293, 6.3184485287, 3.7681790315, 2.1811480769, 1.3405244945, 0.8620721141, 0.5550693289,
                0.3798540708, 0.2332364134, 0.1114188177, 0.0291671582,
            ], count: count)
    }
}

/// The first `count` of `count + 1` points spread evenly over a table, between its entries evenly in the logarithm.
private func logInterpolated(_ table: [Double], count: Int) -> [Double] {
    (0..<count).map { index in
        let position = Double(index) * Double(table.count - 1) / Double(count)
        let low = min(Int(position), table.count - 2)
        let share = position - Double(low)
        return exp(log(table[low]) * (1 - share) + log(table[low + 1]) * share)
    }
}
