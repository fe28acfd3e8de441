"""The Transformer: attention without recurrence translates dates (C5 W4 A1).

In self-attention every token of a sequence is compared with all others at once,
instead of one after the other as in a recurrent network. Each token has a query q, a
key k and a value v; the output is the mean of the values, weighted by how well their
keys match the query:

    Attention(Q, K, V) = softmax(Q K^T / sqrt(d_k) + (1 - mask) * -1e9) V

Multi-head attention does this several times with different learned projections. Since
attention ignores the order of the tokens, a positional encoding is added to them:

    PE(pos, 2i) = sin(pos / 10000^(2i/d)),   PE(pos, 2i + 1) = cos(pos / 10000^(2i/d))

The encoder reads the input. The decoder applies causal self-attention to the output so
far and cross-attention to the encoder output, and predicts the next token.

Shapes: m sequences of tokens, here characters: (m, Tx) in and (m, Ty) out; d =
embedding_dim. Masks: 1 = attend, 0 = ignore (the opposite in the first edition of
2021). Edition: 2021, as revised in 2022; Keras 3 takes `training` and masks by keyword.
Paper: Vaswani et al. (2017), "Attention is all you need",
https://arxiv.org/abs/1706.03762
"""

from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from keras import layers
from matplotlib.figure import Figure

from dls_keras import plots
from dls_keras.core import examples, inputs, pretrained, settings, training, weights
from dls_keras.core.answers import Answer, Row
from dls_keras.course5.date_translation import EXAMPLES
from dls_keras.datasets import dates
from dls_keras.fast import transformer as fast

# Keras's Adam in fewer operations; a test compares the two.
from dls_keras.fast.layers import Adam

TX, TY = 30, 10  # characters in and out

# So that Keras can load models saved with these layers. The config of a layer is the
# arguments of its constructor; `kwargs` are those of any layer, such as `name`.
register = keras.saving.register_keras_serializable(package="dls_keras")


# The assignment: the course's functions under the course's signatures.


def get_angles(pos, k, d):
    """The angles pos / 10000^(2i/d) with i = k // 2.

    Args:
        pos: (n, 1) positions; k: (1, d) columns, counted from 0.

    Returns:
        (n, d) float64, in radians.
    """
    i = k // 2
    return pos / np.power(10000, 2 * i / d)


def positional_encoding(positions, d):
    """The encoding of the first `positions` positions, (1, positions, d) float32."""
    pos, k = np.arange(positions)[:, np.newaxis], np.arange(d)[np.newaxis]
    angles = get_angles(pos, k, d)  # (positions, d)
    angles[:, 0::2] = np.sin(angles[:, 0::2])
    angles[:, 1::2] = np.cos(angles[:, 1::2])
    return tf.cast(angles[np.newaxis], tf.float32)


def create_padding_mask(decoder_token_ids):
    """(m, 1, T) float32: 0 where a sequence (m, T) has the padding token 0, else 1."""
    return tf.cast(tf.not_equal(decoder_token_ids, 0), tf.float32)[:, tf.newaxis, :]


def create_look_ahead_mask(sequence_length):
    """The causal mask (1, T, T) float32: row t is 1 up to t, no later token counts."""
    ones = tf.ones((1, sequence_length, sequence_length))
    return tf.linalg.band_part(ones, -1, 0)


def scaled_dot_product_attention(q, k, v, mask):
    """The mean of the values, weighted by the softmax of the scaled products q . k.

    Args:
        q: (..., T_q, d_k), queries.
        k: (..., T_k, d_k), keys.
        v: (..., T_k, d_v), values.
        mask: 1 = attend, 0 = ignore, broadcast to (..., T_q, T_k); or None.

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


@settings.keras_defaults()
def FullyConnected(embedding_dim, fully_connected_dim):
    """The position-wise feed-forward network: two dense layers for each token."""
    hidden = layers.Dense(fully_connected_dim, activation="relu")
    return keras.Sequential([hidden, layers.Dense(embedding_dim)])


@register
class EncoderLayer(layers.Layer):
    """Multi-head self-attention, then a position-wise feed-forward network.

    Each has a residual connection (its input is added to its output) and then a layer
    normalisation.
    """

    def __init__(
        self, embedding_dim, num_heads, fully_connected_dim,
        dropout_rate=0.1, layernorm_eps=1e-6, **kwargs,
    ):  # fmt: skip
        super().__init__(**kwargs)
        self.supports_masking = True  # Keras then accepts an argument named `mask`.
        self.mha = layers.MultiHeadAttention(
            num_heads, key_dim=embedding_dim, dropout=dropout_rate
        )
        self.ffn = FullyConnected(embedding_dim, fully_connected_dim)
        self.layernorm1 = layers.LayerNormalization(epsilon=layernorm_eps)
        self.layernorm2 = layers.LayerNormalization(epsilon=layernorm_eps)
        self.dropout_ffn = layers.Dropout(dropout_rate)

    def build(self, x_shape):
        """Create all variables, by a call on symbolic tensors."""
        self.compute_output_spec(keras.KerasTensor(x_shape))

    def call(self, x, training=None, mask=None):
        """(m, Tx, d) from (m, Tx, d); no token attends where `mask` (m, 1, Tx) is 0."""
        attended = self.mha(x, x, x, attention_mask=mask, training=training)
        x = self.layernorm1(x + attended)
        transformed = self.dropout_ffn(self.ffn(x), training=training)
        return self.layernorm2(x + transformed)

    def compute_mask(self, inputs: Any, mask: Any = None) -> None:
        """None: Keras should not pass `mask` on to the layers that follow."""
        return None


@register
class Encoder(layers.Layer):
    """Embeddings plus positional encodings, then a stack of `EncoderLayer`."""

    def __init__(
        self, num_layers, embedding_dim, num_heads, fully_connected_dim,
        input_vocab_size, maximum_position_encoding,
        dropout_rate=0.1, layernorm_eps=1e-6, **kwargs,
    ):  # fmt: skip
        super().__init__(**kwargs)
        self.supports_masking = True
        self.embedding_dim = embedding_dim
        self.embedding = layers.Embedding(input_vocab_size, embedding_dim)
        self.pos_encoding = positional_encoding(
            maximum_position_encoding, embedding_dim
        )
        sizes = embedding_dim, num_heads, fully_connected_dim
        self.enc_layers = [
            EncoderLayer(*sizes, dropout_rate, layernorm_eps) for _ in range(num_layers)
        ]
        self.dropout = layers.Dropout(dropout_rate)

    def build(self, x_shape):
        self.compute_output_spec(keras.KerasTensor(x_shape))

    def call(self, x, training=None, mask=None):
        """(m, Tx, d) from tokens (m, Tx); `mask` as in `EncoderLayer`."""
        x = self.embedding(x) * tf.sqrt(float(self.embedding_dim))
        x += self.pos_encoding[:, : x.shape[1]]
        x = self.dropout(x, training=training)
        for layer in self.enc_layers:
            x = layer(x, training=training, mask=mask)
        return x

    compute_mask = EncoderLayer.compute_mask


@register
class DecoderLayer(layers.Layer):
    """Causal self-attention, cross-attention, a position-wise feed-forward network.

    Each has a residual connection and then a layer normalisation. In cross-attention
    the queries come from the decoder, the keys and values from the encoder output.
    """

    def __init__(
        self, embedding_dim, num_heads, fully_connected_dim,
        dropout_rate=0.1, layernorm_eps=1e-6, **kwargs,
    ):  # fmt: skip
        super().__init__(**kwargs)
        arguments = {"key_dim": embedding_dim, "dropout": dropout_rate}
        self.mha1 = layers.MultiHeadAttention(num_heads, **arguments)
        self.mha2 = layers.MultiHeadAttention(num_heads, **arguments)
        self.ffn = FullyConnected(embedding_dim, fully_connected_dim)
        self.layernorm1 = layers.LayerNormalization(epsilon=layernorm_eps)
        self.layernorm2 = layers.LayerNormalization(epsilon=layernorm_eps)
        self.layernorm3 = layers.LayerNormalization(epsilon=layernorm_eps)
        self.dropout_ffn = layers.Dropout(dropout_rate)

    def build(self, x_shape, enc_output_shape):
        self.compute_output_spec(*map(keras.KerasTensor, (x_shape, enc_output_shape)))

    def call(
        self, x, enc_output, training=None, look_ahead_mask=None, padding_mask=None
    ):
        """(m, Ty, d) from x (m, Ty, d), and the weights of both attentions.

        Args:
            enc_output: (m, Tx, d), the encoder output.
            look_ahead_mask: (1, Ty, Ty), for self-attention, whose weights are (m,
                heads, Ty, Ty).
            padding_mask: (m, 1, Tx), for cross-attention: (m, heads, Ty, Tx).
        """
        options = {"training": training, "return_attention_scores": True}
        attended, attn_weights_block1 = self.mha1(
            x, x, x, attention_mask=look_ahead_mask, **options
        )
        x = self.layernorm1(x + attended)
        attended, attn_weights_block2 = self.mha2(
            x, enc_output, enc_output, attention_mask=padding_mask, **options
        )
        x = self.layernorm2(x + attended)
        transformed = self.dropout_ffn(self.ffn(x), training=training)
        x = self.layernorm3(x + transformed)
        return x, attn_weights_block1, attn_weights_block2


@register
class Decoder(layers.Layer):
    """Embeddings plus positional encodings, then a stack of `DecoderLayer`."""

    def __init__(
        self, num_layers, embedding_dim, num_heads, fully_connected_dim,
        target_vocab_size, maximum_position_encoding,
        dropout_rate=0.1, layernorm_eps=1e-6, **kwargs,
    ):  # fmt: skip
        super().__init__(**kwargs)
        self.embedding_dim = embedding_dim
        self.embedding = layers.Embedding(target_vocab_size, embedding_dim)
        self.pos_encoding = positional_encoding(
            maximum_position_encoding, embedding_dim
        )
        sizes = embedding_dim, num_heads, fully_connected_dim
        self.dec_layers = [
            DecoderLayer(*sizes, dropout_rate, layernorm_eps) for _ in range(num_layers)
        ]
        self.dropout = layers.Dropout(dropout_rate)

    def build(self, x_shape, enc_output_shape):
        self.compute_output_spec(*map(keras.KerasTensor, (x_shape, enc_output_shape)))

    def call(
        self, x, enc_output, training=None, look_ahead_mask=None, padding_mask=None
    ):
        """(m, Ty, d) from tokens (m, Ty), and a dict of all attention weights."""
        x = self.embedding(x) * tf.sqrt(float(self.embedding_dim))
        x += self.pos_encoding[:, : x.shape[1]]
        x = self.dropout(x, training=training)
        masks = {"look_ahead_mask": look_ahead_mask, "padding_mask": padding_mask}
        attention_weights = {}
        for i, layer in enumerate(self.dec_layers, 1):
            x, block1, block2 = layer(x, enc_output, training=training, **masks)
            attention_weights[f"decoder_layer{i}_block1_self_att"] = block1
            attention_weights[f"decoder_layer{i}_block2_decenc_att"] = block2
        return x, attention_weights


@register
class Transformer(keras.Model):
    """Encoder, decoder, and a softmax over the vocabulary of the next token."""

    def __init__(
        self, num_layers, embedding_dim, num_heads, fully_connected_dim,
        input_vocab_size, target_vocab_size,
        max_positional_encoding_input, max_positional_encoding_target,
        dropout_rate=0.1, layernorm_eps=1e-6, **kwargs,
    ):  # fmt: skip
        super().__init__(**kwargs)
        sizes = num_layers, embedding_dim, num_heads, fully_connected_dim
        rates = dropout_rate, layernorm_eps
        self.encoder = Encoder(
            *sizes, input_vocab_size, max_positional_encoding_input, *rates
        )
        self.decoder = Decoder(
            *sizes, target_vocab_size, max_positional_encoding_target, *rates
        )
        self.final_layer = layers.Dense(target_vocab_size, activation="softmax")
        self.arguments = {
            "num_layers": num_layers, "embedding_dim": embedding_dim,
            "num_heads": num_heads, "fully_connected_dim": fully_connected_dim,
            "input_vocab_size": input_vocab_size,
            "target_vocab_size": target_vocab_size,
            "max_positional_encoding_input": max_positional_encoding_input,
            "max_positional_encoding_target": max_positional_encoding_target,
            "dropout_rate": dropout_rate, "layernorm_eps": layernorm_eps,
        }  # fmt: skip

    def get_config(self) -> dict[str, Any]:
        """The arguments of the constructor."""
        return {**super().get_config(), **self.arguments}

    def build(self, input_sentence_shape, output_sentence_shape):
        shapes = input_sentence_shape, output_sentence_shape
        self.compute_output_spec(*map(keras.KerasTensor, shapes))

    def call(
        self, input_sentence, output_sentence, training=None,
        enc_padding_mask=None, look_ahead_mask=None, dec_padding_mask=None,
    ):  # fmt: skip
        """The probabilities of the token that follows each prefix of the output.

        They have shape (m, Ty, target_vocab_size), for tokens (m, Tx) and (m, Ty). The
        decoder's attention weights are returned, too, in a dict.
        """
        enc_output = self.encoder(
            input_sentence, training=training, mask=enc_padding_mask
        )
        masks = {"look_ahead_mask": look_ahead_mask, "padding_mask": dec_padding_mask}
        dec_output, attention_weights = self.decoder(
            output_sentence, enc_output, training=training, **masks
        )
        return self.final_layer(dec_output), attention_weights


# The application: the functions that every assignment has.

# The functions above that the fast form of the Transformer computes with.
FUNCTIONS = fast.Functions(
    create_padding_mask, create_look_ahead_mask, scaled_dot_product_attention
)


def load_data(
    m: int = 10_000, seed: int = 0, held_out: bool = False, *, synthetic: bool = False
) -> dates.Tokens:
    """m generated dates, on held-out days if `held_out`, else on training days.

    Args:
        synthetic: changes nothing, since these data are generated anyway.
    """
    return dates.make_tokens(m, tx=TX, seed=seed, held_out=held_out)


@settings.keras_defaults()
def build_model() -> Transformer:
    """An untrained Transformer for dates: two layers, four heads, no dropout."""
    model = Transformer(
        num_layers=2, embedding_dim=64, num_heads=4, fully_connected_dim=128,
        input_vocab_size=len(dates.HUMAN_VOCAB), target_vocab_size=1 + dates.START,
        max_positional_encoding_input=TX, max_positional_encoding_target=TY,
        dropout_rate=0.0,
    )  # fmt: skip
    model.build((None, TX), (None, TY))
    return model


@examples.accepted(label_axes=1)
def train(
    model: Transformer,
    data: dates.Tokens,
    *,
    epochs: int = 8,
    batch_size: int = 128,
    learning_rate: float = 0.001,
    seed: int = 0,
    **settings: Any,
) -> list[float]:
    """Fit `model` in place; return each epoch's cross-entropy per character, in nats.

    Teacher forcing: the decoder input is the true output, shifted by one character. The
    learning rate has a linear warmup over a twentieth of the steps, then cosine decay.

    Args:
        model: a Transformer without dropout, which the fast form does not apply.
        settings: further arguments of `core.training.fit`.
    """
    keras.utils.set_random_seed(seed)

    def loss_fn(x, y, training=True):
        start = tf.fill([y.shape[0], 1], dates.START)
        decoder_input = tf.concat([start, y[:, :-1]], axis=1)
        # What `Transformer.call` returns, computed faster; a test compares both.
        y_hat = fast.next_token_probabilities(model, x, decoder_input, FUNCTIONS)
        return tf.reduce_mean(keras.losses.sparse_categorical_crossentropy(y, y_hat))

    steps = epochs * (len(data.x) // batch_size)
    rate = training.cosine_decay_with_warmup(learning_rate, steps, warmup=steps // 20)
    return training.fit(
        loss_fn,
        (data.x, data.y),
        model.trainable_variables,
        Adam(rate),
        epochs=epochs,
        batch_size=batch_size,
        seed=seed,
        jit_compile=True,
        model=model,
        **settings,
    )


@pretrained.or_own_file
@settings.undisturbed()
def load_pretrained(variant: str = "default") -> Transformer:
    """The Transformer for dates with the shipped weights, verified."""

    def outputs(model):
        """The log-probabilities of the first characters of a date."""
        x = dates.tokens([EXAMPLES[0][0]], TX)
        start = np.full((1, 2), dates.START, "int32")
        y_hat, _ = model(x, start, training=False)
        return tf.math.log(y_hat)

    return weights.load(build_model(), "transformer", variant, outputs=outputs)


def translate(
    model: Transformer, sentences: Sequence[str]
) -> tuple[list[str], np.ndarray, np.ndarray]:
    """Translate many dates at once, by greedy decoding with a KV cache.

    Args:
        sentences: n texts of at most 30 characters.

    Returns:
        translations: n texts "YYYY-MM-DD".
        probabilities: (n, Ty) float32, of each output character.
        attention: (n, Ty, Tx) float32, last layer's cross-attention, mean over heads.

    Raises:
        InputError: if a sentence is not a text, empty or too long.
    """
    if not hasattr(model, "decode"):
        model.decode = fast.make_decoder(model, TX, dates.START, TY, FUNCTIONS)
    tokens, probabilities, attention = model.decode(dates.tokens(sentences, TX))
    texts = dates.decode_tokens(tokens.numpy())
    return texts, probabilities.numpy(), attention.numpy()


@inputs.batched()
def infer(model: Transformer, sentences: Any) -> list[Answer]:
    """Translate a date, such as "5 April 09", or a list of them, into "YYYY-MM-DD".

    Returns:
        An `Answer`, a day of the calendar. Its confidence is the product of the ten
        characters' probabilities, `details["probabilities"]` (Ty,);
        `details["attention"]` (Ty, Tx) holds the attention weights of `translate`.

    Raises:
        InputError: if the sentence is not a text, empty or too long, or if the
            translation cannot be right, see `dates.check`.
    """
    translated = list(zip(sentences, *translate(model, sentences), strict=True))
    for sentence, text, _, _ in translated:
        dates.check(sentence, text)
    return [
        Answer(text, p.prod(), probabilities=p, attention=attention)
        for _, text, p, attention in translated
    ]


def evaluate(model: Transformer | None = None, *, synthetic: bool = False) -> list[Row]:
    """Exact matches: dates that are translated without a wrong character.

    Args:
        synthetic: changes nothing, since no files are needed anyway.
    """
    model = load_pretrained() if model is None else model
    rows = []
    held_out = dates.make_pairs(10_000, seed=1, held_out=True)
    for what, pairs in (
        ("10,000 dates on held-out days", held_out),
        (f"{len(EXAMPLES)} sentences of the course", EXAMPLES),
    ):
        translations, _, _ = translate(model, [human for human, _ in pairs])
        equal = [a == iso for a, (_, iso) in zip(translations, pairs, strict=True)]
        share = sum(equal) / len(pairs)
        rows.append(Row(f"exact matches, {what}", share, at_least=0.999))
    return rows


def picture(sentence: str, answer: Answer) -> Figure:
    """A heat map of the cross-attention weights, a matplotlib figure."""
    return plots.attention(dates.clean(sentence), answer, answer.details["attention"])


def example() -> tuple[str, str]:
    """The question of the tour."""
    return "Which day is Tuesday 9 of Oct 1993?", "Tuesday 9 of Oct 1993"
