"""FizzBuzz: digits, words, the network and its answers, compared with division."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dls_keras.core import weights
from dls_keras.core.errors import InputError
from dls_keras.course2 import fizzbuzz


@pytest.fixture(scope="module")
def pretrained():
    return fizzbuzz.load_pretrained()


def word(n):
    """What a player says for n."""
    return "fizz" * (n % 3 == 0) + "buzz" * (n % 5 == 0) or str(n)


@given(st.lists(st.integers(0, fizzbuzz.LAST), min_size=1))
def test_binary_digits_represent_their_numbers(numbers):
    """Each is -1 or 1, and digit i has the value 2^i."""
    x = fizzbuzz.binary_digits(numbers)
    assert x.shape == (len(numbers), 10) and x.dtype == "float32"
    assert set(np.unique(x)) <= {-1, 1}
    assert ((x + 1) / 2 @ 2 ** np.arange(10)).tolist() == numbers


def test_words_are_those_of_the_game():
    """For all numbers up to 1023."""
    n = range(1, fizzbuzz.LAST + 1)
    words = [fizzbuzz.WORDS[k] for k in fizzbuzz.fizzbuzz(n)]
    assert words == [word(k).replace(str(k), "the number") for k in n]


def test_training_and_test_numbers_do_not_overlap():
    """923 numbers from 101 for training, the first hundred for testing."""
    data = fizzbuzz.load_data()
    train, test = ({*map(tuple, x)} for x in (data.x, data.x_test))
    assert (len(train), len(test), len(train & test)) == (923, 100, 0)
    assert np.bincount(data.y_test).tolist() == [53, 27, 14, 6]
    assert len(data.y) == 923 and 923 % 71 == 0  # the batches drop none


def test_all_held_out_numbers_are_correct(pretrained):
    """1 to 100, which are not in the training set."""
    for n in range(1, 101):
        answer = fizzbuzz.infer(pretrained, n)
        assert answer == word(n)
        probabilities = answer.details["probabilities"]
        assert set(probabilities) == {str(n), "fizz", "buzz", "fizzbuzz"}
        assert answer.confidence == max(probabilities.values()) > 0.5
        assert sum(probabilities.values()) == pytest.approx(1, abs=1e-6)


def test_all_training_numbers_are_correct(pretrained):
    """101 to 1023."""
    data = fizzbuzz.load_data()
    assert (pretrained(data.x).numpy().argmax(axis=1) == data.y).all()


def test_without_a_hidden_layer_the_number_itself_is_predicted():
    """Which is correct 53 times of 100."""
    data, model = fizzbuzz.load_data(), fizzbuzz.build_model(hidden=())
    fizzbuzz.train(model, data, epochs=30)
    y_hat = model(data.x_test).numpy().argmax(axis=1)
    assert np.mean(y_hat == data.y_test) == pytest.approx(0.53, abs=0.02)


def test_training_is_seeded():
    """The same seed gives the same losses; another one other initial weights."""
    data = fizzbuzz.load_data()
    first, second, other = (fizzbuzz.build_model((16,), seed) for seed in (7, 7, 8))
    assert not np.array_equal(first.get_weights()[0], other.get_weights()[0])
    losses = fizzbuzz.train(first, data, epochs=3, seed=1)
    assert fizzbuzz.train(second, data, epochs=3, seed=1) == losses
    assert losses[-1] < losses[0]


def test_build_model_has_the_hidden_layers_of_its_argument():
    """Ten inputs, four outputs."""
    model = fizzbuzz.build_model(hidden=(5, 7))
    assert model.count_params() == 10 * 5 + 5 + 5 * 7 + 7 + 7 * 4 + 4
    assert fizzbuzz.build_model().count_params() == weights.record("fizzbuzz").params


@pytest.mark.parametrize("same", [15, "15", " 15 ", np.int64(15)])
def test_a_number_may_be_a_text(pretrained, same):
    """As on the command line."""
    assert fizzbuzz.infer(pretrained, same) == "fizzbuzz"


@pytest.mark.parametrize("wrong", [0, -3, 1024, "fifteen", "", 2.5, None])
def test_other_inputs_raise_an_error(pretrained, wrong):
    """The message names the range."""
    with pytest.raises(InputError, match="from 1 to 1023"):
        fizzbuzz.infer(pretrained, wrong)


def test_the_picture_shows_the_digits_highest_first(pretrained):
    """45 is 0000101101."""
    figure = fizzbuzz.picture("45", fizzbuzz.infer(pretrained, "45"))
    photo, bars = figure.axes
    assert photo.get_title().startswith("fizzbuzz")
    row = np.asarray(photo.images[0].get_array())[16, :, 0]
    digits = row.reshape(10, -1)[:, 8] > row.max() / 2
    assert digits.astype(int).tolist() == [0, 0, 0, 0, 1, 0, 1, 1, 0, 1]
    assert [t.get_text() for t in bars.get_yticklabels()][0] == "45"


def test_the_example_is_held_out_and_correct(pretrained):
    """It is one of the test numbers."""
    _, number = fizzbuzz.example()
    assert 1 <= int(number) <= 100
    assert fizzbuzz.infer(pretrained, number) == word(int(number))


@pytest.mark.large
def test_evaluate_compares_with_smaller_networks(pretrained):
    """The pretrained one is always correct; smaller ones, trained here, are not."""
    rows = fizzbuzz.evaluate(pretrained)
    assert [row.ours for row in rows if row.at_least is not None] == [1, 1]
    assert all(row.ours < 1 for row in rows if row.at_least is None)


def test_a_batch_larger_than_the_data_raises_an_error():
    """The message states both sizes."""
    with pytest.raises(InputError, match="batch_size=1000 does not fit 923 examples"):
        fizzbuzz.train(fizzbuzz.build_model(), fizzbuzz.load_data(), batch_size=1000)
