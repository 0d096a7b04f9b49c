"""Guards: one thin layer for each word, and its middleware class."""
