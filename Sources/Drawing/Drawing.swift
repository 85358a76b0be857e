// The Drawing target.
