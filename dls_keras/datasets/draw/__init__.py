"""Synthetic images, drawn by NumPy from a seed."""
