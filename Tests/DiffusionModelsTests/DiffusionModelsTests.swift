// Tests of the DiffusionModels target.
