"""Architectures that assignments use but do not teach."""
