// The Samplers target.
