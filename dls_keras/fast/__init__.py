"""Forms that exist only for speed; each computes what a lesson computes plainly."""
