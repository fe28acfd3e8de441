"""The command line `dls-keras`, its output, and the tour."""
