"""What the reference cases of the Transformer cannot say."""

import keras
import numpy as np
import pytest
import tensorflow as tf
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
    """Random weights, biases too."""
    keras.utils.set_random_seed(1)
    model = tr.build_model()
    for variable in model.weights:
        variable.assign_add(0.1 * keras.random.normal(variable.shape))
    return model


def shown(y):
    """What the decoder is shown while it learns to write y."""
    return np.concatenate([np.full((len(y), 1), tr.START), y[:, :-1]], 1).astype("i4")


def taught(model, x, y):
    """The lesson form, with all of its masks."""
    probabilities, _ = model(
        x,
        shown(y),
        training=False,
        enc_padding_mask=tr.create_padding_mask(x),
        look_ahead_mask=tr.create_look_ahead_mask(y.shape[1]),
        dec_padding_mask=tr.create_padding_mask(x),
    )
    return probabilities


@settings(max_examples=20)
@given(st.integers(1, 40), st.integers(1, 30))
def test_places_are_points_on_circles(positions, pairs):
    """Each sine and its cosine; a step ahead is one rotation, wherever one stands."""
    code = tr.positional_encoding(positions, 2 * pairs)[0].numpy()
    sin, cos = code[:, 0::2], code[:, 1::2]
    np.testing.assert_allclose(sin**2 + cos**2, 1, atol=1e-6)
    angle = tr.get_angles(
        np.arange(positions)[:, None], np.arange(0, 2 * pairs, 2), 2 * pairs
    )
    np.testing.assert_allclose(np.exp(1j * angle), cos + 1j * sin, atol=1e-5)


def test_attention_is_kerass():
    """`keras.ops.dot_product_attention`, which has heads before the last axis."""
    rng = np.random.default_rng(0)
    q, k, v = (rng.normal(size=(2, 3, n, 4)).astype("float32") for n in (5, 6, 6))
    mask = rng.integers(0, 2, (2, 1, 5, 6)).astype("float32")
    mask[..., 0] = 1  # nobody is left with nothing to look at
    ours, weights = tr.scaled_dot_product_attention(q, k, v, mask)
    theirs = keras.ops.dot_product_attention(
        *(np.swapaxes(a, 1, 2) for a in (q, k, v)), mask=mask.astype(bool)
    )
    np.testing.assert_allclose(ours, np.swapaxes(theirs, 1, 2), atol=1e-5)
    np.testing.assert_allclose(np.sum(weights, -1), 1, atol=1e-6)
    assert not np.any(weights.numpy()[np.broadcast_to(mask == 0, weights.shape)])


def test_no_word_sees_a_later_one(untrained):
    """Changing what is written from place t on changes nothing said before t."""
    data = tr.load_data(4)
    before = taught(untrained, data.x, data.y)
    y = data.y.copy()
    y[:, 6:] = 3
    after = taught(untrained, data.x, y)
    np.testing.assert_allclose(before[:, :7], after[:, :7], atol=1e-6)
    assert not np.allclose(before[:, 7:], after[:, 7:], atol=1e-6)


def test_nobody_looks_at_the_filling(untrained):
    """The weights on places without a character are zero, in every layer and head."""
    data = tr.load_data(8)
    _, attention = untrained(
        data.x,
        shown(data.y),
        enc_padding_mask=tr.create_padding_mask(data.x),
        look_ahead_mask=tr.create_look_ahead_mask(tr.TY),
        dec_padding_mask=tr.create_padding_mask(data.x),
    )
    look = attention["decoder_layer2_block2_decenc_att"].numpy()  # (m, heads, Ty, Tx)
    empty = np.broadcast_to((data.x == 0)[:, None, None], look.shape)
    assert empty.any()
    assert look[empty].max() < 1e-12


def test_both_forms_give_one_answer(untrained):
    """Keras's attention and the joined products, to float32 rounding."""
    data = tr.load_data(16)
    fast = tr._read_and_write(
        untrained, tf.constant(data.x), tf.constant(shown(data.y))
    )
    np.testing.assert_allclose(fast, taught(untrained, data.x, data.y), atol=1e-5)


def test_writing_letter_by_letter_is_choosing_the_likeliest(untrained):
    """Kept keys and values say what the whole decoder says, letter after letter."""
    data = tr.load_data(16)
    written, probabilities, _ = tr._write(untrained, tf.constant(data.x))
    y_hat = taught(untrained, data.x, written.numpy())
    np.testing.assert_array_equal(written, np.argmax(y_hat, -1))
    np.testing.assert_allclose(probabilities, np.max(y_hat, -1), atol=1e-5)


def test_masks_do_not_cling_to_tensors():
    """Keras would hand a `mask` on to later layers, which take theirs by argument."""
    layer = tr.EncoderLayer(4, 2, 8)
    out = layer(np.ones((1, 3, 4), "float32"), mask=np.ones((1, 1, 3), "float32"))
    assert getattr(out, "_keras_mask", None) is None


def test_dropout_acts_in_training_only():
    """Two calls in training differ, two others do not."""
    model = tr.Transformer(1, 8, 2, 16, 20, 20, 6, 6, dropout_rate=0.5)
    x = np.ones((2, 4), "int32")
    same = [model(x, x, training=False)[0] for _ in range(2)]
    other = [model(x, x, training=True)[0] for _ in range(2)]
    np.testing.assert_array_equal(*same)
    assert not np.allclose(*other)


def test_training_lowers_the_loss():
    """Three epochs on 256 dates; every variable moves."""
    keras.utils.set_random_seed(0)
    model = tr.build_model()
    before = [variable.numpy() for variable in model.weights]
    losses = tr.train(model, tr.load_data(256), epochs=3, batch_size=64)
    assert losses[-1] < losses[0]
    still = [
        variable.path
        for variable, old in zip(model.weights, before, strict=True)
        if np.array_equal(variable, old) and "key/bias" not in variable.path
    ]
    # A key's bias adds the same to all scores of a query: its gradient is nothing.
    assert still == []


@pytest.mark.parametrize(
    ("sentence", "iso"),
    [
        ("3 May 1979", "1979-05-03"),
        ("25th of June, 2009", "2009-06-25"),
        ("Tuesday 09 Oct 1993", "1993-10-09"),
    ],
)
def test_dates_are_translated(pretrained, sentence, iso):
    """With what it looked at: rows of weights that sum to one."""
    answer = tr.infer(pretrained, sentence)
    assert answer == iso
    assert 0.5 < answer.confidence <= 1
    assert answer.details["attention"].shape == (tr.TY, tr.TX)
    np.testing.assert_allclose(answer.details["attention"].sum(-1), 1, atol=1e-4)


def test_unseen_days_are_translated(pretrained):
    """300 of those that the goal is measured on."""
    pairs = dates.make_pairs(300, seed=1, held_out=True)
    written, _, _ = tr.translate(pretrained, [human for human, _ in pairs])
    right = [text == iso for text, (_, iso) in zip(written, pairs, strict=True)]
    assert np.mean(right) >= 0.99


@pytest.mark.parametrize("sentence", ["", "x" * 31, 3, None])
def test_what_is_no_date_is_told(pretrained, sentence):
    """Nothing, too much, no text."""
    with pytest.raises(InputError):
        tr.infer(pretrained, sentence)
