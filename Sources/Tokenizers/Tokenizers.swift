// The Tokenizers target.
