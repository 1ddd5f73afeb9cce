"""How the embedded network `compact` is made: corpus, noise, scenes, network, validation. Not part of the wheel."""
