// The Training target.
