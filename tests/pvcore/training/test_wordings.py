"""Coding answers what was coded before as it was coded, whatever the words are."""

from __future__ import annotations

import dataclasses

import pytest

from pvcore.errors import LeakageError, TrainingError
from pvcore.inference import kept, wordings
from pvcore.inference.predict import load
from pvcore.records import Example

ODD = "went all wobbly on Tuesday"
CODE = "90000007"


@pytest.fixture
def known(verbatims):
    """The rows, and one wording that shares nothing with its term."""
    return [*verbatims, Example("odd", "c-odd", ODD, CODE, "k-odd")]


def test_a_wording_is_answered_as_it_was_coded(tiny_base, specify, verbatims, known, terms, train):
    """Of a row that no batch held; by the same bytes in any company, and as long as the term is current."""
    asked = specify(tiny_base, "coding", training__epochs=1, training__wordings=True, lora__dropout=0.0)
    made = train(asked, verbatims, base=tiny_base, terms=terms, known=known, threads=1)
    assert "c-odd" in made.fitted and "c-odd" not in made.consumed
    model = load(made.adapter, tiny_base)
    (found,) = model.predict([("a", ODD)], terms=terms)
    assert found.answer == CODE and found.score == pytest.approx(1, abs=1e-5)
    assert wordings.NOTE in found.notes
    assert len({code for code, _ in found.ranked}) == len(found.ranked) == 5
    many = model.predict([(row.example_id, row.text) for row in known], terms=terms, threads=2)
    assert (many[-1].answer, many[-1].score, many[-1].ranked) == (found.answer, found.score, found.ranked)
    assert [p.answer for p in many] == [row.label for row in known]
    retired = terms[terms["llt_code"] != CODE]
    (other,) = model.predict([("a", ODD)], terms=retired)
    assert CODE not in dict(other.ranked) and wordings.NOTE not in other.notes

    again = train(asked, verbatims, base=tiny_base, terms=terms, known=known[::-1], threads=2)
    assert again.digest == made.digest
    plain = specify(tiny_base, "coding", training__epochs=1, lora__dropout=0.0)
    without = train(plain, verbatims, base=tiny_base, terms=terms, known=known)
    assert wordings.FILE not in without.files and wordings.FILE in made.files
    assert load(without.adapter, tiny_base).predict([("a", ODD)], terms=terms)[0].answer != CODE


def test_an_update_keeps_what_its_parent_was_coded_with(tiny_base, specify, verbatims, known, terms, train):
    """The rows of the parent that are not replayed come as known rows, and are seen by the new network."""
    ask = {"training__epochs": 1, "training__wordings": True, "lora__dropout": 0.0}
    first = train(specify(tiny_base, "coding", **ask), known, base=tiny_base, terms=terms)
    asked = specify(tiny_base, "coding", parent=first, **ask)
    new = [dataclasses.replace(r, example_id=f"n{i}", text=f"new {r.text}") for i, r in enumerate(verbatims)]
    second = train(asked, new, base=tiny_base, terms=terms, parent=first.adapter, known=[*new, *known])
    assert load(second.adapter, tiny_base).predict([("a", ODD)], terms=terms)[0].answer == CODE
    assert second.files[wordings.FILE] != first.files[wordings.FILE]


def test_a_known_row_may_not_be_held_out(tiny_base, specify, verbatims, known, terms, train):
    asked = specify(tiny_base, "coding", training__wordings=True)
    with pytest.raises(LeakageError, match="c-odd"):
        train(asked, verbatims, [known[-1]], base=tiny_base, terms=terms, known=known)


def test_only_coding_by_an_encoder_keeps_wordings(tiny_base, specify, rows, train):
    with pytest.raises(TrainingError, match=r"training\.wordings is for coding by an encoder"):
        train(specify(tiny_base, training__wordings=True), rows(20, 1), base=tiny_base)


def test_a_label_that_is_no_code_is_named_before_anything_is_trained(
    tiny_base, specify, verbatims, terms, train
):
    wrong = [dataclasses.replace(verbatims[0], label="R11"), *verbatims[1:]]
    with pytest.raises(TrainingError, match=f"{verbatims[0].example_id}: expected an LLT code .* 'R11'"):
        train(specify(tiny_base, "coding", training__wordings=True), wrong, base=tiny_base, terms=terms)


def test_a_terms_own_words_are_that_term(tiny_base, specify, verbatims, terms, train):
    """Whatever somebody coded them to once."""
    names = dict(zip(terms["llt_name"], terms["llt_code"], strict=True))
    other = [Example(f"o{n}", f"o{n}", n, CODE, f"o{n}") for n in names]
    asked = specify(tiny_base, "coding", training__epochs=1, training__wordings=True, lora__dropout=0.0)
    made = train(asked, verbatims, base=tiny_base, terms=terms, known=[*verbatims, *other])
    found = load(made.adapter, tiny_base).predict([(name, name) for name in names], terms=terms)
    assert [p.answer for p in found] == list(names.values())


def test_what_training_made_of_the_terms_is_what_the_adapter_makes(
    tiny_base, specify, verbatims, terms, train, tmp_path
):
    """To the last bit, so that who asks it next need not make them again; each text is asked about once."""
    asked = specify(
        tiny_base, "coding", training__epochs=1, training__wordings=True, training__evaluate_every=1
    )
    held = [
        dataclasses.replace(r, example_id=f"h{i}", case_id=f"h{i}", cluster=f"h{i}", text=f"held {r.text}")
        for i, r in enumerate(verbatims)
    ]
    made = train(asked, verbatims, held, base=tiny_base, terms=terms, vectors=tmp_path / "vectors.npz")
    left = kept.read(tmp_path / "vectors.npz")
    model = load(made.adapter, tiny_base)
    model.predict(held[:1], terms=terms)
    assert set(left) == set(terms["llt_name"])
    assert {name: v.tobytes() for name, v in left.items()} == {
        name: v.tobytes() for name, v in model.kept.items()
    }
