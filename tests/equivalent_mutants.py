"""Mutants of our functions that are right for every input that the course allows."""

# (assignment, function) -> the lesson's function whose mutants are run instead: it has
# the formulas, and the course's function calls a fast form.
PLAIN_FORMS = {
    ("convolution_steps", "conv_forward"): "conv_forward_by_loops",
    ("convolution_steps", "pool_forward"): "pool_forward_by_loops",
    ("convolution_steps", "conv_backward"): "conv_backward_by_loops",
    ("convolution_steps", "pool_backward"): "pool_backward_by_loops",
}

# Functions that the course does not have, and which no case can reach.
OURS = {"update_parameters_with_rmsprop"}

# (assignment, function) -> {"old code -> new code": reason}
EQUIVALENT: dict[tuple[str, str], dict[str, str]] = {}
