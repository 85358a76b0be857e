// The Weights target.
