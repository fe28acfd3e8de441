"""A Transformer with fewer, larger products, and greedy decoding with a KV cache.

`keras.layers.MultiHeadAttention` multiplies its input by one kernel each for queries,
keys and values. Here the kernels are joined, and one product computes all of them for
all heads and all tokens:

    [Q K V] = z [W_Q W_K W_V] + [b_Q b_K b_V]

Greedy decoding outputs one token per step. The keys and values of the tokens before it
are kept (the KV cache), and those of the encoder output are computed only once, so
each step runs the decoder on one token instead of on the whole output so far.

The model is any object with the attributes of the course's Transformer: `encoder`,
`decoder`, `final_layer`, and the layers inside them. Dropout is not applied. Tests
compare both functions with calls of the course's layers: values, and the gradients of
`next_token_probabilities`.

Shapes: m sequences; Tx input tokens, Ty output tokens; d numbers per token; d_k numbers
per head. Masks: 1 = attend, 0 = ignore.
Paper: Shazeer (2019), "Fast Transformer decoding", https://arxiv.org/abs/1911.02150,
describes incremental decoding with cached keys and values.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import tensorflow as tf


class Functions(NamedTuple):
    """The lesson's functions that both forms compute with.

    Attributes:
        padding_mask: from tokens (m, T) to a mask (m, 1, T), 0 at padding tokens.
        causal_mask: from a length T to a mask (1, T, T), whose row t is 1 up to t.
        attention: scaled dot-product attention, from (q, k, v, mask) to the output and
            the attention weights.
    """

    padding_mask: Callable
    causal_mask: Callable
    attention: Callable


def next_token_probabilities(
    model: Any,
    x: tf.Tensor,
    y: tf.Tensor,
    functions: Functions,
) -> tf.Tensor:
    """The probabilities of the token that follows each prefix of the decoder input.

    Args:
        x: (m, Tx) int32, the encoder input.
        y: (m, Ty) int32, the decoder input.

    Returns:
        (m, Ty, vocabulary) float32.
    """
    padding_mask, causal_mask, attention = functions
    mask = padding_mask(x)[:, tf.newaxis]  # (m, 1, 1, Tx), the same for all heads
    enc_output = _encode(model.encoder, x, mask, attention)
    causal = causal_mask(y.shape[1])[:, tf.newaxis]  # (1, 1, Ty, Ty)
    z = _embed(model.decoder, y, 0)
    for layer in model.decoder.dec_layers:
        enc_keys_values = _project(layer.mha2, enc_output, "kv")
        z, _, _ = _decoder_layer(layer, z, enc_keys_values, mask, attention, causal)
    return model.final_layer(z)


def make_decoder(
    model: Any, Tx: int, start: int, length: int, functions: Functions
) -> Callable:
    """Compile `greedy_decode` for one model; return a function of x (m, Tx).

    It is traced once for all m.
    """
    return tf.function(
        lambda x: greedy_decode(model, x, start, length, functions),
        input_signature=[tf.TensorSpec([None, Tx], tf.int32)],
    )


def greedy_decode(
    model: Any,
    x: tf.Tensor,
    start: int,
    length: int,
    functions: Functions,
) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
    """Predict the most probable next token, `length` times.

    Args:
        x: (m, Tx) int32, the encoder input.
        start: the token that the decoder reads first.
        length: the number of output tokens.

    Returns:
        tokens: (m, length) int32.
        probabilities: (m, length) float32, of these tokens.
        cross_attention: (m, length, Tx) float32, the weights of the last layer's
            cross-attention, averaged over the heads.
    """
    # No causal mask is needed: the cache contains only earlier tokens.
    padding_mask, _, attention = functions
    mask = padding_mask(x)[:, tf.newaxis]  # (m, 1, 1, Tx)
    enc_output = _encode(model.encoder, x, mask, attention)
    decoder = model.decoder
    # The same for every output token.
    enc_keys_values = [
        _project(layer.mha2, enc_output, "kv") for layer in decoder.dec_layers
    ]
    caches = [None] * len(enc_keys_values)
    token = tf.fill([tf.shape(x)[0], 1], start)
    tokens, probabilities, cross_attention = [], [], []
    for t in range(length):
        z = _embed(decoder, token, t)
        for i, layer in enumerate(decoder.dec_layers):
            z, caches[i], attention_weights = _decoder_layer(
                layer, z, enc_keys_values[i], mask, attention, cache=caches[i]
            )
        y_hat = model.final_layer(z)  # (m, 1, vocabulary)
        token = tf.argmax(y_hat, axis=-1, output_type=tf.int32)
        tokens.append(token[:, 0])
        probabilities.append(tf.reduce_max(y_hat[:, 0], axis=-1))
        cross_attention.append(tf.reduce_mean(attention_weights[:, :, 0], axis=1))
    return tuple(
        tf.stack(steps, axis=1) for steps in (tokens, probabilities, cross_attention)
    )


def _encode(encoder, x, mask, attention):
    """The encoder output (m, Tx, d) for tokens x (m, Tx)."""
    z = _embed(encoder, x, 0)
    for layer in encoder.enc_layers:
        q, k, v = _project(layer.mha, z, "qkv")
        heads, _ = attention(q, k, v, mask)
        z = layer.layernorm1(z + _merge_heads(layer.mha, heads))
        z = layer.layernorm2(z + layer.ffn(z))
    return z


def _decoder_layer(
    layer, z, enc_keys_values, mask, attention, causal_mask=None, cache=None
):
    """Self-attention, cross-attention and feed-forward network for z (m, T, d).

    Args:
        enc_keys_values: of the encoder output, each (m, heads, Tx, d_k).
        mask: (m, 1, 1, Tx), for cross-attention; causal_mask: for self-attention.
        cache: keys and values of the tokens before z, which z attends to as well.

    Returns:
        The output (m, T, d), the cache extended by z, and the weights of the
        cross-attention (m, heads, T, Tx).
    """
    q, k, v = _project(layer.mha1, z, "qkv")
    if cache is not None:
        k, v = (tf.concat(pair, axis=2) for pair in zip(cache, (k, v), strict=True))
    heads, _ = attention(q, k, v, causal_mask)
    z = layer.layernorm1(z + _merge_heads(layer.mha1, heads))
    (q,) = _project(layer.mha2, z, "q")
    heads, attention_weights = attention(q, *enc_keys_values, mask)
    z = layer.layernorm2(z + _merge_heads(layer.mha2, heads))
    return layer.layernorm3(z + layer.ffn(z)), (k, v), attention_weights


def _embed(coder, tokens, first):
    """Scaled embeddings plus positional encodings, counted from position `first`."""
    positions = coder.pos_encoding[:, first : first + tokens.shape[1]]
    return coder.embedding(tokens) * tf.sqrt(float(coder.embedding_dim)) + positions


def _project(mha, z, roles):
    """Queries, keys, values: those named in `roles`, each (m, heads, T, d_k).

    Args:
        z: (m, T, d).
        roles: some of the letters of "qkv".
    """
    chosen = ["qkv".index(role) for role in roles]
    kernels = [mha.weights[2 * i].value for i in chosen]  # (d, heads, d_k) each
    biases = [mha.weights[2 * i + 1].value for i in chosen]
    d, heads, d_k = kernels[0].shape
    kernel = tf.reshape(tf.stack(kernels, axis=1), (d, -1))
    # z as a matrix (m * T, d). With z of shape (m, T, d), TensorFlow computes the
    # gradient of the kernel for each of the m examples and then adds them up.
    joined = tf.matmul(tf.reshape(z, (-1, d)), kernel) + tf.reshape(biases, [-1])
    joined = tf.reshape(joined, (-1, z.shape[1], len(chosen), heads, d_k))
    return tf.unstack(tf.transpose(joined, (2, 0, 3, 1, 4)))


def _merge_heads(mha, heads):
    """Concat(head_1, ...) W_O + b_O: from (m, heads, T, d_k) to (m, T, d)."""
    kernel, bias = mha.weights[6:]  # (heads, d_k, d), (d,)
    _, count, T, d_k = heads.shape
    concatenated = tf.reshape(tf.transpose(heads, (0, 2, 1, 3)), (-1, count * d_k))
    output = tf.matmul(concatenated, tf.reshape(kernel, (count * d_k, -1))) + bias
    return tf.reshape(output, (-1, T, bias.shape[0]))
