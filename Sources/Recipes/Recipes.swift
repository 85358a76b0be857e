// The Recipes target.
