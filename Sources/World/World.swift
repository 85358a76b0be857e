// The World target.
