// Tests of the Tokenizers target.
