// The DiffusionModels target.
