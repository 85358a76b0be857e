// The Generation target.
