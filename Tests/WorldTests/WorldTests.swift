// Tests of the World target.
