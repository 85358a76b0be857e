// Tests of the Recipes target.
