// Tests of the Drawing target.
