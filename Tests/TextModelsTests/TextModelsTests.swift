// Tests of the TextModels target.
