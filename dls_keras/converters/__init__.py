"""Foreign weight files, read and checked, into Keras models."""
