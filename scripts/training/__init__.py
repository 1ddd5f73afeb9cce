"""How the embedded network `compact` is made: corpus, material, training, validation. Not part of the wheel."""
