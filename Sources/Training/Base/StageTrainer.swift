public import Generation
public import Imaging
public import TensorCore

/// One stage of a training: a learner, a step that changes it, and a picture that shows how far it is.
public protocol StageTrainer {
    /// The stage's folder name and log label.
    static var name: String { get }
    var learner: Learner { get }
    var totalSteps: Int { get }
    /// Continues from a saved learner.
    mutating func restore(_ learner: Learner)
    /// Does one step and returns what to log; `loss` is always there.
    mutating func trainStep() throws -> [String: Double]
    /// Nil for a stage that has nothing to show.
    func samplePicture() throws -> Image?
    /// What the next step depends on besides the learner; saved and restored with it.
    var extraState: [String: Tensor] { get }
    mutating func restore(extra tensors: [String: Tensor])
    /// The numbers that products are made of.
    var precision: Precision { get }
    /// Why the stage is complete before its last step; nil while it is not.
    var stopReason: String? { get }
}

extension StageTrainer {
    public var extraState: [String: Tensor] { [:] }
    public mutating func restore(extra tensors: [String: Tensor]) {}
    public var precision: Precision { .fp32 }
    public var stopReason: String? { nil }
}
