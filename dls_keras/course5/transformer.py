"""The Transformer: nothing but attention translates dates (C5 W4 A1).

Every word looks at all words at once instead of reading them in order: its query q is
compared with the key k of each, and the values v are averaged by how well they match,

    Attention(Q, K, V) = softmax(Q K^T / sqrt(d_k) + (1 - mask) * -1e9) V

Several such heads look in different ways. Since attention does not know the order of
words, sines and cosines of the place are added to the words,

    PE(pos, 2i) = sin(pos / 10000^(2i/d)),   PE(pos, 2i + 1) = cos(pos / 10000^(2i/d))

The encoder reads the sentence; the decoder looks at what is written so far, then at
the encoder's words, and says the next word.

Shapes: m sentences; word indices (m, Tx) in and (m, Ty) out; d = embedding_dim. Masks:
1 = look, 0 = hidden (the first edition of 2021 had it the other way round). Edition:
2021, as revised in 2022; Keras 3 takes `training` and masks by keyword.
Paper: Vaswani et al. (2017), "Attention is all you need",
https://arxiv.org/abs/1706.03762
"""

from typing import NamedTuple

import keras
import numpy as np
import tensorflow as tf
from keras import layers

from dls_keras import plots
from dls_keras.core import training, weights
from dls_keras.core.answers import Answer
from dls_keras.course5.date_translation import EXAMPLES
from dls_keras.datasets import dates
from dls_keras.fast.layers import Adam

TX, TY = 30, 10  # characters in and out


# The assignment: the course's functions under the course's signatures.


def get_angles(pos, k, d):
    """The angles pos / 10000^(2i/d) with i = k // 2.

    Args:
        pos: (n, 1) places.
        k: (1, d) columns, counted from 0.

    Returns:
        (n, d) float64, in radians.
    """
    i = k // 2
    return pos / np.power(10000, 2 * i / d)


def positional_encoding(positions, d):
    """What is added to the words at the first `positions` places, (1, positions, d)."""
    angles = get_angles(
        np.arange(positions)[:, np.newaxis], np.arange(d)[np.newaxis], d
    )
    angles[:, 0::2] = np.sin(angles[:, 0::2])
    angles[:, 1::2] = np.cos(angles[:, 1::2])
    return tf.cast(angles[np.newaxis], tf.float32)


def create_padding_mask(decoder_token_ids):
    """(m, 1, T) float32: 0 where a sentence (m, T) holds the index 0, else 1."""
    return tf.cast(tf.not_equal(decoder_token_ids, 0), tf.float32)[:, tf.newaxis, :]


def create_look_ahead_mask(sequence_length):
    """(1, T, T) float32: row t is 1 up to t, so that no word sees a later one."""
    ones = tf.ones((1, sequence_length, sequence_length))
    return tf.linalg.band_part(ones, -1, 0)


def scaled_dot_product_attention(q, k, v, mask):
    """The values, averaged by how well their keys match each query.

    Args:
        q: (..., T_q, d); k: (..., T_k, d); v: (..., T_k, d_v).
        mask: 1 = look, 0 = hidden, of a shape that fits (..., T_q, T_k); or None.

    Returns:
        output: (..., T_q, d_v).
        attention_weights: (..., T_q, T_k), rows sum to 1.
    """
    d_k = tf.cast(tf.shape(k)[-1], tf.float32)
    logits = tf.matmul(q, k, transpose_b=True) / tf.sqrt(d_k)
    if mask is not None:
        logits += (1.0 - mask) * -1.0e9
    attention_weights = tf.nn.softmax(logits)
    return tf.matmul(attention_weights, v), attention_weights


def FullyConnected(embedding_dim, fully_connected_dim):
    """Two dense layers, the first with relu, that treat every word alike."""
    return keras.Sequential(
        [
            layers.Dense(fully_connected_dim, activation="relu"),
            layers.Dense(embedding_dim),
        ]
    )


class EncoderLayer(layers.Layer):
    """Words look at each other, then each is thought over by itself.

    Both results are added to what came in, and normalised.
    """

    def __init__(
        self,
        embedding_dim,
        num_heads,
        fully_connected_dim,
        dropout_rate=0.1,
        layernorm_eps=1e-6,
    ):
        super().__init__()
        self.supports_masking = True  # `mask` is ours: no warning, please
        self.mha = layers.MultiHeadAttention(
            num_heads, key_dim=embedding_dim, dropout=dropout_rate
        )
        self.ffn = FullyConnected(embedding_dim, fully_connected_dim)
        self.layernorm1 = layers.LayerNormalization(epsilon=layernorm_eps)
        self.layernorm2 = layers.LayerNormalization(epsilon=layernorm_eps)
        self.dropout_ffn = layers.Dropout(dropout_rate)

    def call(self, x, training=None, mask=None):
        """(m, Tx, d) from (m, Tx, d); `mask` hides words from all."""
        looked = self.mha(x, x, x, attention_mask=mask, training=training)
        x = self.layernorm1(x + looked)
        thought = self.dropout_ffn(self.ffn(x), training=training)
        return self.layernorm2(x + thought)

    def compute_mask(self, inputs, mask=None):
        """None: masks go by argument here, never hidden on a tensor."""
        return None


class Encoder(layers.Layer):
    """Embeds words and their places, then a stack of `EncoderLayer`."""

    def __init__(
        self,
        num_layers,
        embedding_dim,
        num_heads,
        fully_connected_dim,
        input_vocab_size,
        maximum_position_encoding,
        dropout_rate=0.1,
        layernorm_eps=1e-6,
    ):
        super().__init__()
        self.supports_masking = True  # `mask` is ours: no warning, please
        self.embedding_dim = embedding_dim
        self.embedding = layers.Embedding(input_vocab_size, embedding_dim)
        self.pos_encoding = positional_encoding(
            maximum_position_encoding, embedding_dim
        )
        self.enc_layers = [
            EncoderLayer(
                embedding_dim,
                num_heads,
                fully_connected_dim,
                dropout_rate,
                layernorm_eps,
            )
            for _ in range(num_layers)
        ]
        self.dropout = layers.Dropout(dropout_rate)

    def call(self, x, training=None, mask=None):
        """(m, Tx, d) from word indices (m, Tx)."""
        x = self.embedding(x) * tf.sqrt(float(self.embedding_dim))
        x += self.pos_encoding[:, : x.shape[1]]
        x = self.dropout(x, training=training)
        for layer in self.enc_layers:
            x = layer(x, training=training, mask=mask)
        return x

    def compute_mask(self, inputs, mask=None):
        """None: masks go by argument here, never hidden on a tensor."""
        return None


class DecoderLayer(layers.Layer):
    """Looks at what is written, then at what was read, then thinks."""

    def __init__(
        self,
        embedding_dim,
        num_heads,
        fully_connected_dim,
        dropout_rate=0.1,
        layernorm_eps=1e-6,
    ):
        super().__init__()
        self.mha1 = layers.MultiHeadAttention(
            num_heads, key_dim=embedding_dim, dropout=dropout_rate
        )
        self.mha2 = layers.MultiHeadAttention(
            num_heads, key_dim=embedding_dim, dropout=dropout_rate
        )
        self.ffn = FullyConnected(embedding_dim, fully_connected_dim)
        self.layernorm1 = layers.LayerNormalization(epsilon=layernorm_eps)
        self.layernorm2 = layers.LayerNormalization(epsilon=layernorm_eps)
        self.layernorm3 = layers.LayerNormalization(epsilon=layernorm_eps)
        self.dropout_ffn = layers.Dropout(dropout_rate)

    def call(
        self, x, enc_output, training=None, look_ahead_mask=None, padding_mask=None
    ):
        """One round of writing.

        Args:
            x: (m, Ty, d), the words so far.
            enc_output: (m, Tx, d), the words read.
            look_ahead_mask: hides later words of x; padding_mask, words of enc_output.

        Returns:
            (m, Ty, d), and the attention weights of both looks, (m, heads, Ty, Ty) and
            (m, heads, Ty, Tx).
        """
        looked, attn_weights_block1 = self.mha1(
            x,
            x,
            x,
            attention_mask=look_ahead_mask,
            training=training,
            return_attention_scores=True,
        )
        x = self.layernorm1(x + looked)
        looked, attn_weights_block2 = self.mha2(
            x,
            enc_output,
            enc_output,
            attention_mask=padding_mask,
            training=training,
            return_attention_scores=True,
        )
        x = self.layernorm2(x + looked)
        thought = self.dropout_ffn(self.ffn(x), training=training)
        return self.layernorm3(x + thought), attn_weights_block1, attn_weights_block2


class Decoder(layers.Layer):
    """Embeds words and their places, then a stack of `DecoderLayer`."""

    def __init__(
        self,
        num_layers,
        embedding_dim,
        num_heads,
        fully_connected_dim,
        target_vocab_size,
        maximum_position_encoding,
        dropout_rate=0.1,
        layernorm_eps=1e-6,
    ):
        super().__init__()
        self.embedding_dim = embedding_dim
        self.embedding = layers.Embedding(target_vocab_size, embedding_dim)
        self.pos_encoding = positional_encoding(
            maximum_position_encoding, embedding_dim
        )
        self.dec_layers = [
            DecoderLayer(
                embedding_dim,
                num_heads,
                fully_connected_dim,
                dropout_rate,
                layernorm_eps,
            )
            for _ in range(num_layers)
        ]
        self.dropout = layers.Dropout(dropout_rate)

    def call(
        self, x, enc_output, training=None, look_ahead_mask=None, padding_mask=None
    ):
        """(m, Ty, d) from word indices (m, Ty), and a dict of attention weights."""
        x = self.embedding(x) * tf.sqrt(float(self.embedding_dim))
        x += self.pos_encoding[:, : x.shape[1]]
        x = self.dropout(x, training=training)
        attention_weights = {}
        for i, layer in enumerate(self.dec_layers, 1):
            x, block1, block2 = layer(
                x,
                enc_output,
                training=training,
                look_ahead_mask=look_ahead_mask,
                padding_mask=padding_mask,
            )
            attention_weights[f"decoder_layer{i}_block1_self_att"] = block1
            attention_weights[f"decoder_layer{i}_block2_decenc_att"] = block2
        return x, attention_weights


class Transformer(keras.Model):
    """Encoder, decoder, and a softmax over the words to say next."""

    def __init__(
        self,
        num_layers,
        embedding_dim,
        num_heads,
        fully_connected_dim,
        input_vocab_size,
        target_vocab_size,
        max_positional_encoding_input,
        max_positional_encoding_target,
        dropout_rate=0.1,
        layernorm_eps=1e-6,
    ):
        super().__init__()
        self.encoder = Encoder(
            num_layers,
            embedding_dim,
            num_heads,
            fully_connected_dim,
            input_vocab_size,
            max_positional_encoding_input,
            dropout_rate,
            layernorm_eps,
        )
        self.decoder = Decoder(
            num_layers,
            embedding_dim,
            num_heads,
            fully_connected_dim,
            target_vocab_size,
            max_positional_encoding_target,
            dropout_rate,
            layernorm_eps,
        )
        self.final_layer = layers.Dense(target_vocab_size, activation="softmax")

    def call(
        self,
        input_sentence,
        output_sentence,
        training=None,
        enc_padding_mask=None,
        look_ahead_mask=None,
        dec_padding_mask=None,
    ):
        """The probabilities of the next word after each word written.

        Args:
            input_sentence: (m, Tx) word indices; output_sentence: (m, Ty).

        Returns:
            (m, Ty, target_vocab_size), and the decoder's attention weights by name.
        """
        enc_output = self.encoder(
            input_sentence, training=training, mask=enc_padding_mask
        )
        dec_output, attention_weights = self.decoder(
            output_sentence,
            enc_output,
            training=training,
            look_ahead_mask=look_ahead_mask,
            padding_mask=dec_padding_mask,
        )
        return self.final_layer(dec_output), attention_weights


# The application: the names that every assignment shares. Index 0 stands for filling.

START = 1 + len(dates.MACHINE_VOCAB)  # stands before the first character written


class Tokens(NamedTuple):
    """m dates: x (m, Tx) and y (m, Ty) int32 indices, and the pairs of text."""

    x: np.ndarray
    y: np.ndarray
    pairs: list[tuple[str, str]]


def tokens(sentences):
    """Human dates as rows of indices (n, Tx) int32, filled up with 0."""
    ids = np.array([dates.indices(sentence, TX) for sentence in sentences], "int32")
    # The last word of the vocabulary is the filling; it becomes 0, the others move up.
    return (ids + 1) % len(dates.HUMAN_VOCAB)


def load_data(m=10_000, seed=0, held_out=False):
    """m generated dates; `held_out` draws from the days that nobody learns."""
    pairs = dates.make_pairs(m, seed=seed, held_out=held_out)
    y = [[1 + dates.MACHINE_VOCAB[c] for c in iso] for _, iso in pairs]
    return Tokens(tokens([human for human, _ in pairs]), np.array(y, "int32"), pairs)


def build_model():
    """Two layers of four heads for dates, untrained, without dropout."""
    model = Transformer(
        num_layers=2,
        embedding_dim=64,
        num_heads=4,
        fully_connected_dim=128,
        input_vocab_size=len(dates.HUMAN_VOCAB),
        target_vocab_size=1 + START,
        max_positional_encoding_input=TX,
        max_positional_encoding_target=TY,
        dropout_rate=0.0,
    )
    model(np.zeros((1, TX), "int32"), np.zeros((1, TY), "int32"))  # makes the weights
    return model


def train(
    model,
    data,
    *,
    epochs=8,
    batch_size=128,
    learning_rate=0.001,
    seed=0,
    on_epoch=None,
    checkpoint=None,
):
    """Fit `model` in place; return each epoch's mean cross-entropy, in nats a letter.

    While learning, the decoder is shown the true beginning of each answer (teacher
    forcing). The rate climbs for a twentieth of the steps, then falls to zero along a
    cosine.
    """
    keras.utils.set_random_seed(seed)

    def loss_fn(x, y):
        start = tf.fill([y.shape[0], 1], START)
        y_hat = _read_and_write(model, x, tf.concat([start, y[:, :-1]], axis=1))
        return tf.reduce_mean(keras.losses.sparse_categorical_crossentropy(y, y_hat))

    steps = epochs * (len(data.x) // batch_size)
    rate = training.warm_cosine(learning_rate, steps, warmup=steps // 20)
    return training.fit(
        loss_fn,
        (data.x, data.y),
        model.trainable_variables,
        Adam(rate),
        epochs=epochs,
        batch_size=batch_size,
        seed=seed,
        on_epoch=on_epoch,
        checkpoint=checkpoint,
        jit_compile=True,  # a third of the time, on CPUs too
    )


def load_pretrained(variant="default"):
    """The Transformer for dates with shipped weights, checked."""

    def probabilities(model):
        return infer(model, "3 May 1979").details["probabilities"]

    return weights.load(build_model(), "transformer", variant, outputs=probabilities)


def translate(model, sentences):
    """Many dates at once, in one compiled graph, each letter the likeliest next one.

    Args:
        sentences: n texts of at most 30 characters.

    Returns:
        translations: n texts "YYYY-MM-DD".
        probabilities: (n, Ty) float32, of each character written.
        attention: (n, Ty, Tx) float32, where the last layer looked, mean of its heads.
    """
    if not hasattr(model, "write"):  # compiled once a model
        model.write = tf.function(lambda x: _write(model, x))
    written, probabilities, attention = model.write(tf.constant(tokens(sentences)))
    # No letter is 0 or START; `dates.decode` counts letters from 0.
    texts = [dates.decode(np.clip(ids - 1, 0, START - 2)) for ids in written.numpy()]
    return texts, probabilities.numpy(), attention.numpy()


def infer(model, sentence):
    """Translate one date, such as "5 April 09", into "YYYY-MM-DD".

    Returns:
        An `Answer`: the text, its probability, and `details["attention"]` (Ty, Tx).
    """
    (translation,), probabilities, attention = translate(model, [sentence])
    return Answer(
        translation,
        probabilities[0].prod(),
        probabilities=probabilities[0],
        attention=attention[0],
    )


def evaluate(model=None):
    """Dates translated without a wrong character, as rows (what, ours, goal)."""
    model = model or load_pretrained()
    rows = []
    for what, pairs in (
        (
            "exact dates, 10,000 on days never seen",
            dates.make_pairs(10_000, seed=1, held_out=True),
        ),
        (f"exact, {len(EXAMPLES)} sentences of the course", EXAMPLES),
    ):
        written, _, _ = translate(model, [human for human, _ in pairs])
        right = [text == iso for text, (_, iso) in zip(written, pairs, strict=True)]
        rows.append((what, np.mean(right), 0.99))
    return rows


def picture(model, sentence):
    """The map of where the decoder looked for each character, a matplotlib figure."""
    answer = infer(model, sentence)
    text = " ".join(sentence.lower().replace(",", " ").split())
    return plots.attention(text, answer, answer.details["attention"])


def example():
    """The question of the tour."""
    return "Which day is Tuesday 9 of Oct 1993?", "Tuesday 9 of Oct 1993"


# The fast form: the same numbers as `Transformer.call`, queries, keys and values of
# all heads in one product, and what is written kept as keys and values, so that each
# letter is thought about once. `train` and `translate` use it; a test holds both
# forms together.


def _read_and_write(model, x, y):
    """The probabilities (m, Ty, words) after each of the words y (m, Ty)."""
    enc_output, hidden = _read(model, x)
    later = create_look_ahead_mask(y.shape[1])[:, tf.newaxis]
    decoder = model.decoder
    z = _embed(decoder, y, 0)
    for layer in decoder.dec_layers:
        z, _, _ = _decoder_layer(layer, z, _memory(layer, enc_output), hidden, later)
    return model.final_layer(z)


def _write(model, x):
    """The likeliest words (m, Ty), their probabilities, and where they looked."""
    enc_output, hidden = _read(model, x)
    decoder = model.decoder
    memories = [_memory(layer, enc_output) for layer in decoder.dec_layers]
    pasts = [None] * len(memories)
    word = tf.fill([tf.shape(x)[0], 1], START)
    written, probabilities, looks = [], [], []
    for t in range(TY):
        z = _embed(decoder, word, t)
        for i, layer in enumerate(decoder.dec_layers):
            z, pasts[i], look = _decoder_layer(
                layer, z, memories[i], hidden, past=pasts[i]
            )
        y_hat = model.final_layer(z)  # (m, 1, words)
        word = tf.argmax(y_hat, axis=-1, output_type=tf.int32)
        written.append(word[:, 0])
        probabilities.append(tf.reduce_max(y_hat[:, 0], axis=-1))
        looks.append(tf.reduce_mean(look[:, :, 0], axis=1))
    return [tf.stack(steps, axis=1) for steps in (written, probabilities, looks)]


def _read(model, x):
    """The encoder's words (m, Tx, d), and the mask (m, 1, 1, Tx) of the filling."""
    hidden = create_padding_mask(x)[:, tf.newaxis]
    z = _embed(model.encoder, x, 0)
    for layer in model.encoder.enc_layers:
        q, k, v = _heads(layer.mha, z, "qkv")
        looked, _ = scaled_dot_product_attention(q, k, v, hidden)
        z = layer.layernorm1(z + _joined(layer.mha, looked))
        z = layer.layernorm2(z + layer.ffn(z))
    return z, hidden


def _decoder_layer(layer, z, memory, hidden, later=None, past=None):
    """`DecoderLayer.call` on words z behind those of `past`.

    Returns:
        The words, their keys and values with the past ones, and where they looked.
    """
    q, k, v = _heads(layer.mha1, z, "qkv")
    if past is not None:
        k, v = (tf.concat(pair, axis=2) for pair in zip(past, (k, v), strict=True))
    looked, _ = scaled_dot_product_attention(q, k, v, later)
    z = layer.layernorm1(z + _joined(layer.mha1, looked))
    (q,) = _heads(layer.mha2, z, "q")
    looked, look = scaled_dot_product_attention(q, *memory, hidden)
    z = layer.layernorm2(z + _joined(layer.mha2, looked))
    return layer.layernorm3(z + layer.ffn(z)), (k, v), look


def _memory(layer, enc_output):
    """The keys and values of what was read, the same for every word written."""
    return _heads(layer.mha2, enc_output, "kv")


def _embed(coder, words, first):
    """The words (m, T) as vectors, with the places from `first` on added."""
    places = coder.pos_encoding[:, first : first + words.shape[1]]
    return coder.embedding(words) * tf.sqrt(float(coder.embedding_dim)) + places


def _heads(mha, z, roles):
    """What z (m, T, d) is to all heads in each role, a list of (m, heads, T, d_k)."""
    chosen = ["qkv".index(role) for role in roles]
    kernels = [mha.weights[2 * i].value for i in chosen]  # (d, heads, d_k) each
    biases = [mha.weights[2 * i + 1].value for i in chosen]
    d, heads, d_k = kernels[0].shape
    kernel = tf.reshape(tf.stack(kernels, axis=1), (d, -1))
    # As one matrix: else the gradient of the kernel is made for each example first.
    both = tf.matmul(tf.reshape(z, (-1, d)), kernel) + tf.reshape(biases, [-1])
    both = tf.reshape(both, (-1, z.shape[1], len(chosen), heads, d_k))
    return tf.unstack(tf.transpose(both, (2, 0, 3, 1, 4)))


def _joined(mha, looked):
    """What all heads (m, heads, T, d_k) saw, as vectors (m, T, d)."""
    kernel, bias = mha.weights[6:]  # (heads, d_k, d), (d,)
    _, heads, T, d_k = looked.shape
    looked = tf.reshape(tf.transpose(looked, (0, 2, 1, 3)), (-1, heads * d_k))
    seen = tf.matmul(looked, tf.reshape(kernel, (heads * d_k, -1))) + bias
    return tf.reshape(seen, (-1, T, bias.shape[0]))
