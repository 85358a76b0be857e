// Tests of the atelier target.
