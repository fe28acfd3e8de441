"""Short sentences labelled with one of five emoji: heart, baseball, smile, sad, food.

The course's data: 132 training and 56 test sentences. Licence: none stated.
`make_emoji` composes further sentences of the same five kinds from phrases written
for this package.
"""

import csv
import io
from pathlib import Path
from typing import NamedTuple

import numpy as np

from dls_keras.core import readers
from dls_keras.core.errors import InputError
from dls_keras.datasets import catalog

CLASSES = ("heart", "baseball", "smile", "disappointed", "fork and knife")
LARGEST = 2 * readers.MEGABYTE  # of a table of sentences
LONGEST = 300  # characters of a sentence
EMOJI = ("\u2764\ufe0f", "\u26be", "\U0001f604", "\U0001f61e", "\U0001f374")

SYNTHETIC = (132, 56)  # sentences in place of those for training and testing
TRAIN, TEST = catalog.DATA_SETS["emoji"].files


class Emoji(NamedTuple):
    """Sentences (m,) of text and their labels (m,) int64 from 0 to 4."""

    x: np.ndarray
    y: np.ndarray
    x_test: np.ndarray
    y_test: np.ndarray


def load_emoji(*, synthetic: bool = False) -> Emoji:
    """The course's 132 + 56 sentences.

    Args:
        synthetic: sentences of `make_emoji` in their place, which need no files.

    Raises:
        MissingFileError: if they are not on this machine.
    """
    if synthetic:
        m, m_test = SYNTHETIC
        return Emoji(*make_emoji(m, seed=10_001), *make_emoji(m_test, seed=10_002))
    return Emoji(*read_csv(catalog.find(TRAIN)), *read_csv(catalog.find(TEST)))


def read_csv(filename: str | Path) -> tuple[np.ndarray, np.ndarray]:
    """The sentences (m,) and int64 labels (m,) of a table "sentence,label,…".

    Raises:
        MissingFileError: if the file does not exist.
        InputError: if a line is not a sentence and a label from 0 to 4, or there is
            none.
    """
    expected = 'a table "sentence,label"'
    sentences, labels = [], []
    text = readers.read_text(filename, expected, limit=LARGEST)
    with readers.reading(filename, expected):
        rows = csv.reader(io.StringIO(text))
        for row in filter(None, rows):
            sentence, label = (cell.strip() for cell in (*row, "")[:2])
            valid = 0 < len(sentence) <= LONGEST
            if not valid or label not in {"0", "1", "2", "3", "4"}:
                raise InputError(
                    f"{filename}, line {rows.line_num}: expected a sentence of at most "
                    f"{LONGEST} characters, a comma and a label from 0 to 4, received "
                    f"{readers.quoted(','.join(row))}."
                )
            sentences.append(sentence)
            labels.append(int(label))
        if not sentences:
            raise InputError(f"{filename} contains no sentence. Expected {expected}.")
        return np.array(sentences, str), np.array(labels, "int64")


def make_emoji(m: int, *, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """m composed sentences of at most 10 words, and their labels, balanced."""
    rng = np.random.default_rng(seed)
    y = np.arange(m, dtype="int64") % len(CLASSES)
    x = [_compose(rng, str(rng.choice(_PHRASES[label]))) for label in y]
    return np.array(x, str), y


def _compose(rng, phrase):
    """The phrase with each {name} replaced by one of its words."""
    words = phrase.split()
    for i, word in enumerate(words):
        if word.startswith("{"):
            words[i] = str(rng.choice(_WORDS[word.strip("{}")]))
    return " ".join(words)


_WORDS = {
    name: words.split()
    for name, words in {
        "who": "mother father brother sister wife husband daughter son baby family "
        "grandmother grandfather friend boyfriend girlfriend darling cousin uncle "
        "aunt parents children dog cat",
        "love": "love adore miss cherish treasure",
        "warm": "kiss hug embrace",
        "sport": "baseball football basketball tennis soccer hockey golf cricket "
        "volleyball rugby",
        "hit": "throw catch hit kick pass shoot swing",
        "field": "stadium field park court pitch gym",
        "player": "player pitcher coach team captain champion",
        "match": "game match tournament championship race",
        "good": "great wonderful excellent brilliant fantastic lovely amazing nice "
        "beautiful perfect superb good",
        "glad": "happy glad delighted proud excited thrilled cheerful pleased",
        "feat": "job work success result idea victory speech performance present "
        "promotion surprise joke holiday news party birthday",
        "bad": "terrible horrible bad boring sad unfair disappointing painful dreadful "
        "lonely stupid",
        "down": "sad angry upset tired sick worried afraid ashamed lonely unhappy hurt "
        "disappointed depressed",
        "trouble": "test job money train flight keys way temper match chance "
        "interview appointment wallet",
        "event": "meeting lesson class interview day week weather trip traffic movie "
        "homework exam",
        "food": "pizza bread rice soup pasta chicken fish salad cheese cake apples "
        "noodles sandwich steak potatoes eggs chocolate beef vegetables fruit sushi "
        "pork beans butter",
        "meal": "breakfast lunch dinner supper dessert snack meal",
        "taste": "delicious sweet spicy fresh hot salty tasty",
        "kind": "italian chinese french indian mexican japanese greek thai",
        "place": "restaurant kitchen cafe bakery market",
        "now": "today tonight tomorrow now again soon",
        "very": "so very really too",
    }.items()
}

_PHRASES = (
    (  # heart
        "i {love} spending time with my {who}",
        "my {who} means the world to me",
        "you have a special place in my heart",
        "i {love} your smile",
        "she kissed her {who}",
        "he misses his {who}",
        "we are getting married {now}",
        "our wedding is {now}",
        "my sweet {who}",
        "thinking of you my love",
        "i care about you {very} much",
        "he gave her roses and a {warm}",
        "let me give you a {warm}",
        "i {love} that {who}",
        "with love from your {who}",
        "she is the love of my life",
        "i wish my {who} were here",
        "stay with me forever",
        "i {love} my {who}",
        "i {love} you {very} much",
        "we {love} our {who}",
        "give me a {warm}",
        "my {who} sent me a {warm}",
        "you are my {good} {who}",
        "my heart belongs to you",
        "i am in love with you",
        "she fell in love with him",
        "i {love} you more than words",
        "will you marry me {now}",
        "be my valentine",
        "happy anniversary my dear {who}",
        "my dear {who} i {love} you",
        "he loves his {who} {very} much",
        "they loved each other forever",
        "a {warm} for my {who}",
        "i want to hold your hand",
    ),
    (  # baseball
        "let us go and play {sport}",
        "he scored in the last minute",
        "the {match} was close",
        "my favorite {sport} {player} is here",
        "we lost the {match} by one point",
        "the {player} is ready for the {match}",
        "they won the {sport} cup",
        "catch it and throw it back",
        "he runs faster than the others",
        "she won the {match} {now}",
        "are you coming to the {field}",
        "the fans cheered for the {player}",
        "i bought tickets for the {sport} {match}",
        "you should play in my team",
        "give me the ball",
        "he wants to be a {sport} {player}",
        "the first {match} of the season",
        "we train at the {field}",
        "let us play {sport} {now}",
        "{hit} the ball",
        "he can {hit} the ball far",
        "what a {good} {match}",
        "who won the {sport} {match}",
        "the {player} plays {sport}",
        "we watched the {sport} {match} {now}",
        "i want to join the {sport} team",
        "the {player} runs on the {field}",
        "our team scored in the {match}",
        "she is a {sport} {player}",
        "do you play {sport}",
        "meet me at the {field} with the ball",
        "the {sport} season starts {now}",
        "our {player} got another point",
        "they practice {sport} at the {field}",
        "he swings the bat",
        "time to run and {hit}",
    ),
    (  # smile
        "i am {very} {glad} for you",
        "she got a {good} {feat}",
        "this is the best day of my life",
        "you are {very} smart",
        "that is a {good} {feat}",
        "he told us a {good} joke",
        "i laughed all day",
        "enjoy your {feat}",
        "have a {good} {feat}",
        "we are celebrating {now}",
        "life is {good}",
        "you look {good}",
        "i like your new dress",
        "she makes everybody {glad}",
        "your plan worked",
        "they are having fun",
        "the news is {good}",
        "keep up the {good} work",
        "i am {very} {glad}",
        "what a {good} {feat}",
        "congratulations on your {feat}",
        "you did a {good} {feat}",
        "that was {very} funny",
        "your {feat} was {good}",
        "we had a {good} {feat} {now}",
        "this {feat} makes me {glad}",
        "she is {glad} about her {feat}",
        "he made us laugh",
        "i got the {feat} of my dreams",
        "welcome to our {good} home",
        "thank you for the {good} {feat}",
        "we won the prize {now}",
        "i passed all my tests",
        "everybody smiled and laughed",
        "it is {good} to see you",
        "my {who} told a funny joke",
    ),
    (  # disappointed
        "why are you {down}",
        "the {event} was too long",
        "i do not feel well",
        "my {who} is in hospital",
        "he is {down} about the {event}",
        "i have no money left",
        "they stole my {trouble}",
        "you are wrong again",
        "leave me alone",
        "it was the worst {event} of the year",
        "she cried all night",
        "he lied to me",
        "i am {down} because of the {event}",
        "the {trouble} was cancelled",
        "you ruined my {event}",
        "i can not sleep",
        "nothing works {now}",
        "they fired my {who}",
        "i am {very} {down}",
        "this {event} is {very} {bad}",
        "what a {bad} {event}",
        "i lost my {trouble}",
        "i missed my {trouble}",
        "he failed the {event}",
        "she did not answer my call",
        "nobody wants to talk to me",
        "you never listen to me",
        "they made me {down}",
        "my {who} is {down}",
        "i hate this {event}",
        "do not yell at me",
        "my {who} died",
        "i feel {down} {now}",
        "he is {very} rude and {bad}",
        "they forgot my birthday",
        "she broke my heart and left",
    ),
    (  # fork and knife
        "i am cooking {food} {now}",
        "{food} and {food} for {meal}",
        "we ate {food} at the {place}",
        "breakfast is ready",
        "who is cooking {now}",
        "let us order some {kind} food",
        "she baked a {taste} cake",
        "the cook made {food}",
        "bring me a plate of {food}",
        "are you hungry",
        "there is {food} on the table",
        "i would like some {food}",
        "we went out for {meal}",
        "my favorite food is {food}",
        "he eats {food} every day",
        "do you want {food} or {food}",
        "the {meal} tastes {good}",
        "get some {food} from the {place}",
        "i want to eat {food}",
        "the {food} is {taste}",
        "let us have {kind} food for {meal}",
        "what is for {meal} {now}",
        "she cooked {food} for {meal}",
        "i am hungry",
        "i ordered {food} and {food}",
        "do you like {food}",
        "the {kind} {place} serves {taste} {food}",
        "he is cooking {meal} in the kitchen",
        "can you bake some {food}",
        "where is the {place}",
        "i had {food} for {meal}",
        "please pass the {food}",
        "this {place} has {good} {food}",
        "my {who} makes {taste} {food}",
        "we are starving and want {meal}",
        "try this {taste} {kind} {food}",
    ),
)
