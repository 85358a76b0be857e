// Tests of the Layers target.
