"""PCM with headers read and written by this package: WAV and related containers, AU, headerless."""
