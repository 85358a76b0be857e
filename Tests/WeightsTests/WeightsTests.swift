// Tests of the Weights target.
