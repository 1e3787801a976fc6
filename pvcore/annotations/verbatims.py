"""How a reporter would say a term: other words, another order, a slip of the finger.

>>> say("Chronic hepatic inflammation", random.Random(4))      # doctest: +SKIP
'long-standing hepatic inflamation'
"""

from __future__ import annotations

import random
import re
from collections.abc import Callable

from pvcore.annotations.wording import words as wording

Step = Callable[[str, random.Random], str]


def colloquial(text: str, rng: random.Random) -> str:
    """One or two words in everyday form."""
    forms = wording().colloquial
    words = text.split()
    places = [i for i, word in enumerate(words) if word.strip(",") in forms]
    for place in rng.sample(places, min(len(places), 1 + (rng.random() < 0.35))):
        bare = words[place].strip(",")
        said = forms[bare][int(rng.random() * len(forms[bare]))]
        words[place] = words[place].replace(bare, said)
    return " ".join(words)


def order(text: str, rng: random.Random) -> str:
    """ "pain of the gum, acute" -> "acute gum pain"; "hepatic pain" -> "pain hepatic"; "pain, hepatic"."""
    if "," in text:
        head, _, tail = text.partition(",")
        return f"{tail.strip()} {head.strip()}"
    found = re.fullmatch(r"(.+) (?:of|in) (?:the )?(.+)", text)
    if found:
        return f"{found[2]} {found[1]}"
    words = text.split()
    cut = 1 if len(words) < 3 or rng.random() < 0.5 else len(words) - 1
    return (
        " ".join(words[cut:] + words[:cut])
        if rng.random() < 0.6
        else f"{' '.join(words[cut:])}, {' '.join(words[:cut])}"
    )


def typo(text: str, rng: random.Random) -> str:
    """One letter lost, doubled or swapped in a word of six or more."""
    words = text.split()
    places = [i for i, word in enumerate(words) if len(word) >= 6]
    if not places:
        return text
    place = places[int(rng.random() * len(places))]
    word = words[place]
    at = 1 + int(rng.random() * (len(word) - 3))
    kind = rng.random()
    if kind < 0.4:
        words[place] = word[:at] + word[at + 1 :]
    elif kind < 0.7:
        words[place] = word[: at + 1] + word[at:]
    else:
        words[place] = word[:at] + word[at + 1] + word[at] + word[at + 2 :]
    return " ".join(words)


def spelling(text: str, rng: random.Random) -> str:
    """British to American, or back."""
    pairs = (("aemia", "emia"), ("haem", "hem"), ("oedema", "edema"), ("oeso", "eso"), ("colour", "color"),
             ("tumour", "tumor"), ("foet", "fet"), ("paraes", "pares"))  # fmt: skip
    for british, american in pairs:
        if british in text:
            return text.replace(british, american)
    return text


def extra(text: str, rng: random.Random) -> str:
    """A word around it that says nothing about the term."""
    around = wording().extra
    frame = around[int(rng.random() * len(around))]
    return frame.replace("{n}", str(2 + int(rng.random() * 8))).replace("{}", text)


STEPS: tuple[tuple[Step, float], ...] = (
    (spelling, 0.3), (colloquial, 0.75), (order, 0.35), (typo, 0.3), (extra, 0.35),
)  # fmt: skip
"""Each step with how often it is taken."""


def say(term: str, rng: random.Random) -> str:
    """A verbatim for the name of a term; about one in twenty is the term's own words."""
    text = term.lower()
    for step, often in STEPS:
        if rng.random() < often:
            text = step(text, rng)
    text = " ".join(text.split())
    kind = rng.random()
    return text.upper() if kind < 0.05 else text[:1].upper() + text[1:] if kind < 0.25 else text
