"""A toy corpus for training word vectors.

Kings and queens, countries and their capitals, positive and comparative adjectives:
words with known relations, in sentences sampled from templates. The vocabulary has
about 300 words, so that the co-occurrence counts fit into a small matrix. Generated
here, without an outside source.
"""

import itertools

import numpy as np

# The columns of a family are related: man is to woman as king is to queen.
PEOPLE = (
    ("man", "woman"),
    ("boy", "girl"),
    ("king", "queen"),
    ("prince", "princess"),
    ("father", "mother"),
    ("son", "daughter"),
    ("brother", "sister"),
    ("uncle", "aunt"),
    ("grandfather", "grandmother"),
    ("husband", "wife"),
    ("actor", "actress"),
    ("waiter", "waitress"),
)
COUNTRIES = (
    ("france", "paris", "french"),
    ("italy", "rome", "italian"),
    ("spain", "madrid", "spanish"),
    ("germany", "berlin", "german"),
    ("poland", "warsaw", "polish"),
    ("greece", "athens", "greek"),
    ("japan", "tokyo", "japanese"),
    ("china", "beijing", "chinese"),
    ("russia", "moscow", "russian"),
    ("turkey", "ankara", "turkish"),
    ("portugal", "lisbon", "portuguese"),
    ("hungary", "budapest", "hungarian"),
    ("norway", "oslo", "norwegian"),
    ("sweden", "stockholm", "swedish"),
)
DEGREES = (
    ("small", "smaller", "smallest"),
    ("big", "bigger", "biggest"),
    ("cold", "colder", "coldest"),
    ("warm", "warmer", "warmest"),
    ("young", "younger", "youngest"),
    ("old", "older", "oldest"),
    ("fast", "faster", "fastest"),
    ("slow", "slower", "slowest"),
    ("rich", "richer", "richest"),
    ("poor", "poorer", "poorest"),
)
FAMILIES = (PEOPLE, COUNTRIES, DEGREES)

# An activity for each pair of people, and what distinguishes the two of a pair.
_DEEDS = {
    "man": "works in the town",
    "boy": "plays ball at school",
    "king": "wears a golden crown on the throne",
    "prince": "will inherit the crown and the castle",
    "father": "feeds the baby at home",
    "son": "obeys the parents at home",
    "brother": "shares a room with the other child",
    "uncle": "visits the cousins on sunday",
    "grandfather": "tells the grandchildren old stories",
    "husband": "celebrates the wedding with a ring",
    "actor": "plays a part in the film",
    "waiter": "serves dinner in the restaurant",
}
_SEXES = (
    ("he", "his", "him", "shaves a beard", "sir"),
    ("she", "her", "her", "buys a dress", "madam"),
)
_LAND = (
    "{city} is the capital of {land}",
    "the parliament of {land} meets in {city}",
    "in {land} people speak {tongue}",
    "a {tongue} poem is read in {city}",
    "the {tongue} teacher comes from {land}",
    "the train to {city} crosses the border of {land}",
    "the government in {city} changes the {tongue} law",
    "{land} lies on the map next to other countries",
    "{city} is a city with streets and a station",
    "the {tongue} language has its own grammar",
)
_DEGREE = (
    "it is a {plain} {thing}",
    "this {thing} is very {plain}",
    "that {thing} is {more} than this one",
    "much {more} than before",
    "the {most} {thing} of all",
    "it was the {most} of the whole year",
)
# Nouns for each adjective, different ones, so that its vector is distinctive.
_THINGS = {
    "small": "mouse house",
    "big": "elephant house",
    "cold": "winter night",
    "warm": "summer day",
    "young": "child lamb",
    "old": "tree tower",
    "fast": "car horse",
    "slow": "snail cart",
    "rich": "merchant banker",
    "poor": "beggar farmer",
}


def make_sentences(m: int, *, seed: int = 0) -> list[str]:
    """m sentences in lower case, without punctuation."""
    rng = np.random.default_rng(seed)
    topics = (_of_people, _of_lands, _of_degrees)
    return [topics[rng.integers(len(topics))](rng) for _ in range(m)]


def analogies() -> list[tuple[str, str, str, str]]:
    """All analogies (a, b, c, d) of the families: a is to b as c is to d."""
    return [
        (one[i], one[j], other[i], other[j])
        for family in FAMILIES
        for one, other in itertools.permutations(family, 2)
        for i, j in itertools.permutations(range(len(one)), 2)
    ]


def _of_people(rng):
    row, sex = rng.integers(len(PEOPLE)), rng.integers(2)
    person, deed = PEOPLE[row][sex], _DEEDS[PEOPLE[row][0]]
    he, his, him, sign, address = _SEXES[sex]
    return _pick(
        rng,
        f"the {person} {deed} and {he} likes it",
        f"the {person} {sign} and {he} {deed}",
        f"{he} is a {person} who {deed}",
        f"the {person} takes {his} hat and {he} goes",
        f"good morning {address} said {he} to the {person}",
        f"we see the {person} and wave to {him}",
        f"{his} friend the {person} {deed}",
    )


def _of_lands(rng):
    land, city, tongue = _pick(rng, *COUNTRIES)
    return _pick(rng, *_LAND).format(land=land, city=city, tongue=tongue)


def _of_degrees(rng):
    plain, more, most = _pick(rng, *DEGREES)
    thing = _pick(rng, *_THINGS[plain].split())
    return _pick(rng, *_DEGREE).format(plain=plain, more=more, most=most, thing=thing)


def _pick(rng, *choices):
    return choices[rng.integers(len(choices))]
