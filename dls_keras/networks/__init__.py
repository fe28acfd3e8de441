"""Architectures that the course hands out ready made."""
