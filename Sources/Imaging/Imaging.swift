// The Imaging target.
