public import Layers

/// The names that papers use for the sites of one family of models.
public struct SiteAliases: Sendable {
    public struct Target: Sendable, Hashable {
        public var path: String
        public var port: Port
    }

    /// By name; `N` in a path is the number of the layer, written `layers.N.` before the name.
    public let layer: [String: Target]
    public let whole: [String: Target]
    /// The path of a layer, with `N`.
    public let layerPath: String

    /// - Parameters:
    ///   - layerPath: the path of a layer, with `N`.
    ///   - layer: from names to paths below a layer and ports, as `self_attn:pattern`.
    ///   - whole: from names to paths and ports.
    init(_ layerPath: String, layer: [String: String], whole: [String: String]) {
        func target(_ text: String, under prefix: String) -> Target {
            let parts = text.split(separator: ":", omittingEmptySubsequences: false).map(String.init)
            let path = [prefix, parts[0]].filter { !$0.isEmpty }.joined(separator: ".")
            return Target(path: path, port: parts.count > 1 ? Port(rawValue: parts[1]) ?? .output : .output)
        }
        self.layerPath = layerPath
        self.layer = layer.mapValues { target($0, under: layerPath) }
        self.whole = whole.mapValues { target($0, under: "") }
    }

    /// The path and port of a name such as `layers.3.attn.z` or `logits`; nil when there is none.
    public func target(_ name: String) -> Target? {
        if let found = whole[name] { return found }
        let parts = name.split(separator: ".", maxSplits: 2).map(String.init)
        guard parts.count == 3, parts[0] == "layers", let number = Int(parts[1]), var found = layer[parts[2]] else {
            return nil
        }
        found.path = found.path.replacing(layerPath, with: layerPath.replacing("N", with: "\(number)"))
        return found
    }

    /// The table of a family by the `model_type` of its configurations.
    public static func family(_ modelType: String) -> SiteAliases { families[modelType] ?? none }

    static let none = SiteAliases("", layer: [:], whole: [:])

    private static let families: [String: SiteAliases] = [
        "gpt2": gpt2, "gpt_neox": gptNeoX, "llama": llama, "gemma2": gemma, "gemma3_text": gemma, "mamba": mamba,
    ]

    /// Attention's ports under the path of an attention layer.
    private static func attention(_ path: String) -> [String: String] {
        [
            "attn.in": "\(path):input", "attn.q": "\(path):queries", "attn.k": "\(path):keys",
            "attn.v": "\(path):values", "attn.scores": "\(path):scores", "attn.pattern": "\(path):pattern",
            "attn.z": "\(path):heads",
        ]
    }

    private static let stream = ["resid_pre": ":input", "resid_post": ":output"]
    /// Of layers whose feed-forward part follows attention, the stream between the two.
    private static let streams = stream.merging(["resid_mid": ":middle"]) { $1 }

    public static let gpt2 = SiteAliases(
        "transformer.h.N",
        layer: streams.merging(attention("attn")) { $1 }.merging([
            "ln1": "ln_1", "ln2": "ln_2", "attn.out": "attn", "mlp.in": "mlp:input", "mlp.pre": "mlp.c_fc",
            "mlp.act": "mlp.act", "mlp.out": "mlp",
        ]) { $1 },
        whole: [
            "embed": "transformer.wte", "pos_embed": "transformer.wpe", "final_norm": "transformer.ln_f",
            "logits": "lm_head",
        ])

    public static let gptNeoX = SiteAliases(
        "gpt_neox.layers.N",
        layer: streams.merging(attention("attention")) { $1 }.merging([
            "ln1": "input_layernorm", "ln2": "post_attention_layernorm", "attn.out": "attention",
            "mlp.in": "mlp:input", "mlp.pre": "mlp.dense_h_to_4h", "mlp.act": "mlp.act", "mlp.out": "mlp",
        ]) { $1 },
        whole: ["embed": "gpt_neox.embed_in", "final_norm": "gpt_neox.final_layer_norm", "logits": "embed_out"])

    /// `mlp.pre` is before the activation, `mlp.act` what `down_proj` reads.
    public static let llama = SiteAliases(
        "model.layers.N",
        layer: streams.merging(attention("self_attn")) { $1 }.merging([
            "ln1": "input_layernorm", "ln2": "post_attention_layernorm", "attn.out": "self_attn",
            "mlp.in": "mlp:input", "mlp.pre": "mlp.gate_proj", "mlp.up": "mlp.up_proj",
            "mlp.act": "mlp.down_proj:input", "mlp.out": "mlp",
        ]) { $1 },
        whole: ["embed": "model.embed_tokens", "final_norm": "model.norm", "logits": "lm_head"])

    /// `attn.out` and `mlp.out` are what is added to the stream: after the norms behind them.
    public static let gemma = SiteAliases(
        "model.layers.N",
        layer: streams.merging(attention("self_attn")) { $1 }.merging([
            "ln1": "input_layernorm", "ln2": "pre_feedforward_layernorm", "attn.out": "post_attention_layernorm",
            "mlp.in": "mlp:input", "mlp.pre": "mlp.gate_proj", "mlp.up": "mlp.up_proj",
            "mlp.act": "mlp.down_proj:input", "mlp.out": "post_feedforward_layernorm",
        ]) { $1 },
        whole: ["embed": "model.embed_tokens", "final_norm": "model.norm", "logits": "lm_head.softcap"])

    /// The letters of the Mamba papers: a and z are the halves of the input projection, s what the recurrence gives.
    public static let mamba = SiteAliases(
        "backbone.layers.N",
        layer: stream.merging([
            "ln1": "norm", "mixer.in": "mixer:input", "mixer.a": "mixer:branch", "mixer.z": "mixer:gateInput",
            "mixer.conv": "mixer.conv1d", "mixer.u": "mixer.act", "mixer.dt": "mixer:timeStep",
            "mixer.B": "mixer:inputMatrix", "mixer.C": "mixer:outputMatrix", "mixer.state": "mixer:state",
            "mixer.s": "mixer:scan", "mixer.gate": "mixer:gate", "mixer.gated": "mixer.out_proj:input",
            "mixer.out": "mixer",
        ]) { $1 },
        whole: ["embed": "backbone.embeddings", "final_norm": "backbone.norm_f", "logits": "lm_head"])

    public static let unet = SiteAliases(
        "", layer: [:], whole: ["noise": "unet.conv_out", "stem": "unet.conv_in", "middle": "unet.mid_block.resnets.1"])
}
