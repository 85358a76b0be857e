// The TensorCore target.
