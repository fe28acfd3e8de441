"""The expected values of the course, and the code that runs them as test cases."""
