"""Mutants of our functions that are right for every input that the course allows."""

# (assignment, function) -> the lesson's function whose mutants are run instead: it has
# the formulas, and the course's function calls a fast form.
PLAIN_FORMS = {
    ("convolution_steps", "conv_forward"): "conv_forward_by_loops",
    ("convolution_steps", "pool_forward"): "pool_forward_by_loops",
    ("convolution_steps", "conv_backward"): "conv_backward_by_loops",
    ("convolution_steps", "pool_backward"): "pool_backward_by_loops",
}

# Functions that the course does not have and no case can reach.
OURS = {"update_parameters_with_rmsprop", "encode", "threshold_of"}

ONE_OUTPUT = "with one output unit, the matrix product is an outer product"
ONE_AXIS = "a vector has one axis, and its transpose is itself"
PRINTED = "the value is only printed, in a form that differs between the editions"
LABELS = "0 and 1 are their own roots and squares"
EVEN = "the derivative of the sigmoid is even"
SHAPE_ONLY = "only the shape is used"
STRICT = "the lists have the same length"
BROADCAST = "an axis in front is broadcast, whether it is kept or not"
CHECKED = "a check of ours, for files that the course does not have"

ROOTS = {"return p -> return p ** 0.5": LABELS}

# (assignment, function) -> {a part of "old code -> new code": reason}; the function ""
# stands for all of the assignment.
EQUIVALENT: dict[tuple[str, str], dict[str, str]] = {
    ("numpy_basics", "sigmoid_derivative"): {"sigmoid(-x)": EVEN},
    ("numpy_basics", "L1"): {"axis=": ONE_AXIS},
    ("numpy_basics", "L2"): {
        "difference.T": ONE_AXIS,
        "= -np.subtract": "the difference is squared",
    },
    ("logistic_regression", "propagate"): {"Y * Z -> Y * Z * Y": LABELS},
    ("logistic_regression", "model"): {
        "optimize(-w,": "the initial weights are zero",
        "optimize(w, -b,": "the initial bias is zero",
    },
    ("planar_classification", "compute_cost"): {
        "np.maximum(A2, -TINY)": "it matters for a probability of 0 alone",
        "np.maximum(1 - A2, -TINY)": "it matters for a probability of 1 alone",
        "-1 -> 1 in ": "Y has two axes",
    },
    ("planar_classification", "backward_propagation"): {"['W2'].T * dZ2": ONE_OUTPUT},
    ("deep_network_steps", ""): {
        "TINY, -TINY": "it matters for a probability of 0 or 1 alone",
        "< TINY, -TINY": "it matters for a probability of 0 or 1 alone",
        "np.abs(derivative) -> derivative": "the derivative is positive",
    },
    ("deep_network_steps", "sigmoid_backward"): {"sigmoid(-cache)": EVEN},
    ("deep_network_application", "predict"): ROOTS,
    ("initialization", "initialize_parameters_zeros"): {
        "scale(": "the numbers are replaced by zeros",
        "RandomState(3)": "the numbers are replaced by zeros",
    },
    ("initialization", "initialize_parameters_random"): {
        "scale(-n_in)": "the scale is constant"
    },
    ("initialization", "backward_propagation"): {"W3.T * dz3": ONE_OUTPUT},
    ("initialization", "predict"): ROOTS,
    ("regularization", ""): {"W3.T * dZ3": ONE_OUTPUT},
    ("regularization", "backward_propagation"): {
        "@ dZ2 / mask1": "the masks are 1 without dropout",
        "@ dZ3 / mask2": "the masks are 1 without dropout",
    },
    ("regularization", "predict"): ROOTS,
    ("gradient_checking", "gradient_check"): {
        "backward_propagation(x, -theta)": "the derivative of theta x is x"
    },
    ("gradient_checking", "vector_to_dictionary"): {
        "np.prod(shape, axis": ONE_AXIS,
        "strict=": STRICT,
    },
    ("gradient_checking", "gradient_check_n"): {
        "-epsilon)": "a central difference is the same for -epsilon"
    },
    ("gradient_checking", ""): {"W3.T * d": ONE_OUTPUT},
    ("optimization", ""): {"W3.T * dz3": ONE_OUTPUT},
    ("optimization", "predict"): ROOTS,
    ("optimization", "model"): {
        "rmsprop": "the course does not have this optimizer",
        "total": PRINTED,
        "compute_cost(": PRINTED,
        "W3.T * dz3": ONE_OUTPUT,
        "1 -> 0 in X.shape[1]": PRINTED,
    },
    ("convolution_steps", "conv_forward"): {"W.shape[0]": "windows are square"},
    ("convolution_steps", "conv_backward"): {"W.shape[0]": "windows are square"},
    ("convolution_steps", "pool_forward"): {"2 * pad": "pooling has no padding"},
    ("convolution_steps", "pool_backward"): {"(A_prev[*window, c]) ** 0.5": LABELS},
    ("convolution_steps", "distribute_value"): {"np.prod(shape, axis": ONE_AXIS},
    ("recurrent_steps", "softmax"): {"axis=0, keepdims=True": BROADCAST},
    ("recurrent_steps", "rnn_backward"): {
        "strict=": STRICT,
        "np.zeros_like(da": SHAPE_ONLY,
    },
    ("recurrent_steps", "lstm_backward"): {
        "strict=": STRICT,
        "np.zeros_like(da": SHAPE_ONLY,
    },
    ("dinosaurs", "softmax"): {"axis=0, keepdims=True": BROADCAST},
    ("dinosaurs", "rnn_forward"): {
        "strict=": STRICT,
        "x[t][letter] += 1": "the column was zero",
        "0 -> -1 in y_hat[t][target, 0]": "a column has one number a row",
    },
    ("dinosaurs", "rnn_step_backward"): {
        "dy * a.T": "the product of a column and a row is an outer product",
        "daraw * x.T": "the product of a column and a row is an outer product",
        "daraw * a_prev.T": "the product of a column and a row is an outer product",
    },
    ("dinosaurs", "rnn_backward"): {"np.zeros_like(a[-1])": SHAPE_ONLY},
    ("dinosaurs", "sample"): {
        "x[idx] += 1": "the column was zero",
        "newline = ": "the newline is 0",
    },
    ("dinosaurs", "model"): {
        "smooth(": PRINTED,
        "get_initial_loss(": PRINTED,
        "idx": PRINTED,
        "j % len(examples)": PRINTED,
        "inputs_and_targets(examples[idx]": PRINTED,
        "last_dino_name = '' *": "it is replaced before it is returned",
        "shuffled(data_x) *": "a list that is repeated has the same order",
        "j == 0": PRINTED,
    },
    ("dinosaurs", "vectorization"): {
        "reshape(len(X), -Tx)": "a negative length is computed by NumPy"
    },
    ("word_vectors", "cosine_similarity"): {
        "np.dot(v, u)": "the product is symmetric",
        ".T": ONE_AXIS,
        "axis=0)": ONE_AXIS,
        "axis=-1)": ONE_AXIS,
    },
    ("word_vectors", "complete_analogy"): {
        "v.T": ONE_AXIS,
        "np.argmax(similarity, axis": ONE_AXIS,
        "np.linalg.norm(v": "the length of v is the same for all words",
        "+= -np.inf": "nothing is less than minus infinity",
    },
    ("word_vectors", "neutralize"): {
        "np.dot(g, e)": "the product is symmetric",
        ".T": ONE_AXIS,
    },
    ("word_vectors", "equalize"): {
        "mu_B - e in np.linalg.norm": "only the length is used",
        "mu_orth - mu_B": "another edition's form, for a keyword of ours",
        "e - mu_orth": "another edition's form, for a keyword of ours",
        "np.dot(bias_axis, e)": "the product is symmetric",
        ".T": ONE_AXIS,
        "np.linalg.norm(e - mu_B, axis=0)": ONE_AXIS,
        "np.linalg.norm(e - mu_B, axis=-1)": ONE_AXIS,
        "np.linalg.norm(e - mu_B, axis=0, keepdims": ONE_AXIS,
        "np.linalg.norm(e - mu_B, axis=-1, keepdims": ONE_AXIS,
        "1 - np.dot(mu_orth, mu_orth) -> np.dot(": "its absolute value is used",
        "np.abs(1 - np.dot(mu_orth, mu_orth)) ->": "it is positive for unit vectors",
    },
    ("emojify", "softmax"): {
        "axis=": ONE_AXIS,
        "e_x = -np.exp(": "the softmax is a quotient",
    },
    ("emojify", "predict"): {"keepdims=True": "the result is reshaped"},
    ("emojify", "read_csv"): {
        "0 -> ": CHECKED,
        "valid = ": CHECKED,
    },
    ("emojify", "model"): {
        "cost = ": PRINTED,
        "np.log(a)": PRINTED,
        "avg.T": ONE_AXIS,
        "predict(X, -Y": PRINTED,
        "np.unique(-Y)": "only the number of labels is used",
        "strict=": STRICT,
    },
    ("emojify", "sentences_to_indices"): {
        "strict=": STRICT,
        "row[:len(known)] += ": "the row was zero",
    },
    ("convolution_application", "compute_cost"): {"(Y, Z3), axis=": ONE_AXIS},
    ("jazz", "data_processing"): {
        "= False": "False times or to the power of anything is False",
        "X[:, 1:] ** 0.5": LABELS,
        "X[:, 1:] * ": "booleans times a positive number are the same booleans",
    },
    ("jazz", "predict_and_sample"): {"verbose=": "it is not a result"},
    ("tensorflow_introduction", "compute_total_loss"): {"axis=": ONE_AXIS},
    ("tensorflow_tutorial", "compute_cost"): {"tf.reduce_mean(losses, axis": ONE_AXIS},
}
