"""One hint about a wrong function: found in its results, its text, or by mutation."""
