"""Solos become tokens, tokens become notes, and notes become playable."""

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dls_keras.music import grammar, harmony, metrics, tunes
from dls_keras.music.grammar import Token
from dls_keras.music.tunes import HIGH, LOW, Chord, Note, Tune

C7 = (36, 52, 55, 58)  # C E G B-
OVER_C7 = [Chord(0.0, 4.0, C7)]
NOTES = st.lists(
    st.builds(Note, st.floats(0, 16), st.floats(0.1, 4), st.integers(LOW, HIGH)),
    max_size=30,
)


def over_c7(*notes, length=8.0):
    """A tune of these (offset, length, pitch) over two measures of C7."""
    chords = Chord(0.0, 4.0, C7), Chord(4.0, 4.0, C7)
    return Tune(tuple(Note(*note) for note in notes), chords, length)


# From notes to tokens.


def test_tokens_of_a_tune_written_by_hand():
    """A chord tone, a tone of the scale (F major), an approach tone to E; intervals."""
    tune = over_c7((0, 1, 60), (1, 0.5, 62), (2, 1 / 3, 63), (5, 1, 67))
    assert grammar.from_tune(tune) == [
        "C,1.000 S,0.500,<P4,m-2> A,0.333,<d4,M-2>",
        "C,1.000",
    ]
    assert grammar.from_tune(tune, rests=True) == [
        "C,1.000 S,0.500,<P4,m-2> R,0.500 A,0.333,<d4,M-2> R,2.667",
        "C,1.000 R,2.000",
    ]


def test_overlapping_notes_leave_no_rest():
    """There is no rest while an earlier note still sounds."""
    tune = over_c7((0, 4, 60), (1, 0.5, 64), (4.5, 3.5, 64))
    rests = [token for token in grammar.tokens([tune]) if token[0] == "R"]
    assert rests == ["R,0.500"]


@settings(max_examples=25)
@given(st.integers(0, 49), st.integers(0, 10_000))
def test_tokens_determine_onsets_lengths_and_kinds(composed, seed):
    """The pitches are sampled: within the range, and of the token's kind."""
    tune = tunes.make_tune(composed)
    tokens = [grammar.parse(token) for token in grammar.tokens([tune])]
    placed = list(grammar.add_offsets(tokens))
    sounding = [(offset, token) for offset, token in placed if token.kind != "R"]
    for (offset, token), note in zip(sounding, tune.notes, strict=True):
        assert float(offset) == pytest.approx(note.offset, abs=1e-9)
        assert float(token.length) == pytest.approx(note.length, abs=1e-9)
    rng = np.random.default_rng(seed)
    notes = grammar.add_pitches(placed, tune.chords, rng=rng)
    for note, (_, token) in zip(notes, sounding, strict=True):
        tones = tunes.chord_under(tune.chords, note.offset).pitches
        assert LOW <= note.pitch <= HIGH
        assert harmony.kind(note.pitch, tones) in (token.kind, "C")


# From tokens to notes.


@pytest.mark.parametrize(
    ("token", "expected"),
    [
        ("R,0.083", Token("R", Fraction(1, 12), None)),
        ("C,0.667,<m2,P-4>", Token("C", Fraction(2, 3), (-5, 1))),
        ("A,0.250,<M-2,m-6>", Token("A", Fraction(1, 4), (-8, -2))),
        ("X,1.500,<dd5,d1>", Token("X", Fraction(3, 2), (-1, 5))),
    ],
)
def test_tokens_are_parsed(token, expected):
    """Thirds and twelfths exactly; intervals as semitones, the lower one first."""
    assert grammar.parse(token) == expected


def test_unparsed_notes_follow_each_other():
    """A rest only takes time; an interval of one pitch leaves no choice."""
    notes = grammar.unparse_grammar(
        "R,0.500 C,0.333,<P5,P5> C,1.000,<P-8,P-8>", OVER_C7, before=72
    )
    assert notes == [
        Note(0.5, pytest.approx(1 / 3), 79),
        Note(pytest.approx(5 / 6), 1.0, 67),
    ]


def test_pitches_in_the_middle_of_the_interval_are_more_probable():
    """Of the tones of C7 in [60, 66], 60 and 64, the one nearer to 63."""
    rng = np.random.default_rng(0)
    pitches = [
        grammar.unparse_grammar("C,1.000,<d5,P1>", OVER_C7, before=60, rng=rng)[0].pitch
        for _ in range(400)
    ]
    # Their probabilities are as 1/8 to 1/2; the standard deviation is 0.02.
    assert set(pitches) == {60, 64}
    assert np.mean([p == 64 for p in pitches]) == pytest.approx(0.8, abs=0.08)


@pytest.mark.parametrize("before", [LOW, HIGH])
def test_a_leap_out_of_the_range_is_inverted(before):
    """Down from the lowest pitch becomes up, up from the highest becomes down."""
    token = "C,1.000,<m7,M6>" if before == HIGH else "C,1.000,<M-6,m-7>"
    (note,) = grammar.unparse_grammar(token, OVER_C7, before=before)
    assert abs(note.pitch - before) in range(7, 13) and LOW <= note.pitch <= HIGH


def test_prune_grammar_rounds_lengths_to_sixteenth_notes():
    """As the course does; kinds and intervals stay."""
    pruned = grammar.prune_grammar("C,0.333,<m2,P-4> R,0.083 S,1.875")
    assert pruned == "C,0.250,<m2,P-4> R,0.250 S,2.000"


@given(NOTES)
def test_pruned_and_cleaned_notes_can_be_played(notes):
    """Quantised, not too close, not overlapping, within the end; pitches stay."""
    cleaned = grammar.clean_up_notes(grammar.prune_notes(notes), 12)
    ends = [*(note.offset for note in cleaned[1:]), 12]
    for note, end in zip(cleaned, ends, strict=False):
        assert end - note.offset >= 0.25 - 1e-6
        assert note.offset + note.length <= end + 1e-6
        assert 0.1 <= note.length
        assert float(tunes.quantise(note.offset)) == note.offset
    assert {note.pitch for note in cleaned} <= {note.pitch for note in notes}
    assert bool(cleaned) == any(tunes.quantise(n.offset) <= 11.75 for n in notes)


def test_playable_notes_are_not_changed():
    """Those of composed tunes."""
    notes = list(tunes.make_tune(5).notes)
    assert grammar.clean_up_notes(grammar.prune_notes(notes), 64) == notes


# Metrics.


def test_in_harmony_counts_chord_and_scale_tones():
    """Of the four notes over C7 one is an approach tone."""
    tune = over_c7((0, 1, 60), (1, 0.5, 62), (2, 1 / 3, 63), (5, 1, 67))
    assert metrics.in_harmony([tune]) == 0.75


def test_copied_is_1_for_training_tunes_and_0_for_others():
    """Runs of as many tokens as a whole tune cannot be those of another tune."""
    training = tunes.make_tunes(range(3))
    assert metrics.copied(training[:1], training, 8) == 1
    assert metrics.copied(tunes.make_tunes([9]), training, 30) == 0


def test_the_bigram_baseline_predicts_the_most_frequent_successor():
    """It is right on its training tune if no token there has two successors."""
    tune = over_c7((0, 1, 60), (1, 0.5, 64), (1.5, 1.5, 67), (3, 0.75, 70), (4, 4, 60))
    tokens = grammar.tokens([tune])
    assert len(set(tokens)) == len(tokens)
    assert metrics.bigram_accuracy([tune], [tune]) == 1
    other = over_c7((0, 2, 60), (4, 4, 60))
    assert metrics.bigram_accuracy([tune], [other]) == 0
