"""How the embedded networks are made: the corpus, noise, scenes, network and validation of `compact`, and what begins
with `treble` of that one. Not part of the wheel."""
