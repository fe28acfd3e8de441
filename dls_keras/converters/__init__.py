"""Converters from weight files of other programs to Keras models."""
