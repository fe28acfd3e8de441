"""What the reference cases of the recurrent cells cannot say, and the word model."""

import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dls_keras.core.errors import InputError
from dls_keras.course5 import recurrent_steps as rs
from dls_keras.datasets import sentence_corpus

sizes = st.tuples(*(st.integers(1, 4) for _ in range(5)))  # n_x, n_a, n_y, m, T_x
seeds = st.integers(0, 2**32 - 1)
GATES = {"rnn": (), "lstm": "fico", "gru": "urc"}


def problem(kind, size, seed):
    """Random x, a0 and parameters of a cell, in float64."""
    n_x, n_a, n_y, m, T_x = size
    rng = np.random.default_rng(seed)
    x, a0 = rng.normal(size=(n_x, m, T_x)), rng.normal(size=(n_a, m))
    shapes = {"by": (n_y, 1)}
    if kind == "rnn":
        shapes |= {"Wax": (n_a, n_x), "Waa": (n_a, n_a), "ba": (n_a, 1)}
        shapes |= {"Wya": (n_y, n_a)}
    else:
        shapes |= {f"W{gate}": (n_a, n_a + n_x) for gate in GATES[kind]}
        shapes |= {f"b{gate}": (n_a, 1) for gate in GATES[kind]} | {"Wy": (n_y, n_a)}
    return x, a0, {name: rng.normal(size=shape) for name, shape in shapes.items()}


FORWARD = {"rnn": rs.rnn_forward, "lstm": rs.lstm_forward, "gru": rs.gru_forward}
BACKWARD = {"rnn": rs.rnn_backward, "lstm": rs.lstm_backward}


@pytest.fixture(scope="module")
def writer():
    return rs.load_pretrained()


# The cells.


@pytest.mark.parametrize("kind", FORWARD)
@given(sizes, seeds)
@settings(max_examples=15)
def test_shapes_follow_the_sizes_and_outputs_sum_to_one(kind, size, seed):
    """For any sizes, down to one feature, one unit, one step."""
    n_x, n_a, n_y, m, T_x = size
    a, y, *_ = FORWARD[kind](*problem(kind, size, seed))
    assert a.shape == (n_a, m, T_x) and y.shape == (n_y, m, T_x)
    np.testing.assert_allclose(y.sum(axis=0), 1, rtol=1e-12)


@pytest.mark.parametrize("kind", BACKWARD)
@given(sizes, seeds)
@settings(max_examples=10)
def test_the_gradients_are_the_slopes_of_the_loss(kind, size, seed):
    """Central differences of sum(da * a) agree for x, a0 and every parameter."""
    x, a0, parameters = problem(kind, size, seed)
    da = np.random.default_rng(seed + 1).normal(size=(*a0.shape, x.shape[2]))
    *_, caches = FORWARD[kind](x, a0, parameters)
    gradients = BACKWARD[kind](da, caches)
    places = {"dx": x, "da0": a0}
    places |= {f"d{name}": array for name, array in parameters.items()}
    assert set(gradients) == set(places) - {"dWya", "dWy", "dby"}
    for name, gradient in gradients.items():
        assert gradient.shape == places[name].shape
        numerical = np.empty_like(gradient)
        for i in np.ndindex(gradient.shape):
            kept, h = places[name][i], 1e-5
            losses = []
            for places[name][i] in (kept + h, kept - h):
                losses.append(np.sum(da * FORWARD[kind](x, a0, parameters)[0]))
            places[name][i] = kept
            numerical[i] = (losses[0] - losses[1]) / (2 * h)
        # h^2 of third derivatives, and 1e-16 / h of rounding: both near 1e-9.
        np.testing.assert_allclose(gradient, numerical, rtol=1e-6, atol=1e-7)


@pytest.mark.parametrize("kind", BACKWARD)
def test_a_gradient_for_the_first_steps_is_one_that_is_zero_behind(kind):
    """The course hands over a da of 4 steps for 7."""
    x, a0, parameters = problem(kind, (3, 5, 2, 4, 7), 0)
    *_, caches = FORWARD[kind](x, a0, parameters)
    da = np.random.default_rng(1).normal(size=(5, 4, 7))
    da[:, :, 4:] = 0
    short, long = (BACKWARD[kind](d, caches) for d in (da[:, :, :4], da))
    assert short.pop("dx").shape == (3, 4, 4)
    assert np.all(long.pop("dx")[:, :, 4:] == 0)
    for name in long:
        np.testing.assert_allclose(short[name], long[name], rtol=1e-12)


def keras_weights(kind, parameters, n_a):
    """The cell's parameters as the arrays of Keras's layer.

    Keras has the kernel of the input and that of the state apart, gate after gate;
    its GRU keeps the state where its gate z is open, so z = 1 - u.
    """
    p = parameters
    if kind == "rnn":
        return [p["Wax"].T, p["Waa"].T, p["ba"][:, 0]]
    order = {"lstm": "ifco", "gru": "urc"}[kind]
    signs = [-1 if gate == "u" else 1 for gate in order]
    W = [s * p[f"W{gate}"].T for s, gate in zip(signs, order, strict=True)]
    b = [s * p[f"b{gate}"][:, 0] for s, gate in zip(signs, order, strict=True)]
    return [
        np.hstack([w[n_a:] for w in W]),
        np.hstack([w[:n_a] for w in W]),
        np.hstack(b),
    ]


def keras_layer(kind, n_a, **options):
    from keras import layers

    options |= {"return_sequences": True, "dtype": "float64"}
    if kind == "rnn":
        return layers.SimpleRNN(n_a, **options)
    if kind == "lstm":
        return layers.LSTM(n_a, **options)
    return layers.GRU(n_a, reset_after=False, **options)


def steps_last(z):
    """(m, T, n) of Keras as (n, m, T) of the course."""
    return np.transpose(np.asarray(z), (2, 0, 1))


@pytest.mark.parametrize("kind", FORWARD)
def test_a_cell_is_keras_s_layer(kind):
    """States, and where there is a way back every gradient, with copied weights."""
    import tensorflow as tf

    x, a0, parameters = problem(kind, (3, 5, 2, 4, 6), 2)
    layer = keras_layer(kind, 5)
    inputs = tf.constant(np.transpose(x, (1, 2, 0)))
    first = tf.constant(a0.T)
    state = [first, tf.zeros_like(first)] if kind == "lstm" else first
    layer(inputs, initial_state=state)
    layer.set_weights(keras_weights(kind, parameters, 5))
    da = np.random.default_rng(3).normal(size=(5, 4, 6))
    variables = [v.value for v in layer.trainable_variables]
    with tf.GradientTape() as tape:
        tape.watch([inputs, first])
        states = layer(inputs, initial_state=state)
        loss = tf.reduce_sum(states * np.transpose(da, (1, 2, 0)))
    expected = tape.gradient(loss, [inputs, first, *variables])
    a, *_, caches = FORWARD[kind](x, a0, parameters)
    np.testing.assert_allclose(a, steps_last(states), rtol=1e-10)
    if kind in BACKWARD:
        gradients = BACKWARD[kind](da, caches)
        ours = [np.transpose(gradients["dx"], (1, 2, 0)), gradients["da0"].T]
        named = {name: gradients.get(f"d{name}") for name in parameters}
        ours += keras_weights(kind, named, 5)
        for one, other in zip(ours, expected, strict=True):
            np.testing.assert_allclose(one, other, rtol=1e-9, atol=1e-12)


def test_both_directions_are_keras_s_bidirectional():
    """The states ahead and back stand on each other, at the same step."""
    from keras import layers

    x, a0, ahead = problem("rnn", (3, 5, 2, 4, 6), 4)
    back = problem("rnn", (3, 5, 2, 4, 6), 5)[2]
    wrapped = layers.Bidirectional(keras_layer("rnn", 5), dtype="float64")
    inputs = np.transpose(x, (1, 2, 0))
    wrapped(inputs)
    wrapped.set_weights(keras_weights("rnn", ahead, 5) + keras_weights("rnn", back, 5))
    Wya = np.random.default_rng(6).normal(size=(2, 10))
    parameters = {"ahead": ahead, "back": back, "Wya": Wya, "by": ahead["by"]}
    zeros = np.zeros_like(a0)
    a, y = rs.bidirectional_rnn_forward(x, (zeros, zeros), parameters)
    np.testing.assert_allclose(a, steps_last(wrapped(inputs)), rtol=1e-10)
    expected = rs.softmax(Wya @ a[:, :, 3] + ahead["by"])
    np.testing.assert_allclose(y[:, :, 3], expected, rtol=1e-12)


def test_layers_on_each_other_are_keras_s_stacked_layers():
    """The states of one layer are the input of the next."""
    x, a0, low = problem("rnn", (3, 5, 2, 4, 6), 7)
    high = problem("rnn", (5, 5, 2, 4, 6), 8)[2]
    stack = [keras_layer("rnn", 5), keras_layer("rnn", 5)]
    z = np.transpose(x, (1, 2, 0))
    expected = []
    for layer, parameters in zip(stack, (low, high), strict=True):
        layer(z)
        layer.set_weights(keras_weights("rnn", parameters, 5))
        z = np.asarray(layer(z))
        expected.append(steps_last(z))
    zeros = np.zeros_like(a0)
    parameters = {"layers": [low, high], "Wya": high["Wya"], "by": high["by"]}
    a, y = rs.deep_rnn_forward(x, [zeros, zeros], parameters)
    np.testing.assert_allclose(a, expected, rtol=1e-10)
    assert y.shape == (2, 4, 6)


def test_an_lstm_that_forgets_nothing_remembers_its_first_step():
    """With f = 1 and i = 0 behind it, the memory of step one stays to the end."""
    x, a0, parameters = problem("lstm", (1, 1, 1, 1, 50), 0)
    for gate, bias in (("f", 1e4), ("i", 0.0)):
        parameters[f"W{gate}"] = np.array([[0.0, 1e4 if gate == "i" else 0.0]])
        parameters[f"b{gate}"] = np.array([[bias]])
    x[...] = -1.0
    x[0, 0, 0] = 1.0  # the input gate opens here alone
    _, _, c, _ = rs.lstm_forward(x, a0, parameters)
    assert abs(c[0, 0, 0]) > 0.01
    assert np.all(c == c[0, 0, 0])


def test_the_cells_need_no_tensorflow():
    """Importing the module and running an LSTM leaves it out."""
    program = (
        "import sys, numpy as np\n"
        "from dls_keras.course5 import recurrent_steps as rs\n"
        "x, one = np.ones((1, 1, 2)), np.ones((1, 1))\n"
        "p = {f'W{g}': np.ones((1, 2)) for g in 'fico'} | {'Wy': one, 'by': one}\n"
        "*_, caches = rs.lstm_forward(x, one, p | {f'b{g}': one for g in 'fico'})\n"
        "rs.lstm_backward(x, caches)\n"
        "sys.exit('tensorflow' in sys.modules or 'keras' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", program]).returncode == 0


# Drawing.


@pytest.mark.parametrize("temperature", [0.5, 1.0, 3.0])
def test_draws_fall_in_proportion_to_p_to_the_one_over_temperature(temperature):
    """60,000 draws from four numbers, one of them impossible."""
    p = np.array([[0.1], [0.6], [0.0], [0.3]])
    drawn = rs.draw(np.repeat(p, 60_000, 1), temperature, np.random.default_rng(0))
    expected = p[:, 0] ** (1 / temperature)
    shares = np.bincount(drawn, minlength=4) / 60_000
    assert shares[2] == 0
    # Four standard deviations of a share, 0.002 at most each.
    np.testing.assert_allclose(shares, expected / expected.sum(), atol=0.0085)


def test_a_cold_draw_takes_the_likeliest():
    """However cold: nothing overflows."""
    p = rs.softmax(np.random.default_rng(1).normal(size=(9, 100)))
    for temperature in (1e-3, 1e-300, 5e-324):
        drawn = rs.draw(p, temperature, np.random.default_rng(2))
        np.testing.assert_array_equal(drawn, p.argmax(axis=0))


@pytest.mark.parametrize("temperature", [0, -1.0, np.nan, np.inf])
def test_a_temperature_that_is_none_is_told(temperature):
    """A sentence that says what to try."""
    with pytest.raises(InputError, match="above 0"):
        rs.draw(np.ones((2, 1)), temperature, np.random.default_rng(0))


# The language model.


def test_the_words_to_come_are_guessed_better_than_by_counting(writer):
    """On sentences that were never read, by more than half."""
    (_, counted, _), (_, ours, goal), (_, learnt, _) = rs.evaluate(writer)
    assert goal == counted
    assert learnt < ours < 0.5 * counted


def test_perplexity_counts_the_words_among_which_it_hesitates(writer):
    """A model whose logits are all equal hesitates among all words."""
    model = rs.build_model()
    dense = model.model.layers[-1]
    dense.set_weights([np.zeros_like(w) for w in dense.get_weights()])
    data = rs.load_data(held_out=True)
    assert rs.perplexity(model, data) == pytest.approx(len(model.words), rel=1e-5)


def test_held_out_sentences_are_not_learnt():
    """Together they are all; the vocabulary is that of the sentences learnt."""
    data, unseen = rs.load_data(), rs.load_data(held_out=True)
    assert data.words == unseen.words
    total = len(sentence_corpus.sentences(sentence_corpus.OURS))
    assert (len(data.x), len(unseen.x)) == (total - total // 8, total // 8)


def test_sentences_begin_as_asked_and_end(writer):
    """In capitals or not; the same seed writes the same sentences."""
    answer = rs.infer(writer, "THE keeper", count=4)
    assert answer == rs.infer(writer, "the keeper.", count=4)
    assert answer != rs.infer(writer, "the keeper", count=4, seed=1)
    assert len(answer.details["sentences"]) == 4
    for words, p in zip(*answer.details.values(), strict=True):
        assert words[:2] == ["the", "keeper"] and words.index(".") == len(words) - 1
        assert p.shape == (len(words),) and np.all((p > 0) & (p < 1))
    assert answer.startswith("The keeper ") and answer.endswith(".")
    assert 0 < answer.confidence < 1


def test_the_probabilities_are_those_of_the_sentence_when_it_is_read(writer):
    """Reading a written sentence gives the same loss, to float32."""
    (words,), (p,) = rs.write(writer, "", temperature=1.0, seed=3)
    read = sentence_corpus.encode([words[:-1]], writer.words)
    assert rs.perplexity(writer, read) == pytest.approx(
        np.exp(-np.log(p).mean()), rel=1e-4
    )


def test_unknown_is_never_written(writer):
    """However warm the draw."""
    sentences, _ = rs.write(writer, count=200, temperature=50.0)
    assert not any(
        sentence_corpus.MARKS[sentence_corpus.UNKNOWN] in words for words in sentences
    )
    assert max(map(len, sentences)) == sentence_corpus.LONGEST


@pytest.mark.parametrize(
    ("start", "options", "words"),
    [
        ("the pirate", {}, "'pirate'.*the"),
        ("the " * 30, {}, "30 words"),
        (None, {}, "NoneType"),
        ("the", {"count": 0}, "0 sentences"),
        ("the", {"temperature": 0}, "temperature"),
    ],
)
def test_what_is_no_beginning_is_told(writer, start, options, words):
    """One clear sentence."""
    with pytest.raises(InputError, match=words):
        rs.infer(writer, start, **options)


def test_any_text_can_be_learnt(tmp_path):
    """A file of one's own, with its own words; the loss falls."""
    path = tmp_path / "text.txt"
    path.write_text("Ein Hund läuft. Der Hund schläft! Ein Vogel singt, oder?\n" * 8)
    data = rs.load_data(path)
    assert "läuft" in data.words and "the" not in data.words
    model = rs.build_model(data.words, n_e=8, n_a=8)
    losses = rs.train(model, data, epochs=6, batch_size=7, learning_rate=0.05)
    assert losses[-1] < losses[0] < 1.2 * np.log(len(data.words))
    assert rs.infer(model, "ein", count=1).startswith("Ein ")


def test_a_text_of_few_sentences_holds_none_out(tmp_path):
    """The sentence says how many are needed."""
    path = tmp_path / "text.txt"
    path.write_text("One sentence. Another one.")
    with pytest.raises(InputError, match="2 sentences.*8 or more"):
        rs.load_data(path, held_out=True)


def test_the_picture_shows_every_word(writer):
    """One cell a word."""
    figure = rs.picture(writer, "the sea")
    sentences = rs.infer(writer, "the sea").details["sentences"]
    shown = [text.get_text() for text in figure.axes[0].texts]
    assert shown == [word for words in sentences for word in words]
