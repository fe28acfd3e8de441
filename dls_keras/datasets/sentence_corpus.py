"""A short corpus of simple sentences for a word-level language model.

The text describes a year in a small harbour. It has few distinct words and was written
for this package, so that a model can be trained in seconds. Any other text is read
from a file.
"""

import collections
import re
from pathlib import Path
from typing import NamedTuple

import numpy as np

from dls_keras.core import readers
from dls_keras.core.errors import InputError

MARKS = (".", "<unknown>")  # the first tokens of every vocabulary
END, UNKNOWN = range(2)  # their indices
LONGEST = 30  # words; longer sentences are cut
HELD_OUT = 8  # every eighth sentence is held out
LARGEST = 16 * readers.MEGABYTE  # of a file, about three million words
PADDING = -1  # in y after the end of a sentence

# A word with its apostrophes and hyphens, a comma, or the end of a sentence.
TOKEN = re.compile(r"[^\W_]+(?:['’-][^\W_]+)*|,|[.!?;:]")
STOPS = set(".!?;:")


class Sentences(NamedTuple):
    """m sentences, with the word to predict at each step.

    Attributes:
        x: (m, LONGEST + 1) int32, the inputs: `END`, then the words; 0 after them.
        y: (m, LONGEST + 1) int32, the targets: the words, then `END`; `PADDING`
            after it.
        words: the vocabulary: the two `MARKS`, then the most frequent word first.
    """

    x: np.ndarray
    y: np.ndarray
    words: tuple[str, ...]


def load_text(path: str | Path) -> str:
    """The text of a file.

    Raises:
        MissingFileError: if the file does not exist.
        InputError: if it is not UTF-8 text or has no sentence of two words.
    """
    advice = "Save it with the encoding UTF-8."
    text = readers.read_text(path, "UTF-8 text", limit=LARGEST, advice=advice)
    if not sentences(text):
        raise InputError(
            f"{path} contains no sentence. Expected sentences of two or more words "
            "that end with a full stop."
        )
    return text


def sentences(text: str) -> list[list[str]]:
    """The sentences of two words or more, as lists of words in lower case."""
    found: list[list[str]] = []
    words: list[str] = []
    for token in [*TOKEN.findall(text.lower()), "."]:
        if token in STOPS:
            if len(words) > 1:
                found.append(words[:LONGEST])
            words = []
        else:
            words.append(token)
    return found


def split(text: str, *, held_out: bool = False) -> list[list[str]]:
    """The training sentences, or every eighth sentence, which is held out."""
    return [
        words
        for i, words in enumerate(sentences(text))
        if (i % HELD_OUT == HELD_OUT - 1) == held_out
    ]


def vocabulary(sentences: list[list[str]], *, least: int = 2) -> tuple[str, ...]:
    """The `MARKS`, then the words that occur `least` times, most frequent first."""
    counts = collections.Counter(word for words in sentences for word in words)
    known = sorted(word for word, n in counts.items() if n >= least)
    return (*MARKS, *sorted(known, key=counts.__getitem__, reverse=True))


def encode(sentences: list[list[str]], words: tuple[str, ...]) -> Sentences:
    """The sentences as indices; a word that is not in `words` becomes `UNKNOWN`."""
    index = {word: i for i, word in enumerate(words)}
    x = np.zeros((len(sentences), LONGEST + 1), "int32")
    y = np.full_like(x, PADDING)
    for row, sentence in enumerate(sentences):
        ids = [index.get(word, UNKNOWN) for word in sentence]
        x[row, 1 : len(ids) + 1] = ids
        y[row, : len(ids) + 1] = [*ids, END]
    return Sentences(x, y, words)


TEXT = """
In January the harbour is quiet. The boats lie on the beach, and snow lies on the
boats. The old keeper of the lighthouse gets up before the sun. He makes tea, he looks
at the sea, and he writes the weather in his book. The wind comes from the north. The
sea is grey and cold. No boat goes out today. The fisherman mends his nets in the
kitchen. His daughter reads a book by the fire. The cat sleeps on the nets. In the
evening the keeper lights the lamp. The light goes over the water and over the roofs.
The children count the turns of the light until they sleep. At night the wind is
strong. It pulls at the doors and at the windows. In the morning there is ice in the
harbour. The gulls walk on the ice and look for bread. The baker gives them what he did
not sell. He says that the gulls were here before the bakers.

In February the days are still short. The fisherman paints his boat in the shed. He
paints it blue, as his father did. His daughter wants to paint it red. The fisherman
says that the fish know the blue boat. His daughter says that the fish cannot see. They
both laugh, and the boat stays blue. The wind comes from the east. The sea is green and
cold. Two boats go out in the morning, and two boats come home in the evening. The
fishermen bring a little fish and a lot of snow. The keeper writes the boats in his
book. The old woman at the corner sells soup by the bowl. The soup is hot, and the
street is cold. The children stand at her door until she gives them some soup. At night
the sky is clear. The keeper knows the names of all the stars. He tells the names to
the cat, and the cat looks at the mice.

In March the ice goes out of the harbour. The wind comes from the west. It smells of
rain and of earth. The fishermen carry the boats down to the water. The daughter of the
fisherman holds the rope. The blue boat is the first on the water. The children run
along the wall and shout. The baker comes out of his shop and looks at the sky. He says
that it will rain before the evening. It rains before the evening. The rain falls on
the boats, on the roofs and on the sea. The keeper stays at the window and looks for
the last boat. The last boat comes home when the lamp is already lit. The fisherman is
wet, and his nets are full. He gives the keeper a fish for the light. The keeper gives
the head of the fish to the cat.

In April the birds come back from the south. They fly over the lighthouse in the
morning and in the evening. The keeper counts the birds and writes the number in his
book. The children look for eggs on the beach, but they do not take them. The wind is
soft. The sea is blue, and the sun is warm. The old woman puts her chair in front of the
door. She mends the shirts of the fishermen. She knows who goes out and who comes home.
The teacher takes the children down to the water. She shows them the small crabs under
the stones. One crab takes the teacher by the finger. The children laugh, and the
teacher laughs too. In the evening the fishermen sit on the wall. They talk about the
wind and about the price of fish. The wind is good, and the price is bad. At night the
boats lie in the harbour, and the water is still.

In May a white ship comes into the harbour. It brings letters, oranges and a man with a
box. The children run along the wall and shout. The man opens the box in front of the
shop. There is a small organ in the box. He plays a song, and the whole street listens.
The baker gives him bread for the song. The old woman gives him soup for the song. The
fisherman gives him a fish, and the cat looks at the fish. The man stays for three days.
He sleeps in the shed, among the nets. Every evening he plays another song. The daughter
of the fisherman learns the songs by heart. On the fourth day the white ship goes out
again. The man stands at the rail and plays. The children stand on the wall until they
cannot hear the song. Then the harbour is quiet, but the daughter of the fisherman
sings.

In June the nights are short and bright. The keeper lights the lamp late, and he puts
it out early. The wind sleeps, and the sea is like a mirror. The boats go far out, for
the fish are deep. The fishermen take bread and water for two days. Their children
stand on the wall and wait. The old woman sits at her door and waits. In the evening of
the second day they see the first sail. The children count the boats until all the
boats are there. The nets are full, and the price is good. The baker bakes a cake for
the whole street. They sit on the wall and eat, and the man of the shop brings wine. The
daughter of the fisherman sings the songs of the man with the box. The keeper hears the
songs in his tower. He opens the window, and the cat listens too.

In July it is hot. The stones of the wall are warm at night. The children swim in the
harbour from morning to evening. The teacher has closed the school, and she swims too.
The dog of the baker swims after the boats. The water is green and warm. The fishermen
go out at night, when it is cool. They carry a lamp on every boat. From the tower the
keeper sees the small lights on the water. He says that there are stars above and stars
below. In the morning the boats come home with silver fish. The old woman lays the fish
on the stones and dries them in the sun. The cat comes down from the tower. The cat
takes one fish and goes home. The old woman sees it, but she says nothing. There are
enough fish for the cat.

In August a storm comes from the south. In the morning the sky is yellow, and the gulls
are quiet. The keeper looks at the sea and rings the bell. The fishermen hear the bell
and turn the boats. The wind comes over the water like a wall. The sea is black and
white. The boats come home, one after the other. The blue boat is not there. The
daughter of the fisherman stands on the wall and holds the rope. The keeper lights the
lamp in the middle of the day. The light goes over the black water. Far out they see
a small sail, and then they do not see it. The baker, the teacher and the old woman
stand in the rain. Then the blue boat comes around the tower. The fisherman throws the
rope, and his daughter holds it. The nets are lost, but the boat is home. They sit in
the kitchen until the morning. The fisherman says that he saw the light when he saw
nothing else.

In September the sea is calm again. The fishermen mend what the storm has torn. The
daughter of the fisherman makes a new net with her own hands. The old woman shows her
the knots. The whole street gives a little rope and a little time. The school opens,
and the children learn to write the weather. The wind comes from the west. The sea is
blue and cool. The teacher takes the children up to the tower. The keeper shows them
the lamp, the book and the cat. The children read the names of all the boats in the
book. They read that the blue boat came home in the storm. One child asks who lights
the lamp when the keeper sleeps. The keeper says that he sleeps when the sun is up. In
the evening the birds fly over the lighthouse to the south. The keeper counts the
birds and writes the number in his book.

In October the apples are red. The man of the shop sells apples by the bag. The baker
bakes a cake with apples for the whole street. The fog comes in from the sea in the
morning. The fishermen do not see the wall, and the keeper rings the bell. The boats go
out late, and they come home early. They bring a lot of fish and a lot of fog. The
children play in the street, but nobody can see them. The dog of the baker finds them
all. The old woman lights a lamp in her window, and the soup is hot again. In the
evening the fishermen sit in the shop. They talk about the fog and about the price of
fish. The fog is bad, and the price is good. The keeper sits in his tower above the
fog. He sees the moon, the stars and a white sea without water.

In November the rain comes from the west. It rains in the morning, and it rains in the
evening. The fishermen carry the boats up to the beach. The blue boat is the last on
the water. The daughter of the fisherman takes the rope, and the whole street pulls. The
sea is grey and strong. The keeper writes the rain in his book, day after day. The cat
sleeps on the book, and the keeper writes around the cat. The teacher reads the children
a story about a white ship. In the story the ship brings oranges and a man with a box.
The children say that they know the man. The fisherman mends his nets in the kitchen.
His daughter sings, and the old woman knows the song. At night the light goes over the
water, over the beach and over the roofs.

In December the days are dark and short. The baker gets up before the keeper goes to
bed. Every morning they meet at the corner, and they say good morning and good night.
The wind comes from the north. There is snow on the wall and snow on the boats. The
children make a keeper of snow in front of the school. They give him a lamp and a book.
The cat of the keeper sits beside him. On the last evening of the year the whole street
goes up to the tower. The baker brings a cake, and the old woman brings soup. The man of
the shop brings wine, and the fisherman brings fish. The daughter of the fisherman
sings, and the keeper lights the lamp. The light goes over the snow and over the sea.
The keeper opens his book and writes the last day of the year. He writes that all the
boats are home. Then he closes the book, and the cat sleeps on it. In the morning the
harbour is quiet. The keeper makes tea, he looks at the sea, and he opens a new book.
"""
