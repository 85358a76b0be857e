// The TextModels target.
