"""Written dates mean the day beside them, whatever their form."""

import calendar
import datetime

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dls_keras.core.errors import InputError
from dls_keras.datasets import dates

FORMS = sorted(set(dates.COURSE_FORMS + dates.SPOKEN_FORMS))
# The fields of a form as strptime has them; ordinals lose their letters first.
CODES = {
    **{"d": "%d", "dd": "%d", "o": "%d", "M": "%m", "MM": "%m"},
    **{"mmm": "%b", "mmmm": "%B", "y": "%Y", "yy": "%y", "www": "%a", "wwww": "%A"},
}


def read_date(text, form):
    """The day that the standard library reads in `text`, and its weekday if any."""
    if "{o}" in form:
        for ending in ("st ", "nd ", "rd ", "th "):
            # Only behind a figure: "august" and "sunday" have these letters too.
            for figure in "0123456789":
                text = text.replace(figure + ending, figure + " ")
    date = datetime.datetime.strptime(text, form.format(**CODES)).date()
    # strptime has 69 as 1969, where our century begins in 1970.
    return date.replace(year=2069) if "{yy}" in form and date.year == 1969 else date


@given(st.dates(*dates.SPAN), st.sampled_from(FORMS))
def test_each_form_can_be_read_back(date, form):
    """By the standard library, which shares no code with us."""
    if "{yy}" in form and not dates.CENTURY[0] <= date <= dates.CENTURY[1]:
        date = date.replace(year=1970 + date.year % 100, day=min(date.day, 28))
    text = dates.write_date(date, form)
    assert read_date(text, form) == date
    assert text == text.lower()
    if "ww}" in form:
        assert text.startswith(calendar.day_abbr[date.weekday()].lower())


@given(
    st.integers(0, 2**32 - 1), st.integers(1, 40), st.booleans(), st.sampled_from(FORMS)
)
def test_each_pair_says_its_day(seed, m, held_out, form):
    """The ISO date is the one that the text means, on the side of its number."""
    pairs = dates.make_pairs(m, seed=seed, forms=(form,), held_out=held_out)
    assert len(pairs) == m
    for human, iso in pairs:
        day = datetime.date.fromisoformat(iso)
        assert read_date(human, form) == day
        assert (day.toordinal() % dates.HELD_OUT == 0) == held_out
        first, last = dates.CENTURY if "{yy}" in form else dates.SPAN
        assert first <= day <= last


def test_no_day_is_learnt_from_and_tested_on():
    """In no form; about one in eleven is for testing."""
    learnt, tested = (
        {iso for _, iso in dates.make_pairs(3000, held_out=held_out)}
        for held_out in (False, True)
    )
    assert len(learnt) > 2500 and len(tested) > 1500
    assert not learnt & tested
    days = range(*(day.toordinal() for day in dates.SPAN))
    share = np.mean([day % dates.HELD_OUT == 0 for day in days])
    assert round(1 / share) == 11


def test_pairs_can_be_drawn_again():
    """The same seed gives the same pairs, of which m only says how many."""
    pairs = dates.make_pairs(50, seed=4)
    assert pairs == dates.make_pairs(90, seed=4)[:50]
    assert pairs != dates.make_pairs(50, seed=5)
    assert dates.make_pairs(0) == []


def test_all_forms_are_drawn():
    """Each about equally often, counted by the pairs that two forms tell apart."""
    forms = ("{y}", "{y}.", "{y}", "{y}/")
    endings = [human[4:] for human, _ in dates.make_pairs(4000, forms=forms)]
    # 2000, 1000 and 1000 expected, standard deviation at most 32.
    assert abs(endings.count("") - 2000) < 150
    assert abs(endings.count(".") - 1000) < 150


def test_a_span_bounds_the_days():
    """First and last day may occur, and none beyond."""
    span = datetime.date(2001, 2, 20), datetime.date(2001, 3, 3)
    drawn = {iso for _, iso in dates.make_pairs(500, forms=("{d} {M} {y}",), span=span)}
    days = [span[0] + datetime.timedelta(i) for i in range(12)]
    expected = {d.isoformat() for d in days if d.toordinal() % dates.HELD_OUT}
    assert drawn == expected


@pytest.mark.parametrize(
    "date, form, text",
    [
        ((2009, 6, 25), "{wwww} {o} of {mmmm} {y}", "thursday 25th of june 2009"),
        ((2009, 4, 5), "{d} {mmmm} {yy}", "5 april 09"),
        ((1998, 5, 9), "{dd}.{MM}.{yy}", "09.05.98"),
        ((1998, 5, 9), "{M}/{d}/{y} {www} {mmm}", "5/9/1998 sat may"),
        ((2000, 2, 29), "{dd}.{MM}.{yy}", "29.02.00"),
    ],
)
def test_forms_by_hand(date, form, text):
    """Days whose weekday and form one can look up."""
    assert dates.write_date(datetime.date(*date), form) == text


def test_ordinals_of_all_days():
    """The three that end otherwise among the tens are th."""
    texts = [dates.write_date(datetime.date(2000, 1, d), "{o}") for d in range(1, 32)]
    assert (
        texts
        == (
            "1st 2nd 3rd 4th 5th 6th 7th 8th 9th 10th 11th 12th 13th 14th 15th 16th "
            "17th 18th 19th 20th 21st 22nd 23rd 24th 25th 26th 27th 28th 29th 30th 31st"
        ).split()
    )


def test_the_longest_date_fits_thirty_known_characters():
    """In every form, with the longest weekday and month and two figures a day."""
    date = datetime.date(1992, 9, 30)
    assert date.strftime("%A %B") == "Wednesday September"
    for form in FORMS:
        text = dates.write_date(date, form)
        assert len(text) <= 30 and dates.HUMAN_VOCAB["<unk>"] not in dates.indices(text)
    for month in range(1, 13):
        for day in range(1, 8):
            text = dates.write_date(datetime.date(2000, month, day), "{wwww} {mmmm}")
            assert dates.HUMAN_VOCAB["<unk>"] not in dates.indices(text)


def test_the_vocabularies_are_the_courses():
    """37 and 11 entries in the course's order, which its weights rely on."""
    assert len(dates.HUMAN_VOCAB) == 37 and len(dates.MACHINE_VOCAB) == 11
    known = {" ": 0, ".": 1, "/": 2, "0": 3, "a": 13, "l": 23, "m": 24, "y": 34}
    assert known | {"<unk>": 35, "<pad>": 36} == {
        c: i for c, i in dates.HUMAN_VOCAB.items() if c in known or i > 34
    }
    assert dates.MACHINE_VOCAB == {c: i for i, c in enumerate("-0123456789")}


@given(st.text(max_size=60), st.integers(1, 40))
def test_any_text_gives_indices_or_a_sentence(text, tx):
    """tx numbers in [0, 37), or one of two reasons."""
    try:
        ids = dates.indices(text, tx)
    except InputError as error:
        assert any(words in str(error) for words in ("is empty", f"most {tx} char"))
        return
    assert len(ids) == tx and all(0 <= i < 37 for i in ids)
    unpadded = [i for i in ids if i != dates.HUMAN_VOCAB["<pad>"]]
    assert ids[: len(unpadded)] == unpadded  # the padding stands at the end


@pytest.mark.parametrize(
    "sentence", ["25th of June, 2009", "  25TH  of june,2009\n", "25th\tof June 2009"]
)
def test_case_commas_and_blanks_do_not_matter(sentence):
    """All of these are the same indices."""
    letters = [*dates.HUMAN_VOCAB]
    text = "".join(letters[i] for i in dates.indices(sentence, 20))
    assert text == "25th of june 2009" + 3 * "<pad>"


def test_unknown_characters_have_their_mark():
    """Letters of no date, and other alphabets."""
    assert dates.indices("xé日5", 5) == [35, 35, 35, 8, 36]


@pytest.mark.parametrize(
    "sentence, words",
    [
        ("", "The sentence is empty"),
        (" , ,", "The sentence is empty"),
        ("5" * 31, "at most 30 characters; received 31: '555"),
        (5, "received int"),
        (None, "received NoneType"),
        (b"5 April 09", "received bytes"),
    ],
)
def test_what_is_no_date_is_told(sentence, words):
    """Each with the text to write instead."""
    with pytest.raises(InputError, match=words):
        dates.indices(sentence)


def test_dates_are_one_hot():
    """x is the text and y the ISO date, character by character, float32."""
    x, y, pairs = dates.make_dates(20, tx=40, seed=3, held_out=True)
    assert x.shape == (20, 40, 37) and y.shape == (20, 10, 11)
    for array in (x, y):
        assert array.dtype == np.float32 and set(np.unique(array)) == {0, 1}
        assert (array.sum(axis=-1) == 1).all()
    assert pairs == dates.make_pairs(20, seed=3, held_out=True)
    for i, (human, iso) in enumerate(pairs):
        assert x[i].argmax(-1).tolist() == dates.indices(human, 40)
        assert dates.decode(y[i].argmax(-1)) == iso


def test_one_hot_keeps_the_shape_of_its_indices():
    """A row of length n behind each."""
    rows = dates.one_hot([[0, 2], [1, 1]], 3)
    assert rows.dtype == np.float32
    assert rows.tolist() == [[[1, 0, 0], [0, 0, 1]], [[0, 1, 0], [0, 1, 0]]]
