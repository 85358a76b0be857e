/// Which modules of a UNet a slider changes: a kind of network and a training method, as Concept Sliders name them.
///
/// Follows `utils/lora.py` of rohitgandikota/sliders: modules are the linear layers and convolutions below a parent
/// whose class the network names and whose path the method lets through. Feed-forward parts, projections and time
/// embeddings are in none of them.
public struct SliderTarget: Sendable, Hashable {
    public enum Network: String, Sendable, CaseIterable {
        /// Attention only.
        case lierla
        /// Attention, residual blocks and samplers.
        case c3lier
    }

    public enum Method: String, Sendable, CaseIterable {
        case full, noxattn, innoxattn, selfattn, xattn
        case xattnStrict = "xattn-strict"
        case noxattnHSpace = "noxattn-hspace"
        case noxattnHSpaceLast = "noxattn-hspace-last"
    }

    public var network: Network
    public var method: Method

    public init(_ network: Network, _ method: Method) {
        self.network = network
        self.method = method
    }

    /// The modules of a table that belong to the target, in the table's order.
    public func modules(of table: ModuleTable) -> [AdaptableModule] {
        table.modules.filter { $0.part == "unet" && contains($0.name) }
    }

    private static let attention = ["to_q", "to_k", "to_v", "to_out.0"]
    private static let residual = ["conv1", "conv2", "time_emb_proj", "conv_shortcut"]

    func contains(_ name: String) -> Bool {
        guard let (parent, child) = split(name) else { return false }
        switch method {
        case .full: return true
        case .noxattn: return !parent.contains("attn2") && !parent.contains("time_embed")
        case .innoxattn: return !parent.contains("attn2")
        case .selfattn: return parent.contains("attn1")
        case .xattn: return parent.contains("attn2")
        case .xattnStrict: return parent.contains("attn2") && !child.contains("out")
        case .noxattnHSpace: return !parent.contains("attn2") && parent.contains("mid_block")
        case .noxattnHSpaceLast:
            return parent.contains("mid_block") && parent.contains(".1") && child.contains("conv2")
        }
    }

    /// The path of the parent that the network names, and the module's name below it.
    private func split(_ name: String) -> (parent: String, child: String)? {
        func below(_ children: [String], _ isParent: (String) -> Bool) -> (String, String)? {
            for child in children where name.hasSuffix("." + child) {
                let parent = String(name.dropLast(child.count + 1))
                if isParent(parent) { return (parent, child) }
            }
            return nil
        }
        let isLast = { (parent: String, name: String) in parent.hasSuffix("." + name) }
        if let found = below(Self.attention, { isLast($0, "attn1") || isLast($0, "attn2") }) { return found }
        guard network == .c3lier else { return nil }
        return below(Self.residual) { $0.contains("resnets.") }
            ?? below(["conv"]) { isLast($0, "downsamplers.0") || isLast($0, "upsamplers.0") }
    }
}
