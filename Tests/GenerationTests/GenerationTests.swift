// Tests of the Generation target.
