"""Reading and writing by libsndfile, through soundfile. Imported only when needed."""
