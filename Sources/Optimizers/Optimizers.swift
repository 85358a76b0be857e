// The Optimizers target.
