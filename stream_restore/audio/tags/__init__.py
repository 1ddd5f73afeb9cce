"""What an output keeps of its input beside sound and plain tags: pictures, chapters, chunks, tags in their own form."""
