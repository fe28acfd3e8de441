"""Gradient checking: compare the backward pass with finite differences (C2 W1 A3).

Backward propagation is easy to get wrong, and a network with a wrong gradient may
still learn, only worse. The definition of the derivative needs no algebra: change one
parameter a little in both directions and see how the cost changes. These central
differences take two forward passes per parameter, which is too slow for training, but
they show whether the fast gradient is correct:

    gradapprox = (J(theta + epsilon) - J(theta - epsilon)) / (2 epsilon)
    difference = |grad - gradapprox| / (|grad| + |gradapprox|)

The difference of a correct gradient is rounding error: J has 16 digits, and the
division by epsilon = 1e-7 loses 7 of them. A difference above `TOLERANCE` means a
mistake, and `differences` reports which gradient has it.

Shapes: the n parameters of a three-layer network as one column theta (n, 1), in the
order W1, b1, W2, b2, W3, b3. The backward pass that is checked is that of
`regularization`. Edition: 2021; in 2017 the result was always printed, which
`print_msg=True` does. NumPy alone, no TensorFlow.
"""

import numpy as np

from dls_keras.core.answers import Row
from dls_keras.course2 import initialization, regularization

TOLERANCE = 2e-7  # the course's limit between rounding error and a mistake

# The course's example: four inputs, two hidden layers of 5 and 3 units.
SHAPES = {
    "W1": (5, 4),
    "b1": (5, 1),
    "W2": (3, 5),
    "b2": (3, 1),
    "W3": (1, 3),
    "b3": (1, 1),
}

# The assignment: the course's functions under the course's signatures.


def forward_propagation(x, theta):
    """The one-dimensional cost J = theta x."""
    return theta * x


def backward_propagation(x, theta):
    """dJ/dtheta of the one-dimensional cost, which is x."""
    return x


def gradient_check(x, theta, epsilon=1e-7, print_msg=False):
    """The relative difference of `backward_propagation` and the central difference.

    Args:
        epsilon: how much theta is changed in both directions.
        print_msg: also print whether the gradient is correct.
    """
    J_plus = forward_propagation(x, theta + epsilon)
    J_minus = forward_propagation(x, theta - epsilon)
    gradapprox = (J_plus - J_minus) / (2 * epsilon)
    difference = _relative_difference(backward_propagation(x, theta), gradapprox)
    if print_msg:
        _print_result(difference)
    return difference


def dictionary_to_vector(parameters):
    """All parameters in one column.

    Returns:
        theta: (n, 1), in the order W1, b1, W2, b2, W3, b3, each row by row.
        keys: n names, such as "W1": the parameter that each entry belongs to.
    """
    theta = np.concatenate([np.reshape(parameters[name], (-1, 1)) for name in SHAPES])
    keys = [name for name in SHAPES for _ in range(np.size(parameters[name]))]
    return theta, keys


def vector_to_dictionary(theta, *, shapes=SHAPES):
    """The inverse of `dictionary_to_vector`: the parameters in their shapes.

    Args:
        theta: (n, 1).
        shapes: dict of "W1", "b1", ... to their shapes; by default the example's.
    """
    ends = np.cumsum([np.prod(shape) for shape in shapes.values()])
    parts = np.split(theta, ends[:-1])
    return {
        name: part.reshape(shape)
        for (name, shape), part in zip(shapes.items(), parts, strict=True)
    }


def gradients_to_vector(gradients):
    """The gradients dW1, db1, dW2, db2, dW3, db3 in one column, (n, 1)."""
    return dictionary_to_vector({name: gradients[f"d{name}"] for name in SHAPES})[0]


def forward_propagation_n(X, Y, parameters):
    """The mean cross-entropy of a three-layer network.

    Args:
        X: (n[0], m), m points as columns.
        Y: their m labels, 0 or 1, in any shape that broadcasts to (1, m).

    Returns:
        cost: a number, in nats.
        cache: (Z1, A1, W1, b1, Z2, A2, W2, b2, Z3, A3, W3, b3).
    """
    A3, cache = initialization.forward_propagation(X, parameters)
    return initialization.compute_loss(A3, Y), cache


def backward_propagation_n(X, Y, cache):
    """The backward pass of the three-layer network.

    The course provides this function with two mistakes, for the learner to find: dW2
    is multiplied by 2 and db1 by 4. Here it is correct; `inject_mistakes` adds them.

    Returns:
        Dict of "dZ3", "dW3", "db3", "dA2", "dZ2", "dW2", "db2", "dA1", "dZ1", "dW1",
        "db1"; dA and dZ are gradients of the sum of the losses, dW and db of their
        mean.
    """
    return regularization.backward_propagation(X, Y, cache)


def gradient_check_n(parameters, gradients, X, Y, epsilon=1e-7, print_msg=False):
    """The relative difference of `gradients` and the central differences of the cost.

    Args:
        parameters: "W1", ..., "b3" of any three-layer network.
        gradients: what `backward_propagation_n` returns for these parameters.
        epsilon: how much each parameter is changed in both directions.
        print_msg: also print whether the gradient is correct.
    """
    gradapprox, _ = dictionary_to_vector(
        _central_differences(parameters, X, Y, epsilon)
    )
    difference = _relative_difference(gradients_to_vector(gradients), gradapprox)
    if print_msg:
        _print_result(difference)
    return difference


# Beyond the assignment: locating the mistake.


def differences(
    parameters: dict[str, np.ndarray],
    gradients: dict[str, np.ndarray],
    X: np.ndarray,
    Y: np.ndarray,
    epsilon: float = 1e-5,
) -> dict[str, float]:
    """The relative difference of each gradient separately: dict of "dW1", ..., "db3".

    All gradients have the same absolute rounding error, so a small gradient has a large
    relative one. Hence the larger epsilon, which divides the rounding error by 100.
    """
    numerical = _central_differences(parameters, X, Y, epsilon)
    return {
        f"d{name}": _relative_difference(gradients[f"d{name}"], approximation)
        for name, approximation in numerical.items()
    }


def inject_mistakes(gradients: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """A copy of `gradients` with the two mistakes of the course's notebook."""
    return gradients | {"dW2": gradients["dW2"] * 2, "db1": gradients["db1"] * 4}


def evaluate(*, synthetic: bool = False) -> list[Row]:
    """Compare the relative differences with those that the course prints.

    The last row is the number of gradients, of six, in which a mistake is found after
    `inject_mistakes`.

    Args:
        synthetic: changes nothing, since no files are needed anyway.
    """
    rng = np.random.RandomState(1)  # the course's example
    X, Y = rng.randn(4, 3), np.array([1, 1, 0])
    parameters = {name: rng.randn(*shape) for name, shape in SHAPES.items()}
    _, cache = forward_propagation_n(X, Y, parameters)
    correct = backward_propagation_n(X, Y, cache)
    wrong = inject_mistakes(correct)
    found = differences(parameters, wrong, X, Y)
    return [
        Row("one dimension, x = 3", gradient_check(3, 4), equals=7.814075313343006e-11),
        Row("one dimension, x = 2", gradient_check(2, 4), equals=2.919335883291695e-10),
        Row(
            "three layers, correct gradient",
            gradient_check_n(parameters, correct, X, Y),
            equals=1.1890913024229996e-07,
        ),
        Row(
            "three layers, two mistakes",
            gradient_check_n(parameters, wrong, X, Y),
            equals=0.2850931567761623,
        ),
        Row("mistakes found", sum(d > TOLERANCE for d in found.values()), equals=2),
    ]


def _central_differences(parameters, X, Y, epsilon):
    """gradapprox of each parameter, in the shapes of `parameters`."""
    shapes = {name: np.shape(parameters[name]) for name in SHAPES}
    theta, _ = dictionary_to_vector(parameters)

    def J(theta):
        moved = vector_to_dictionary(theta, shapes=shapes)
        cost, _ = forward_propagation_n(X, Y, moved)
        return cost

    gradapprox = np.empty_like(theta, dtype=float)
    for i in range(len(theta)):
        step = np.zeros_like(gradapprox)
        step[i] = epsilon
        gradapprox[i] = (J(theta + step) - J(theta - step)) / (2 * epsilon)
    return vector_to_dictionary(gradapprox, shapes=shapes)


def _relative_difference(grad, gradapprox):
    """|grad - gradapprox| / (|grad| + |gradapprox|), in [0, 1]; 0 where both are 0."""
    difference = np.linalg.norm(np.subtract(grad, gradapprox))
    if not difference:
        return 0.0
    return difference / (np.linalg.norm(grad) + np.linalg.norm(gradapprox))


def _print_result(difference):
    """The course's message: green for a correct gradient, yellow for a wrong one."""
    if difference > TOLERANCE:
        colour, message = 93, "There is a mistake in the backward propagation!"
    else:
        colour, message = 92, "Your backward propagation works perfectly fine!"
    print(f"\033[{colour}m{message} difference = {difference}\033[0m")
