"""Each common mistake, added to a correct solution, gets the hint for it."""

import re

import pytest
from learner_files import checked, with_mistake

LOSS = "cost = -1 / m * np.sum("

# (solution, old text, new text, the function that is then wrong, words of the hint)
MISTAKES = [
    # Course 1
    (
        "numpy_basics",
        "axis=1, keepdims=True)\n    return x_exp",
        "axis=1)\n    return x_exp",
        "softmax",
        "is keepdims=True missing?",
    ),
    (
        "numpy_basics",
        "axis=1, keepdims=True)\n    return x_exp",
        "axis=0)\n    return x_exp",
        "softmax",
        "right axis",
    ),
    (
        "numpy_basics",
        "axis=1, keepdims=True)\n    return x_exp",
        "keepdims=True)\n    return x_exp",
        "softmax",
        "is axis= missing?",
    ),
    (
        "numpy_basics",
        "image.shape[2], 1)",
        "image.shape[2])",
        "image2vector",
        "rank-1 array",
    ),
    (
        "numpy_basics",
        "np.sum(np.abs(y - yhat))",
        "np.abs(y - yhat)",
        "L1",
        "Its sum would be right",
    ),
    (
        "numpy_basics",
        "return np.dot(y - yhat, y - yhat)",
        "print(np.dot(y - yhat, y - yhat))",
        "L2",
        "returns nothing",
    ),
    (
        "numpy_basics",
        "np.exp(-x))\n    return s",
        "np.exp(x))\n    return s",
        "sigmoid",
        "sign in this exp",
    ),
    (
        "logistic_regression",
        "dw = 1 / m * np",
        "dw = np",
        "propagate",
        "s 1/m missing?",
    ),
    (
        "logistic_regression",
        LOSS,
        "cost = 1 / m * np.sum(",
        "propagate",
        "s a minus missing",
    ),
    (
        "logistic_regression",
        "np.log(A) +",
        "np.log2(A) +",
        "propagate",
        "did you mean np.log",
    ),
    (
        "logistic_regression",
        "np.dot(X, (A - Y).T)",
        "np.dot(X, A - Y)",
        "propagate",
        "s a transpose missing",
    ),
    (
        "logistic_regression",
        "return params, grads, costs",
        "return grads, params, costs",
        "optimize",
        r"order \(params, grads, costs\)",
    ),
    (
        "logistic_regression",
        'params = {"w": w,',
        'params = {"W": w,',
        "optimize",
        "'w'",
    ),
    (
        "logistic_regression",
        "A[0, i] > 0.5",
        "A[0, i] < 0.5",
        "predict",
        "id you mean >, not <?",
    ),
    (
        "deep_network_steps",
        "Z = np.dot(W, A) + b",
        "Z = W * A + b",
        "linear_forward",
        "did you mean np.dot or @",
    ),
    (
        "deep_network_steps",
        "Z = np.dot(W, A) + b",
        "Z = np.dot(A, W) + b",
        "linear_forward",
        "right order",
    ),
    (
        "deep_network_steps",
        "Z = np.dot(W, A) + b",
        "Z = np.dot(W, A)",
        "linear_forward",
        "exactly b: is it missing",
    ),
    (
        "deep_network_steps",
        "(1, L):\n        A_prev",
        "(1, L - 1):\n        A_prev",
        "L_model_forward",
        "off by one",
    ),
    (
        "deep_network_steps",
        "axis=1, keepdims=True)",
        "axis=1)",
        "linear_backward",
        "is keepdims=True missing",
    ),
    (
        "deep_network_steps",
        "axis=1, keepdims=True)",
        "axis=0, keepdims=True)",
        "linear_backward",
        "right axis",
    ),
    (
        "deep_network_steps",
        ' - learning_rate * grads["dW"',
        ' + learning_rate * grads["dW"',
        "update_parameters",
        "id you mean -, not [+]",
    ),
    (
        "deep_network_steps",
        '"relu"\n        )',
        '"sigmoid"\n        )',
        "L_model_forward",
        "'sigmoid' the right value",
    ),
    (
        "deep_network_steps",
        "np.random.seed(3)\n    parameters = {}\n",
        "parameters = {}\n",
        "initialize_parameters_deep",
        "other random numbers",
    ),
    (
        "deep_network_steps",
        "np.random.randn(layer_dims",
        "np.random.rand(layer_dims",
        "initialize_parameters_deep",
        "did you mean randn",
    ),
    # Course 2
    (
        "initialization",
        "* 10",
        "* 0.1",
        "initialize_parameters_random",
        "0.01 times the expected",
    ),
    (
        "initialization",
        "np.sqrt(2 / layers",
        "np.sqrt(2 // layers",
        "initialize_parameters_he",
        "// rounds down to whole numbers",
    ),
    (
        "regularization",
        "lambd / (2 * m) * squares",
        "lambd / 2 * squares",
        "compute_cost_with_regularization",
        "division by m missing",
    ),
    (
        "regularization",
        "A1 = A1 * D1 / keep_prob",
        "A1 = A1 * D1",
        "forward_propagation_with_dropout",
        "division by keep_prob missing",
    ),
    (
        "regularization",
        "np.random.rand(A1.shape[0], A1.shape[1]) < keep_prob",
        "np.random.rand(A1.shape[0], A1.shape[1]) > keep_prob",
        "forward_propagation_with_dropout",
        "id you mean <, not >",
    ),
    (
        "optimization",
        "learning_rate0 / (1 +",
        "learning_rate0 * (1 +",
        "update_lr",
        "id you mean a division",
    ),
    (
        "optimization",
        "np.floor(epoch_num / time_interval)",
        "(epoch_num / time_interval)",
        "schedule_lr_decay",
        "id you mean a whole number",
    ),
    (
        "optimization",
        "(1 - beta1**t)",
        "(1 - beta1)",
        "update_parameters_with_adam",
        "Right: v, s, s_corrected. Wrong: parameters",
    ),
    (
        "optimization",
        "math.ceil(",
        "math.floor(",
        "random_mini_batches",
        "to round up",
    ),
    # Course 4
    (
        "convolution_steps",
        "np.multiply(a_slice_prev, W)",
        "np.dot(a_slice_prev, W)",
        "conv_single_step",
        "did you mean [*], element by element",
    ),
    (
        "convolution_steps",
        "stride) + 1\n    n_W",
        "stride)\n    n_W",
        "conv_forward",
        "too short by one",
    ),
    (
        "convolution_steps",
        "np.mean(window",
        "np.sum(window",
        "pool_forward",
        "f squared",
    ),
    ("convolution_steps", "+= mask *", "= mask *", "pool_backward", "accumulate a sum"),
    (
        "convolution_steps",
        "return d_padded[:, inside, inside, :], dW, db",
        "return dW, db",
        "conv_backward",
        r"Return 3 values, \(dA_prev, dW, db\), not 2",
    ),
    # Course 5
    (
        "recurrent_steps",
        "np.tanh(np.dot(Waa, a_prev) + np.dot(Wax, xt) + ba)",
        "np.dot(Waa, a_prev) + np.dot(Wax, xt) + ba",
        "rnn_cell_forward",
        "The tanh of it would be right",
    ),
    (
        "recurrent_steps",
        "= rnn_cell_forward(x[:, :, t], a_next",
        "= rnn_cell_forward(x[:, :, t], a0",
        "rnn_forward",
        "Only the first index of axis 2 is right",
    ),
    (
        "recurrent_steps",
        "ft * c_prev + it * cct",
        "it * c_prev + ft * cct",
        "lstm_cell_forward",
        "Right: cache",
    ),
    (
        "recurrent_steps",
        "(1 - a_next**2)",
        "(1 + a_next**2)",
        "rnn_cell_backward",
        "id you mean -",
    ),
    (
        "recurrent_steps",
        "dWax += gradients",
        "dWax = gradients",
        "rnn_backward",
        "accumulate a sum",
    ),
    (
        "word_vectors",
        "norm_v = np.sqrt(np.sum(v * v))",
        "norm_v = np.sum(v * v)",
        "cosine_similarity",
        "square root missing",
    ),
    (
        "word_vectors",
        "return e - e_biascomponent",
        "return e + e_biascomponent",
        "neutralize",
        "id you mean -, not [+]",
    ),
    (
        "word_vectors",
        "cosine_sim > max",
        "cosine_sim < max",
        "complete_analogy",
        "id you mean >",
    ),
    (
        "dinosaurs",
        "np.clip(gradient, -maxValue",
        "np.clip(gradient, maxValue",
        "clip",
        "minus before maxValue",
    ),
]


@pytest.mark.parametrize(
    ("name", "old", "new", "function", "words"),
    MISTAKES,
    ids=[f"{m[0]}-{m[3]}-{n}" for n, m in enumerate(MISTAKES)],
)
def test_the_hint_names_the_kind_of_mistake(tmp_path, name, old, new, function, words):
    """The function is wrong, and its hint matches the words."""
    path = tmp_path / "mine.py"
    path.write_text(with_mistake(name, (old, new)), encoding="utf-8")
    found, _ = checked(name, path)
    verdict, hint = found[function]
    assert verdict["status"] == "wrong"
    assert re.search(words, hint), hint


# Tensors: an unfinished transformer in the style of 2021.

ATTENTION = """
import numpy as np
import tensorflow as tf
from tensorflow.keras.layers import Dense, Dropout, LayerNormalization
from tensorflow.keras.layers import MultiHeadAttention

def get_angles(pos, k, d):
    i = k
    return pos / np.power(10000, (2 * i // 2) / np.float32(d))

def positional_encoding(positions, d):
    angles = get_angles(np.arange(positions)[:, None], np.arange(d)[None, :], d)
    angles[:, 0::2] = np.sin(angles[:, 0::2])
    angles[:, 1::2] = np.cos(angles[:, 1::2])
    return tf.cast(angles[np.newaxis, ...], dtype=tf.float32)

def scaled_dot_product_attention(q, k, v, mask):
    matmul_qk = tf.matmul(q, k, transpose_b=True)
    dk = tf.cast(tf.shape(k)[-1], tf.float32)
    logits = matmul_qk / dk
    if mask is not None:
        logits += (1 - mask) * -1e9
    weights = tf.nn.softmax(logits, axis=-1)
    return tf.matmul(weights, v), weights

class EncoderLayer(tf.keras.layers.Layer):
    def __init__(self, embedding_dim, num_heads, fully_connected_dim,
                 dropout_rate=0.1, layernorm_eps=1e-6):
        super().__init__()
        self.mha = MultiHeadAttention(num_heads, embedding_dim, dropout=dropout_rate)
        self.ffn = tf.keras.Sequential(
            [Dense(fully_connected_dim, activation="relu"), Dense(embedding_dim)]
        )
        self.layernorm1 = LayerNormalization(epsilon=layernorm_eps)
        self.layernorm2 = LayerNormalization(epsilon=layernorm_eps)
        self.dropout_ffn = Dropout(dropout_rate)

    def call(self, x, training, mask):
        attended = self.mha(x, x, x, mask)
        x = self.layernorm1(x + attended)
        return self.layernorm2(x + self.dropout_ffn(self.ffn(x), training=training))

class Encoder(tf.keras.layers.Layer):
    def __init__(self, num_layers, embedding_dim, num_heads, fully_connected_dim,
                 input_vocab_size, maximum_position_encoding, dropout_rate=0.1,
                 layernorm_eps=1e-6):
        super().__init__()
        self.cache = None

    def call(self, x, training, mask):
        x = None
        return x
"""


def test_each_function_of_an_unfinished_transformer_gets_its_hint(tmp_path):
    """Brackets, a square root, a mask by position, a placeholder, and their callers."""
    path = tmp_path / "mine.py"
    path.write_text(ATTENTION, encoding="utf-8")
    found, _ = checked("transformer", path)
    hints = {function: hint for function, (_, hint) in found.items()}
    assert hints["get_angles"].endswith("Are brackets missing?")
    assert hints["positional_encoding"].startswith("It will be right when get_angles")
    assert "square root missing" in hints["scaled_dot_product_attention"]
    assert "write attention_mask=mask" in hints["EncoderLayer"]
    assert hints["Encoder"] == "Not implemented yet: line 51 has a placeholder."
    assert found["Transformer"][0]["status"] == "missing"
