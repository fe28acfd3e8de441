"""The expected values of the course: JSON and NPZ, one set an assignment."""
