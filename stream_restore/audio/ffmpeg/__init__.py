"""Decoding and encoding by FFmpeg, through PyAV. Imported only when needed."""
