"""Functions that every assignment uses; none of them depends on an assignment."""
