"""FizzBuzz without a division, by those who divide."""

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


def spoken(n):
    """What a player says at n."""
    return "fizz" * (n % 3 == 0) + "buzz" * (n % 5 == 0) or str(n)


@given(st.lists(st.integers(0, fizzbuzz.LAST), min_size=1))
def test_binary_digits_add_up_to_their_numbers(numbers):
    """Each is -1 or 1, and the i-th counts 2^i."""
    x = fizzbuzz.binary_digits(numbers)
    assert x.shape == (len(numbers), 10) and x.dtype == "float32"
    assert set(np.unique(x)) <= {-1, 1}
    assert ((x + 1) / 2 @ 2 ** np.arange(10)).tolist() == numbers


def test_the_words_are_those_of_the_game():
    """Up to 1023, told in the words of the game itself."""
    n = range(1, fizzbuzz.LAST + 1)
    words = [fizzbuzz.WORDS[k] for k in fizzbuzz.fizzbuzz(n)]
    assert words == [spoken(k).replace(str(k), "the number") for k in n]


def test_no_number_is_learnt_from_and_tested_on():
    """The 923 from 101 on to learn from, the first hundred to test on."""
    data = fizzbuzz.load_data()
    learnt, tested = ({*map(tuple, x)} for x in (data.x, data.x_test))
    assert (len(learnt), len(tested), len(learnt & tested)) == (923, 100, 0)
    assert np.bincount(data.y_test).tolist() == [53, 27, 14, 6]
    assert len(data.y) == 923 and 923 % 71 == 0  # the batches leave none over


def test_the_network_counts_to_100_without_a_mistake(pretrained):
    """The contract: 1 to 100, none of which it has ever seen."""
    for n in range(1, 101):
        answer = fizzbuzz.infer(pretrained, n)
        assert answer == spoken(n)
        # Each from 0 to 1, in float32.
        probabilities = answer.details["probabilities"]
        assert set(probabilities) == {str(n), "fizz", "buzz", "fizzbuzz"}
        assert answer.confidence == max(probabilities.values()) > 0.5
        assert sum(probabilities.values()) == pytest.approx(1, abs=1e-6)


def test_the_network_counts_on_to_1023(pretrained):
    """What it was trained on, it knows."""
    data = fizzbuzz.load_data()
    assert (pretrained(data.x).numpy().argmax(axis=1) == data.y).all()


def test_one_line_cannot_fizz():
    """Without a hidden layer the best guess is the number itself, 53 times of 100."""
    data, model = fizzbuzz.load_data(), fizzbuzz.build_model(hidden=())
    fizzbuzz.train(model, data, epochs=30)
    y_hat = model(data.x_test).numpy().argmax(axis=1)
    assert np.mean(y_hat == data.y_test) == pytest.approx(0.53, abs=0.02)


def test_training_is_seeded():
    """The same seed gives the same losses; another one gives another start."""
    data = fizzbuzz.load_data()
    first, second, other = (fizzbuzz.build_model((16,), seed) for seed in (7, 7, 8))
    assert not np.array_equal(first.get_weights()[0], other.get_weights()[0])
    losses = fizzbuzz.train(first, data, epochs=3, seed=1)
    assert fizzbuzz.train(second, data, epochs=3, seed=1) == losses
    assert losses[-1] < losses[0]


def test_an_untrained_model_has_the_layers_asked_for():
    """Ten digits in, four words out."""
    model = fizzbuzz.build_model(hidden=(5, 7))
    assert model.count_params() == 10 * 5 + 5 + 5 * 7 + 7 + 7 * 4 + 4
    assert fizzbuzz.build_model().count_params() == weights.record("fizzbuzz").params


@pytest.mark.parametrize("same", [15, "15", " 15 ", np.int64(15)])
def test_a_number_may_come_as_text(pretrained, same):
    """As the command line hands it over."""
    assert fizzbuzz.infer(pretrained, same) == "fizzbuzz"


@pytest.mark.parametrize("wrong", [0, -3, 1024, "fifteen", "", 2.5, None])
def test_what_has_no_ten_digits_gets_one_sentence(pretrained, wrong):
    """It names the range and what came."""
    with pytest.raises(InputError, match="from 1 to 1023"):
        fizzbuzz.infer(pretrained, wrong)


def test_the_picture_shows_the_digits_highest_first(pretrained):
    """45 is 0000101101."""
    figure = fizzbuzz.picture(pretrained, "45")
    photo, bars = figure.axes
    assert photo.get_title().startswith("fizzbuzz")
    row = np.asarray(photo.images[0].get_array())[16, :, 0]
    digits = row.reshape(10, -1)[:, 8] > row.max() / 2
    assert digits.astype(int).tolist() == [0, 0, 0, 0, 1, 0, 1, 1, 0, 1]
    assert [t.get_text() for t in bars.get_yticklabels()][0] == "45"


def test_the_tour_s_number_was_never_trained_on(pretrained):
    """And the answer is right."""
    _, given = fizzbuzz.example()
    assert 1 <= int(given) <= 100
    assert fizzbuzz.infer(pretrained, given) == spoken(int(given))


@pytest.mark.large
def test_evaluate_shows_what_the_hidden_layer_is_for(pretrained):
    """All right with it; smaller networks, trained here, are not."""
    shown = fizzbuzz.evaluate(pretrained)
    assert [ours for _, ours, goal in shown if goal is not None] == [1, 1]
    assert all(ours < 1 for _, ours, goal in shown if goal is None)
