"""One hint about a wrong function, from its source, its numbers, or a mutation."""
