"""Synthetic images, painted with NumPy and Pillow from a seed."""
