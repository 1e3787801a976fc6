"""Names that a coder would call the same, and names that only look alike."""

from __future__ import annotations

import itertools
import sys
import zipfile
from pathlib import Path
from random import Random

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pvcore.meddra.matching import bag, bags, exact, in_one_spelling, key, singular, words_of


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("Hepatic oedema", "hepatic edema"),
        ("Pain of the liver", "Liver pain"),
        ("Hepatitis NOS", "Hepatitis"),
        ("Sjögren's syndrome", "Sjogren's syndrome"),
        ("Oedema, peripheral", "Peripheral oedema"),
        ("Kidney stones", "Kidney stone"),
        ("Seasonal allergies", "Seasonal allergy"),
        ("Liver abscesses", "Abscess of liver"),
        ("Headaches", "Headache"),
        ("Dyspnoea", "DYSPNEA"),
        ("Anaemia, haemolytic", "Hemolytic anemia"),
        ("Metastases to bone", "Metastasis to bone"),
        ("Venous thromboses", "Venous thrombosis"),
    ],
)
def test_the_same_words(one: str, other: str) -> None:
    assert exact(one) != exact(other) or one == "Sjögren's syndrome"
    assert key(one) == key(other)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("Liver cancer with lung metastasis", "Lung cancer with liver metastasis"),
        ("Fever without rash", "Fever with rash"),
        ("Type 1 diabetes", "Type 2 diabetes"),
        ("Hypotension", "Hypertension"),
        ("Hepatitis A", "Hepatitis"),
        ("Fever without rash", "Rash without fever"),
        ("Blood in urine", "Urine in blood"),
        ("AIDS", "Aid"),
        ("Gastric bypass", "Gastric bypas"),
    ],
)
def test_other_words(one: str, other: str) -> None:
    assert key(one) != key(other)


def test_what_is_no_plural_stays() -> None:
    words = (
        "diabetes pertussis series herpes caries rabies species sepsis virus sinus stress illness pancreas "
        "hepatitis tetanus lupus ascites measles mumps hives feces lens aids biceps pus gas"
    )
    assert [singular(word) for word in words.split()] == words.split()


@pytest.mark.parametrize(
    ("several", "one"),
    [
        ("doses", "dose"), ("overdoses", "overdose"), ("diseases", "disease"), ("biopsies", "biopsy"),
        ("diagnoses", "diagnosis"), ("viruses", "virus"), ("rashes", "rash"), ("stitches", "stitch"),
        ("aches", "ache"), ("reflexes", "reflex"), ("testes", "testis"), ("paralyses", "paralysis"),
    ],
)  # fmt: skip
def test_a_plural_becomes_its_singular(several: str, one: str) -> None:
    assert singular(several) == one and singular(one) == one


def test_no_two_terms_of_real_cases_become_one(shared: Path) -> None:
    """All Preferred Terms in the VAERS years at hand: two names with one key would be recoded as one."""
    names: set[str] = set()
    for file in sorted((shared / "data" / "vaers").glob("*VAERSData.zip")):
        with zipfile.ZipFile(file) as archive:
            inside = next(n for n in archive.namelist() if n.upper().endswith("VAERSSYMPTOMS.CSV"))
            frame = pd.read_csv(archive.open(inside), encoding="latin-1", dtype="str", keep_default_na=False)
        names |= {name for i in range(1, 6) for name in frame[f"SYMPTOM{i}"] if name}
    assert len(names) > 1000
    keys: dict[str, set[str]] = {}
    for name in names:
        keys.setdefault(key(name), set()).add(exact(name))
    assert {k: v for k, v in keys.items() if len(v) > 1} == {}


@given(st.text(max_size=40))
def test_a_key_is_its_own_key(text: str) -> None:
    assert exact(exact(text)) == exact(text)
    assert isinstance(key(text), str)


def test_every_character_is_its_own_key() -> None:
    """Random text found U+2120, which folds to capitals, once in many runs; this looks at all of them."""
    characters = [chr(code) for code in range(sys.maxunicode + 1) if not 0xD800 <= code < 0xE000]
    assert [c for c in characters if exact(exact(c)) != exact(c)] == []
    assert exact("Drug\u2120") == "drugsm"


TEXTS = st.text() | st.text(alphabet="aehmosuyz AN'-_\n\u00e4\u3042", max_size=30)


@given(st.lists(TEXTS, max_size=6))
def test_many_texts_are_taken_apart_as_each_alone(texts: list[str]) -> None:
    words = words_of(texts)
    apart = [words.which[a:b] for a, b in itertools.pairwise(words.starts)]
    assert [[words.distinct[n] for n in which] for which in apart] == [exact(t).split() for t in texts]
    assert len(set(words.distinct)) == len(words.distinct)
    assert bags(texts).tolist() == [bag(text) for text in texts]


NAMES = (
    "Haemolytic anaemia",
    "pains of the liver",
    "NOS",
    "Fever without rash",
    "Sj\u00f6gren's syndromes",
    "",
)


@given(st.sampled_from(NAMES), st.randoms())
def test_equal_keys_are_in_one_bag(name: str, random: Random) -> None:
    words = name.split()
    random.shuffle(words)
    other = random.choice(
        (" ".join(words), name.upper(), in_one_spelling([name.lower()])[0], f"{name}, unspecified")
    )
    assert key(name) != key(other) or bag(name) == bag(other)
    assert bag(name) != bag(f"{name} kidney")
