"""Each written date means the ISO date of its pair, whatever its form."""

import calendar
import datetime
import re

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dls_keras.core.errors import InputError
from dls_keras.datasets import dates

FORMS = sorted(set(dates.COURSE_FORMS + dates.ADDED_FORMS))
# The fields of a form as codes of strptime; the letters of ordinals are removed first.
CODES = {
    "d": "%d",
    "dd": "%d",
    "o": "%d",
    "M": "%m",
    "MM": "%m",
    "mmm": "%b",
    "mmm4": "%b",
    "mmmm": "%B",
    "y": "%Y",
    "yy": "%y",
    "www": "%a",
    "wwww": "%A",
}


def read_date(text, form):
    """The day that the standard library reads from `text`."""
    if "{o}" in form:
        # Only after a digit: "august" and "sunday" have these letters, too.
        text = re.sub("(?<=[0-9])(st|nd|rd|th)", "", text)
    text = re.sub("sept(?!e)", "sep", text)
    date = datetime.datetime.strptime(text, form.format(**CODES)).date()
    # strptime reads 69 as 1969; `dates.CENTURY` begins in 1970.
    return date.replace(year=2069) if "{yy}" in form and date.year == 1969 else date


@given(st.dates(*dates.SPAN), st.sampled_from(FORMS))
def test_each_form_can_be_read_back(date, form):
    """By the standard library, an independent implementation."""
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
def test_the_texts_of_a_pair_mean_the_same_day(seed, m, held_out, form):
    """And the day is held out or not, as requested."""
    pairs = dates.make_pairs(m, seed=seed, forms=(form,), held_out=held_out)
    assert len(pairs) == m
    for human, iso in pairs:
        day = datetime.date.fromisoformat(iso)
        assert read_date(human, form) == day
        assert (day.toordinal() % dates.HELD_OUT == 0) == held_out
        first, last = dates.CENTURY if "{yy}" in form else dates.SPAN
        assert first <= day <= last


def test_training_days_and_held_out_days_are_disjoint():
    """About one day in eleven is held out."""
    training, held_out_days = (
        {iso for _, iso in dates.make_pairs(3000, held_out=held_out)}
        for held_out in (False, True)
    )
    assert len(training) > 2500 and len(held_out_days) > 1500
    assert not training & held_out_days
    days = range(*(day.toordinal() for day in dates.SPAN))
    share = np.mean([day % dates.HELD_OUT == 0 for day in days])
    assert round(1 / share) == 11


def test_the_seed_determines_the_pairs():
    """Whatever m is; another seed gives others."""
    pairs = dates.make_pairs(50, seed=4)
    assert pairs == dates.make_pairs(90, seed=4)[:50]
    assert pairs != dates.make_pairs(50, seed=5)
    assert dates.make_pairs(0) == []


def test_all_forms_are_equally_frequent():
    """A form that is listed twice occurs twice as often."""
    forms = ("{y}", "{y}.", "{y}", "{y}/")
    endings = [human[4:] for human, _ in dates.make_pairs(4000, forms=forms)]
    # 2000, 1000 and 1000 expected, standard deviation at most 32.
    assert abs(endings.count("") - 2000) < 150
    assert abs(endings.count(".") - 1000) < 150


def test_days_are_within_the_span():
    """Its first and its last day occur, too."""
    span = datetime.date(2001, 2, 20), datetime.date(2001, 3, 3)
    sampled = {
        iso for _, iso in dates.make_pairs(500, forms=("{d} {M} {y}",), span=span)
    }
    days = [span[0] + datetime.timedelta(i) for i in range(12)]
    expected = {d.isoformat() for d in days if d.toordinal() % dates.HELD_OUT}
    assert sampled == expected


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
def test_dates_written_by_hand(date, form, text):
    """With weekdays that a calendar confirms."""
    assert dates.write_date(datetime.date(*date), form) == text


def test_ordinals_of_all_days():
    """11th, 12th and 13th do not end as 1st, 2nd and 3rd do."""
    texts = [dates.write_date(datetime.date(2000, 1, d), "{o}") for d in range(1, 32)]
    assert (
        texts
        == (
            "1st 2nd 3rd 4th 5th 6th 7th 8th 9th 10th 11th 12th 13th 14th 15th 16th "
            "17th 18th 19th 20th 21st 22nd 23rd 24th 25th 26th 27th 28th 29th 30th 31st"
        ).split()
    )


def test_the_longest_date_fits_thirty_known_characters():
    """In every form, with the longest weekday and month and a day of two digits."""
    date = datetime.date(1992, 9, 30)
    assert date.strftime("%A %B") == "Wednesday September"
    for form in FORMS:
        known = dates.write_date(date, form).replace("-", " ")
        assert dates.HUMAN_VOCAB["<unk>"] not in dates.indices(known)
    for month in range(1, 13):
        for day in range(1, 8):
            text = dates.write_date(datetime.date(2000, month, day), "{wwww} {mmmm}")
            assert dates.HUMAN_VOCAB["<unk>"] not in dates.indices(text)


def test_no_text_has_two_meanings():
    """All forms, for the days of one year."""
    span = datetime.date(2011, 1, 1), datetime.date(2011, 12, 31)
    meanings = {}
    for human, iso in dates.make_pairs(30_000, span=span):
        assert meanings.setdefault(dates.clean(human), iso) == iso


@pytest.mark.parametrize(
    "form, first",
    [
        ("{M}/{d}/{y}", 1),
        ("{d}/{M}/{y}", 13),
        ("{dd}.{MM}.{yy}", 1),
        ("{www} {MM}-{dd}-{y}", 13),
        ("{y}-{MM}-{dd}", 1),
    ],
)
def test_numbers_are_in_the_other_order_only_for_days_over_12(form, first):
    """With slashes the month is usually first, otherwise the day."""
    days = {int(iso[-2:]) for _, iso in dates.make_pairs(1000, forms=(form,))}
    assert days == set(range(first, 32))


def test_the_vocabularies_are_those_of_the_course():
    """37 and 11 entries in the course's order, on which its weights depend."""
    assert len(dates.HUMAN_VOCAB) == 37 and len(dates.MACHINE_VOCAB) == 11
    known = {" ": 0, ".": 1, "/": 2, "0": 3, "a": 13, "l": 23, "m": 24, "y": 34}
    assert known | {"<unk>": 35, "<pad>": 36} == {
        c: i for c, i in dates.HUMAN_VOCAB.items() if c in known or i > 34
    }
    assert dates.MACHINE_VOCAB == {c: i for i, c in enumerate("-0123456789")}


@given(st.text(max_size=60), st.integers(1, 40))
def test_any_text_gives_indices_or_an_input_error(text, tx):
    """tx numbers in [0, 37), or one of two messages."""
    try:
        ids = dates.indices(text, tx)
    except InputError as error:
        assert any(words in str(error) for words in ("is empty", f"most {tx} char"))
        return
    assert len(ids) == tx and all(0 <= i < 37 for i in ids)
    unpadded = [i for i in ids if i != dates.HUMAN_VOCAB["<pad>"]]
    assert ids[: len(unpadded)] == unpadded  # the padding is at the end


@pytest.mark.parametrize(
    "sentence", ["25th of June, 2009", "  25TH  of june,2009\n", "25th\tof June 2009"]
)
def test_case_commas_and_spaces_do_not_matter(sentence):
    """All of these become the same indices."""
    letters = [*dates.HUMAN_VOCAB]
    text = "".join(letters[i] for i in dates.indices(sentence, 20))
    assert text == "25th of june 2009" + 3 * "<pad>"


@pytest.mark.parametrize(
    "sentence, text",
    [
        ("Thu., the 3rd of March, 2011.", "thu 3rd of march 2011"),
        ("Sept. 3, \N{RIGHT SINGLE QUOTATION MARK}11", "sept 3 11"),
        ("31-Dec-1999", "31 dec 1999"),
        ("31. 12. 1999", "31.12.1999"),
        ("2009\N{EN DASH}06\N{NON-BREAKING HYPHEN}25", "2009-06-25"),
        ("3\N{NO-BREAK SPACE}March\N{NARROW NO-BREAK SPACE}2011", "3 march 2011"),
        ("\N{FULLWIDTH DIGIT THREE}/4/1999", "3/4/1999"),
        ("Wednesday the 30th of September 1992", "wednesday 30th september 1992"),
    ],
)
def test_punctuation_is_reduced_to_what_distinguishes_dates(sentence, text):
    """Dots, slashes and hyphens stay between digits only."""
    assert dates.clean(sentence) == text


def test_unknown_characters_become_unk():
    """Letters that do not occur in dates, and other alphabets."""
    assert dates.indices("xé日5", 5) == [35, 35, 35, 8, 36]


@pytest.mark.parametrize(
    "sentence, words",
    [
        ("", "The sentence is empty"),
        (" , ,", "The sentence is empty"),
        ("5" * 31, "at most 30 characters, received 31: '555"),
        (5, "received int"),
        (None, "received NoneType"),
        (b"5 April 09", "received bytes"),
    ],
)
def test_invalid_input_raises_an_input_error(sentence, words):
    """The message says what was received."""
    with pytest.raises(InputError, match=words):
        dates.indices(sentence)


@given(st.integers(0, 2**32 - 1), st.sampled_from(FORMS), st.dates(*dates.SPAN))
def test_a_translation_agrees_with_its_date_and_with_no_other(seed, form, other):
    """Whatever the form: order, century and named month are compared, too."""
    ((human, iso),) = dates.make_pairs(1, seed=seed, forms=(form,))
    dates.check(human.upper(), iso)
    date = datetime.date.fromisoformat(iso)
    others = {other, *(date + datetime.timedelta(days) for days in (-1, 1, 31))}
    if date.day <= 12:
        others.add(date.replace(month=date.day, day=date.month))
    for other in others - {date}:
        with pytest.raises(InputError, match="a different day"):
            dates.check(human, other.isoformat())


@pytest.mark.parametrize(
    "sentence, iso, reason",
    [
        ("today", "2020-12-00", "it contains no digits"),
        ("\N{GRINNING FACE}", "2020-02002", "it contains no digits"),
        ("5 April 2009 \N{GRINNING FACE}", "2009-04-05", "does not belong to a date"),
        ("zürich 5 may 1999", "1999-05-05", "'zürich' does not belong"),
        ("2009-06-25t12", "2009-06-25", "'t' does not belong"),
        ("31 Feb 2001", "2001-02-31", "2001-02-31, which is not a day of the calendar"),
        ("29.2.1900", "1900-02-29", "1900-02-29, which is not a day"),
        ("13/13/2013", "2013-13-13", "2013-13-13, which is not a day"),
        ("5 April 2009", "2009-04005", "2009-04005, which is not a day"),
        ("32 March 2010", "2010-03-23", "2010-03-23, a different day"),
        ("1999/12/31", "2031-09-19", "2031-09-19, a different day"),
        ("3 March", "2003-03-03", "2003-03-03, a different day"),
        ("5 April 1809", "1909-04-05", "1909-04-05, a different day"),
        ("3 March 3 2011", "2011-03-03", "2011-03-03, a different day"),
        ("March 3 May 2011", "2011-03-03", "2011-03-03, a different day"),
    ],
)
def test_what_cannot_be_right_is_refused_with_the_reason(sentence, iso, reason):
    """The message quotes the sentence and shows a date."""
    with pytest.raises(InputError, match=reason) as error:
        dates.check(sentence, iso)
    assert repr(sentence) in str(error.value)
    assert "5 April 2009" in str(error.value)


@pytest.mark.parametrize(
    "sentence, iso",
    [("21th of August 2016", "2016-08-21"), ("Saturday May 9 2018", "2018-05-09")],
)
def test_a_wrong_ordinal_or_weekday_is_accepted(sentence, iso):
    """The sentences of the course contain both: 9 May 2018 was a Wednesday."""
    dates.check(sentence, iso)


def test_dates_are_one_hot():
    """x encodes the text and y the ISO date, one character per step, float32."""
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
    """Plus one axis of length n."""
    rows = dates.one_hot([[0, 2], [1, 1]], 3)
    assert rows.dtype == np.float32
    assert rows.tolist() == [[[1, 0, 0], [0, 0, 1]], [[0, 1, 0], [0, 1, 0]]]
