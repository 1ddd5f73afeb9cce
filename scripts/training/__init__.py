"""How the embedded network `compact` is made: corpus, material, training, evaluation. Not part of the wheel."""
