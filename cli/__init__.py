"""The command line: one command per file, no signal processing."""
