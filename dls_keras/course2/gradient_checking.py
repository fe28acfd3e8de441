"""Gradient checking: is the backward pass the slope of the forward pass? (C2 W1 A3).

Backward propagation is easy to get wrong, and a network with a wrong gradient may
still learn, only worse. The definition of the derivative needs no algebra: nudge
one parameter up and down and see what the cost does. That takes two forward
passes a parameter, too slow to learn with, but it tells whether the fast gradient
can be trusted:

    gradapprox = (J(theta + epsilon) - J(theta - epsilon)) / (2 epsilon)
    difference = |grad - gradapprox| / (|grad| + |gradapprox|)

The difference of a right gradient is rounding noise: J has 16 digits, the nudge
takes 7 of them. Above `TOLERANCE` there is a mistake, and `differences` says in
which gradient it sits.

Shapes: the n parameters of a three-layer network as one column theta (n, 1), in
the order W1, b1, W2, b2, W3, b3. The backward pass under test is the one of the
assignment before. Edition: 2021; 2017 always printed its verdict, which
`print_msg=True` does. NumPy alone, no TensorFlow.
"""

import numpy as np

from dls_keras.course2 import initialization, regularization

TOLERANCE = 2e-7  # the course's line between rounding noise and a mistake

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
    """The relative difference of `backward_propagation` and the slope of J.

    Args:
        epsilon: how far theta is nudged to either side.
        print_msg: also print the verdict.
    """
    J_plus = forward_propagation(x, theta + epsilon)
    J_minus = forward_propagation(x, theta - epsilon)
    gradapprox = (J_plus - J_minus) / (2 * epsilon)
    difference = _relative_difference(backward_propagation(x, theta), gradapprox)
    if print_msg:
        _print_verdict(difference)
    return difference


def dictionary_to_vector(parameters):
    """All parameters in one column.

    Returns:
        theta: (n, 1), in the order W1, b1, W2, b2, W3, b3, each row by row.
        keys: the n names, such as "W1", that the entries have come from.
    """
    theta = np.concatenate([np.reshape(parameters[name], (-1, 1)) for name in SHAPES])
    keys = [name for name in SHAPES for _ in range(np.size(parameters[name]))]
    return theta, keys


def vector_to_dictionary(theta, *, shapes=SHAPES):
    """The parameters that `dictionary_to_vector` put into one column.

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
        Y: their m labels, 0 or 1, in any shape that fits (1, m).

    Returns:
        cost: a number, in nats.
        cache: (Z1, A1, W1, b1, Z2, A2, W2, b2, Z3, A3, W3, b3).
    """
    A3, cache = initialization.forward_propagation(X, parameters)
    return initialization.compute_loss(A3, Y), cache


def backward_propagation_n(X, Y, cache):
    """The gradient under test, right: the course hands one out with two mistakes.

    There dW2 is twice and db1 four times too large; `planted` makes it so.

    Returns:
        Dict of "dZ3", "dW3", "db3", "dA2", "dZ2", "dW2", "db2", "dA1", "dZ1",
        "dW1", "db1"; dZ3 and its like belong to the sum of the losses, dW3 and its
        like to their mean.
    """
    return regularization.backward_propagation(X, Y, cache)


def gradient_check_n(parameters, gradients, X, Y, epsilon=1e-7, print_msg=False):
    """The relative difference of `gradients` and the slopes of the cost.

    Args:
        parameters: where to compare; "W1" ... "b3" of any three-layer network.
        gradients: what `backward_propagation_n` says there.
        epsilon: how far each parameter is nudged to either side.
        print_msg: also print the verdict.
    """
    gradapprox, _ = dictionary_to_vector(_slopes(parameters, X, Y, epsilon))
    difference = _relative_difference(gradients_to_vector(gradients), gradapprox)
    if print_msg:
        _print_verdict(difference)
    return difference


# Beyond the assignment: finding the mistake.


def differences(parameters, gradients, X, Y, epsilon=1e-5):
    """The relative difference of each gradient by itself: dict of "dW1", ..., "db3".

    The noise of a small gradient is no smaller than that of the others, so the nudge
    is longer here, and the noise a hundredth of what it is above.
    """
    slopes = _slopes(parameters, X, Y, epsilon)
    return {
        f"d{name}": _relative_difference(gradients[f"d{name}"], slope)
        for name, slope in slopes.items()
    }


def planted(gradients):
    """`gradients` with the two mistakes of the course's hand-out."""
    return gradients | {"dW2": gradients["dW2"] * 2, "db1": gradients["db1"] * 4}


def evaluate():
    """The course's printed differences, as rows (what, ours, printed).

    Last, how many of the six gradients are found wrong, with the course's two
    mistakes planted.
    """
    draw = np.random.RandomState(1)  # the course's example
    X, Y = draw.randn(4, 3), np.array([1, 1, 0])
    parameters = {name: draw.randn(*shape) for name, shape in SHAPES.items()}
    _, cache = forward_propagation_n(X, Y, parameters)
    right = backward_propagation_n(X, Y, cache)
    wrong = planted(right)
    one_by_one = differences(parameters, wrong, X, Y)
    return [
        ("one dimension, x = 3", gradient_check(3, 4), 7.814075313343006e-11),
        ("one dimension, x = 2", gradient_check(2, 4), 2.919335883291695e-10),
        (
            "three layers, right gradient",
            gradient_check_n(parameters, right, X, Y),
            1.1890913024229996e-07,
        ),
        (
            "three layers, two mistakes",
            gradient_check_n(parameters, wrong, X, Y),
            0.2850931567761623,
        ),
        ("mistakes found", sum(d > TOLERANCE for d in one_by_one.values()), 2),
    ]


def _slopes(parameters, X, Y, epsilon):
    """gradapprox of each parameter, shaped like `parameters`."""
    shapes = {name: np.shape(parameters[name]) for name in SHAPES}
    theta, _ = dictionary_to_vector(parameters)

    def J(theta):
        return forward_propagation_n(X, Y, vector_to_dictionary(theta, shapes=shapes))[
            0
        ]

    slopes = np.empty_like(theta, dtype=float)
    for i in range(len(theta)):
        nudge = np.zeros_like(slopes)
        nudge[i] = epsilon
        slopes[i] = (J(theta + nudge) - J(theta - nudge)) / (2 * epsilon)
    return vector_to_dictionary(slopes, shapes=shapes)


def _relative_difference(grad, gradapprox):
    """|grad - gradapprox| / (|grad| + |gradapprox|), in [0, 1]; 0 where both are 0."""
    apart = np.linalg.norm(np.subtract(grad, gradapprox))
    return apart / (np.linalg.norm(grad) + np.linalg.norm(gradapprox)) if apart else 0.0


def _print_verdict(difference):
    """The course's sentence: green for a right gradient, yellow for a wrong one."""
    if difference > TOLERANCE:
        colour, verdict = 93, "There is a mistake in the backward propagation!"
    else:
        colour, verdict = 92, "Your backward propagation works perfectly fine!"
    print(f"\033[{colour}m{verdict} difference = {difference}\033[0m")
