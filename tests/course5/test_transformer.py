"""The Transformer beyond its reference cases."""

import keras
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dls_keras.core.errors import InputError
from dls_keras.course5 import transformer as tr
from dls_keras.datasets import dates


@pytest.fixture(scope="module")
def pretrained():
    return tr.load_pretrained()


@pytest.fixture(scope="module")
def untrained():
    """A model whose weights are random, biases too."""
    keras.utils.set_random_seed(1)
    model = tr.build_model()
    for variable in model.weights:
        variable.assign_add(0.1 * keras.random.normal(variable.shape))
    return model


def small(**arguments):
    """One layer of two heads, for sequences of at most 6 tokens."""
    return tr.Transformer(1, 8, 2, 16, 20, 20, 6, 6, **arguments)


def predict(model, x, y):
    """The outputs of the model with all of its masks, while it is taught to write y."""
    start = np.full((len(y), 1), dates.START)
    return model(
        x,
        np.concatenate([start, y[:, :-1]], axis=1).astype("int32"),
        training=False,
        enc_padding_mask=tr.create_padding_mask(x),
        look_ahead_mask=tr.create_look_ahead_mask(y.shape[1]),
        dec_padding_mask=tr.create_padding_mask(x),
    )


@settings(max_examples=20)
@given(st.integers(1, 40), st.integers(1, 30))
def test_positional_encodings_are_points_on_circles(positions, pairs):
    """Column 2i is the sine and column 2i + 1 the cosine of one angle."""
    code = tr.positional_encoding(positions, 2 * pairs)[0].numpy()
    sin, cos = code[:, 0::2], code[:, 1::2]
    np.testing.assert_allclose(sin**2 + cos**2, 1, atol=1e-6)
    angle = tr.get_angles(
        np.arange(positions)[:, None], np.arange(0, 2 * pairs, 2), 2 * pairs
    )
    np.testing.assert_allclose(np.exp(1j * angle), cos + 1j * sin, atol=1e-5)


def test_attention_equals_that_of_keras():
    """`keras.ops.dot_product_attention`, which has the heads before the last axis."""
    rng = np.random.default_rng(0)
    q, k, v = (rng.normal(size=(2, 3, n, 4)).astype("float32") for n in (5, 6, 6))
    mask = rng.integers(0, 2, (2, 1, 5, 6)).astype("float32")
    mask[..., 0] = 1  # every query attends to at least one key
    output, weights = tr.scaled_dot_product_attention(q, k, v, mask)
    expected = keras.ops.dot_product_attention(
        *(np.swapaxes(a, 1, 2) for a in (q, k, v)), mask=mask.astype(bool)
    )
    np.testing.assert_allclose(output, np.swapaxes(expected, 1, 2), atol=1e-5)
    np.testing.assert_allclose(np.sum(weights, -1), 1, atol=1e-6)
    assert not np.any(weights.numpy()[np.broadcast_to(mask == 0, weights.shape)])


def test_predictions_do_not_depend_on_later_tokens(untrained):
    """Changing the output from position 6 on changes no probability before it."""
    data = tr.load_data(4)
    y = data.y.copy()
    y[:, 6:] = 3
    (before, _), (after, _) = (predict(untrained, data.x, z) for z in (data.y, y))
    np.testing.assert_allclose(before[:, :7], after[:, :7], atol=1e-6)
    assert not np.allclose(before[:, 7:], after[:, 7:], atol=1e-6)


def test_padding_is_not_attended_to(untrained):
    """The attention weights at padding are zero in every head."""
    data = tr.load_data(8)
    _, attention = predict(untrained, data.x, data.y)
    weights = attention["decoder_layer2_block2_decenc_att"].numpy()
    padding = np.broadcast_to((data.x == 0)[:, None, None], weights.shape)
    assert padding.any()
    assert weights[padding].max() < 1e-12


def test_a_saved_model_gives_the_same_numbers(pretrained, tmp_path):
    """Also after `translate` has compiled the decoder."""
    pretrained.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    assert type(loaded) is tr.Transformer
    for found, expected in zip(
        tr.translate(loaded, ["3 May 1979"]),
        tr.translate(pretrained, ["3 May 1979"]),
        strict=True,
    ):
        np.testing.assert_array_equal(found, expected)


def test_a_config_restores_the_constructor_arguments():
    """With the weights, the copy gives the same numbers."""
    model = small(dropout_rate=0.5, layernorm_eps=1e-3, name="mine")
    model.build((None, 6), (None, 4))
    copy = tr.Transformer.from_config(model.get_config())
    assert copy.get_config() == model.get_config()
    copy.build((None, 6), (None, 4))
    copy.set_weights(model.get_weights())
    x = np.arange(1, 5, dtype="int32")[None]
    np.testing.assert_array_equal(copy(x, x)[0], model(x, x)[0])


def test_layers_can_be_cloned_saved_and_loaded(tmp_path):
    """In a functional model of all four, which gives the same numbers afterwards."""
    tokens, x = keras.Input((6,), dtype="int32"), keras.Input((6, 8))
    sizes = {"embedding_dim": 8, "num_heads": 2, "fully_connected_dim": 16}
    stack = {**sizes, "num_layers": 2, "maximum_position_encoding": 6}
    y, _, _ = tr.DecoderLayer(**sizes)(x, x)
    z, _ = tr.Decoder(**stack, target_vocab_size=20)(tokens, x)
    encoder = tr.Encoder(**stack, input_vocab_size=20)
    outputs = [tr.EncoderLayer(**sizes)(x), encoder(tokens), y, z]
    model = keras.Model([tokens, x], outputs)

    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    clone = keras.models.clone_model(model)
    clone.set_weights(model.get_weights())
    rng = np.random.default_rng(0)
    inputs = [rng.integers(0, 20, (2, 6)), rng.normal(size=(2, 6, 8))]
    expected = model(inputs)
    for copy in (loaded, clone):
        kinds = {type(layer) for layer in copy.layers}
        assert kinds >= {tr.EncoderLayer, tr.Encoder, tr.DecoderLayer, tr.Decoder}
        for one, other in zip(copy(inputs), expected, strict=True):
            np.testing.assert_array_equal(one, other)


def test_a_mask_is_not_attached_to_the_output():
    """Keras would pass it on to the layers that follow."""
    layer = tr.EncoderLayer(4, 2, 8)
    out = layer(np.ones((1, 3, 4), "float32"), mask=np.ones((1, 1, 3), "float32"))
    assert getattr(out, "_keras_mask", None) is None


def test_dropout_is_applied_in_training_only():
    """Two calls in training differ, two calls in inference do not."""
    model = small(dropout_rate=0.5)
    x = np.ones((2, 4), "int32")
    same = [model(x, x, training=False)[0] for _ in range(2)]
    other = [model(x, x, training=True)[0] for _ in range(2)]
    np.testing.assert_array_equal(*same)
    assert not np.allclose(*other)


def test_training_lowers_the_loss():
    """Three epochs on 256 dates change every variable."""
    keras.utils.set_random_seed(0)
    model = tr.build_model()
    before = [variable.numpy() for variable in model.weights]
    losses = tr.train(model, tr.load_data(256), epochs=3, batch_size=64)
    assert losses[-1] < losses[0]
    unchanged = [
        variable.path
        for variable, old in zip(model.weights, before, strict=True)
        if np.array_equal(variable, old) and "key/bias" not in variable.path
    ]
    # A key's bias adds the same number to all scores of a query; its gradient is 0.
    assert unchanged == []


@pytest.mark.parametrize(
    ("sentence", "iso"),
    [
        ("3 May 1979", "1979-05-03"),
        ("25th of June, 2009", "2009-06-25"),
        ("Tuesday 09 Oct 1993", "1993-10-09"),
    ],
)
def test_dates_are_translated(pretrained, sentence, iso):
    """The rows of the attention weights sum to one."""
    answer = tr.infer(pretrained, sentence)
    assert answer == iso
    assert 0.5 < answer.confidence <= 1
    assert answer.details["attention"].shape == (tr.TY, tr.TX)
    np.testing.assert_allclose(answer.details["attention"].sum(-1), 1, atol=1e-4)


def test_held_out_days_are_translated(pretrained):
    """300 of those that `evaluate` measures."""
    pairs = dates.make_pairs(300, seed=1, held_out=True)
    translations, _, _ = tr.translate(pretrained, [human for human, _ in pairs])
    equal = [text == iso for text, (_, iso) in zip(translations, pairs, strict=True)]
    assert np.mean(equal) >= 0.99


def test_the_picture_has_a_row_per_output_character(pretrained):
    """And a column for each character of the normalised sentence."""
    answer = tr.infer(pretrained, "May 3, 1979")
    axes, _ = tr.picture("May 3, 1979", answer).axes
    shown = [
        "".join(label.get_text() for label in labels)
        for labels in (axes.get_xticklabels(), axes.get_yticklabels())
    ]
    assert shown == ["may␣3␣1979", "1979-05-03"]


@pytest.mark.parametrize("sentence", ["", "x" * 31, 3, None])
def test_an_invalid_sentence_is_reported(pretrained, sentence):
    """An empty one, one that is too long, and other types."""
    with pytest.raises(InputError):
        tr.infer(pretrained, sentence)


@pytest.mark.parametrize(
    "sentence",
    ["1999-12-31", "1999/12/31", "19991231", "31/12/1999", "31.12.99", "31DEC1999"],
)
@pytest.mark.parametrize("weekday", ["", "Fri ", "Friday, "])
def test_numbers_are_translated(pretrained, weekday, sentence):
    """In machine formats and in the usual orders of day, month and year."""
    assert tr.infer(pretrained, weekday + sentence) == "1999-12-31"


@pytest.mark.parametrize(
    "sentence", ["today", "\N{GRINNING FACE}", "31 Feb 2001", "13/13/2013", "2010"]
)
def test_a_sentence_without_a_day_is_refused(pretrained, sentence):
    """The answer is always a day of the calendar."""
    with pytest.raises(InputError, match="No date found"):
        tr.infer(pretrained, sentence)
