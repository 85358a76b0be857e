import DiffusionModels
import Layers
import Samplers
import TensorCore

extension UNet2DConditionModel {
    /// What the UNet of a Stable Diffusion 2 checkpoint predicts, told by its answer where the file is silent.
    ///
    /// On an even grey input at the noisiest timestep a network that predicts noise gives about that input back, and one
    /// that predicts velocity lies far below it:
    ///
    ///     mean(unet(x, 999, c) - x) < -1,    x and c everywhere 0.5
    ///
    /// UNets that inpaint predict noise. The test is that of A1111's `is_using_v_parameterization_for_sd2`.
    func measuredPrediction() -> PredictionType {
        guard configuration.inChannels == configuration.outChannels,
            case .all(let width) = configuration.crossAttentionDim
        else { return .epsilon }
        let x = Tensor.full(0.5, shape: [1, configuration.inChannels, 8, 8])
        let context = Tensor.full(0.5, shape: [1, 2, width])
        let output = self(x, timesteps: Tensor([Float(999)]), context: context, Pass())
        return mean(output - x).item < -1 ? .velocity : .epsilon
    }
}
