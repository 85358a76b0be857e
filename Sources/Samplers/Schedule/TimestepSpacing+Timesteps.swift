extension TimestepSpacing {
    /// The timesteps of a trajectory, falling.
    ///
    /// Follows diffusers' `set_timesteps`, in numpy's float64 arithmetic; whole numbers round half to even.
    /// - Parameters:
    ///   - steps: how many.
    ///   - trainTimesteps: the timesteps of training.
    ///   - end: timesteps from here on are left out; `trainTimesteps` for none.
    ///   - offset: added by leading spacing.
    ///   - hasExtraPoint: spaces one point more and drops the last, so that the end of the trajectory is not a step.
    /// - Returns: whole numbers, except for linspace, in `0 ... trainTimesteps - 1`.
    func timesteps(
        _ steps: Int, trainTimesteps: Int, end: Int, offset: Int, hasExtraPoint: Bool
    ) -> [Double] {
        let points = hasExtraPoint ? steps + 1 : steps
        let last = Double(trainTimesteps - 1)
        switch self {
        case .linspace:
            return Array(evenlySpaced(0, Double(end - 1), count: points).reversed().prefix(steps))
        case .leading:
            let stride = end / points
            // With as many steps as timesteps the offset would leave the table.
            return (0..<points).reversed().prefix(steps).map { min(Double($0 * stride + offset), last) }
        case .trailing:
            let ratio = Double(trainTimesteps) / Double(steps)
            // As numpy.arange: the stride is the difference of the first two points.
            let stride = (Double(end) - ratio) - Double(end)
            let count = min(Int((Double(end) / ratio).rounded(.up)), steps)
            return (0..<count).map { index in
                max((Double(end) + Double(index) * stride).rounded(.toNearestOrEven) - 1, 0)
            }
        }
    }
}

/// `count` numbers from `first` to `last` as `numpy.linspace` computes them; `[first]` for one.
func evenlySpaced(_ first: Double, _ last: Double, count: Int) -> [Double] {
    guard count > 1 else { return [first] }
    let stride = (last - first) / Double(count - 1)
    return (0..<count).map { $0 == count - 1 ? last : Double($0) * stride + first }
}
