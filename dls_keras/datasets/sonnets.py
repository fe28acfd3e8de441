"""Shakespeare's sonnets as text for a character-level model.

The course's file with all sonnets is not shipped. Seven sonnets (1, 18, 30, 55, 73, 116
and 130; published in 1609, in the public domain) are part of this module, so that a
model can be trained without any file.
"""

from pathlib import Path

from dls_keras.core import readers
from dls_keras.core.errors import InputError
from dls_keras.datasets import catalog

CHARACTERS = "\n !'(),-.:;?abcdefghijklmnopqrstuvwxyz"  # all of the course's file

LARGEST = 16 * readers.MEGABYTE  # of a file; the course's has 94 kB

(COURSE,) = catalog.DATA_SETS["sonnets"].files


def load_text(path: str | Path | None = None) -> str:
    """The text of a file in lower case; by default the course's file.

    Raises:
        MissingFileError: if the file does not exist.
        InputError: if it is not UTF-8 text, is empty, or `check` refuses it.
    """
    path = catalog.find(COURSE, path)
    advice = "Save it with the encoding UTF-8."
    text = readers.read_text(path, "UTF-8 text", limit=LARGEST, advice=advice).lower()
    if not text.strip():
        raise InputError(f"{path} contains no text. Expected sonnets.")
    check(text)
    return text


def check(text: str) -> None:
    """Raise InputError unless a text consists of the sonnets' characters.

    Capital letters are allowed.
    """
    if others := sorted(set(text.lower()) - set(CHARACTERS)):
        raise InputError(
            f"The text contains the character {others[0]!r}, which the sonnets do not "
            f"have. Use only letters, spaces, line breaks and {CHARACTERS[2:12]}"
        )


TEXT = """\
From fairest creatures we desire increase,
That thereby beauty's rose might never die,
But as the riper should by time decease,
His tender heir might bear his memory:
But thou contracted to thine own bright eyes,
Feed'st thy light's flame with self-substantial fuel,
Making a famine where abundance lies,
Thy self thy foe, to thy sweet self too cruel:
Thou that art now the world's fresh ornament,
And only herald to the gaudy spring,
Within thine own bud buriest thy content,
And tender churl mak'st waste in niggarding:
Pity the world, or else this glutton be,
To eat the world's due, by the grave and thee.

Shall I compare thee to a summer's day?
Thou art more lovely and more temperate:
Rough winds do shake the darling buds of May,
And summer's lease hath all too short a date:
Sometime too hot the eye of heaven shines,
And often is his gold complexion dimmed,
And every fair from fair sometime declines,
By chance, or nature's changing course untrimmed:
But thy eternal summer shall not fade,
Nor lose possession of that fair thou ow'st,
Nor shall death brag thou wand'rest in his shade,
When in eternal lines to time thou grow'st,
So long as men can breathe or eyes can see,
So long lives this, and this gives life to thee.

When to the sessions of sweet silent thought,
I summon up remembrance of things past,
I sigh the lack of many a thing I sought,
And with old woes new wail my dear time's waste:
Then can I drown an eye (unused to flow)
For precious friends hid in death's dateless night,
And weep afresh love's long since cancelled woe,
And moan th' expense of many a vanished sight.
Then can I grieve at grievances foregone,
And heavily from woe to woe tell o'er
The sad account of fore-bemoaned moan,
Which I new pay as if not paid before.
But if the while I think on thee (dear friend)
All losses are restored, and sorrows end.

Not marble, nor the gilded monuments
Of princes shall outlive this powerful rhyme,
But you shall shine more bright in these contents
Than unswept stone, besmeared with sluttish time.
When wasteful war shall statues overturn,
And broils root out the work of masonry,
Nor Mars his sword, nor war's quick fire shall burn:
The living record of your memory.
'Gainst death, and all-oblivious enmity
Shall you pace forth, your praise shall still find room,
Even in the eyes of all posterity
That wear this world out to the ending doom.
So till the judgment that your self arise,
You live in this, and dwell in lovers' eyes.

That time of year thou mayst in me behold,
When yellow leaves, or none, or few do hang
Upon those boughs which shake against the cold,
Bare ruined choirs, where late the sweet birds sang.
In me thou seest the twilight of such day,
As after sunset fadeth in the west,
Which by and by black night doth take away,
Death's second self that seals up all in rest.
In me thou seest the glowing of such fire,
That on the ashes of his youth doth lie,
As the death-bed, whereon it must expire,
Consumed with that which it was nourished by.
This thou perceiv'st, which makes thy love more strong,
To love that well, which thou must leave ere long.

Let me not to the marriage of true minds
Admit impediments, love is not love
Which alters when it alteration finds,
Or bends with the remover to remove.
O no, it is an ever-fixed mark
That looks on tempests and is never shaken;
It is the star to every wand'ring bark,
Whose worth's unknown, although his height be taken.
Love's not Time's fool, though rosy lips and cheeks
Within his bending sickle's compass come,
Love alters not with his brief hours and weeks,
But bears it out even to the edge of doom:
If this be error and upon me proved,
I never writ, nor no man ever loved.

My mistress' eyes are nothing like the sun,
Coral is far more red, than her lips red,
If snow be white, why then her breasts are dun:
If hairs be wires, black wires grow on her head:
I have seen roses damasked, red and white,
But no such roses see I in her cheeks,
And in some perfumes is there more delight,
Than in the breath that from my mistress reeks.
I love to hear her speak, yet well I know,
That music hath a far more pleasing sound:
I grant I never saw a goddess go,
My mistress when she walks treads on the ground.
And yet by heaven I think my love as rare,
As any she belied with false compare.
"""
