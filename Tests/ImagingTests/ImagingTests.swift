// Tests of the Imaging target.
