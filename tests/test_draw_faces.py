"""Synthetic faces: permanent features of a person, varying images."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dls_keras.core.errors import InputError
from dls_keras.datasets.draw.faces import face


@settings(max_examples=25, deadline=None)
@given(
    st.integers(0, 2**63),
    st.integers(16, 48),
    st.none() | st.floats(-1, 1),
    st.integers(0, 2**63),
)
def test_the_arguments_determine_the_image(identity, size, smile, seed):
    """It is not blank, and the same arguments give the same one again."""
    image = face(identity, size=size, smile=smile, seed=seed)
    assert image.shape == (size, size, 3) and image.dtype == np.uint8
    assert image.std() > 5
    again = face(identity, size=size, smile=smile, seed=seed)
    np.testing.assert_array_equal(image, again)


def test_forty_people_can_be_told_apart():
    """At least 30 % of images are nearest to the mean of six others of that person.

    In pixels, where guessing reaches 2.5 %. A network that compares features reaches
    more.
    """

    def pixels(identity, seed):
        image = face(identity, size=32, smile=0, seed=seed)[6:26, 8:24].astype(float)
        return (image - image.mean()) / image.std()

    means = [np.mean([pixels(i, s) for s in range(6)], axis=0) for i in range(40)]
    correct = [
        np.square(means - pixels(i, s)).sum(axis=(1, 2, 3)).argmin() == i
        for i in range(40)
        for s in (6, 7)
    ]
    assert np.mean(correct) > 0.3


def test_a_smile_changes_only_the_face():
    """Pose, clothes and background depend on the seed, not on the expression."""
    for identity in range(6):
        scowl, laugh = (face(identity, smile=s, seed=3).astype(int) for s in (-1, 1))
        changed = np.abs(scowl - laugh).max(axis=2) > 0
        assert 0.01 < changed.mean() < 0.3
        assert not changed[:, [0, -1]].any() and not changed[[0, -1]].any()


def test_the_expression_is_sampled_unless_given():
    """The sampled one is not the neutral one."""
    sampled, neutral = face(5, seed=8), face(5, smile=0.0, seed=8)
    assert (sampled != neutral).any()


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"identity": -1}, "`identity` must be an integer of at least 0, received -1"),
        (
            {"identity": 1.5},
            "`identity` must be an integer of at least 0, received 1.5",
        ),
        ({"seed": -3}, "`seed` must be an integer of at least 0, received -3"),
        ({"size": 8}, "at least 16 pixels, received 8"),
        ({"smile": 1.5}, "received 1.5"),
        ({"smile": float("nan")}, "received nan"),
    ],
)
def test_invalid_arguments_are_refused(wrong, words):
    """The message names the argument and the value that was received."""
    with pytest.raises(InputError, match=words):
        face(**{"identity": 0, **wrong})
