// Tests of the Samplers target.
