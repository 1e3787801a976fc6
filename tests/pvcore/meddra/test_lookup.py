"""A term by code or name: its place, its synonyms, and what became of it."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from pvcore.errors import NotFound
from pvcore.meddra.lookup import codes, history, place
from pvcore.meddra.release import Dictionary

Build = Callable[..., Dictionary]
A, B, C, X, Y, Z = "90000101", "90000102", "90000103", "90000201", "90000202", "90000203"
BASE = {
    A: ("Hepatic pain", A, "Y"),
    B: ("Renal oedema", B, "Y"),
    C: ("Convulsion", C, "Y"),
    X: ("Liver ache", A, "Y"),
    Y: ("Liver ache NOS", A, "N"),
}


def test_every_path_and_every_synonym(build: Build) -> None:
    term = place(X, build(llts=BASE, hlts={A: ["90000033", "90000031"]}))
    assert (term.level, term.pt_name, term.current) == ("LLT", "Hepatic pain", True)
    assert [(p.primary, p.hlt, p.soc) for p in term.paths] == [
        (True, "Liver A", "Liver"), (False, "Heart A", "Heart"),
    ]  # fmt: skip
    assert [(s.name, s.current) for s in term.synonyms] == [
        ("Hepatic pain", True), ("Liver ache", True), ("Liver ache NOS", False),
    ]  # fmt: skip
    assert place(A, build(llts=BASE)).level == "PT"
    assert term.to_value()["paths"][0]["soc"] == "Liver"
    with pytest.raises(NotFound):
        place("99999999", build(llts=BASE))


def test_what_became_of_a_term(build: Build) -> None:
    changed = {**BASE, C: ("Convulsion", Z, "Y"), Z: ("Seizure", Z, "Y"), X: ("Ache of liver", B, "N")}
    releases = [
        build(llts=BASE),
        build(llts=changed, version="29.0"),
        build(llts={**changed, C: ("Convulsion", C, "Y"), B: ("Kidney oedema", B, "Y")}, version="29.1"),
        build(llts={**changed, X: ("Ache of liver", B, "Y")}, hlts={Z: ["90000033"]}, version="30.0"),
    ]
    assert [step.changes for step in history(C, releases)] == ["", "demoted", "promoted", "demoted"]
    assert [(s.version, s.changes) for s in history(Z, releases)] == [
        ("29.0", "new"), ("29.1", ""), ("30.0", "primary SOC"),
    ]  # fmt: skip
    assert [step.changes for step in history(X, releases)] == [
        "", "renamed, moved, no longer current", "PT renamed", "PT renamed, current again",
    ]  # fmt: skip
    assert history(A, [releases[0], build(llts=BASE, hlts={A: ["90000032"]}, version="29.0")])[1].changes == (
        "hierarchy"
    )
    assert history("99999999", releases) == []


def test_a_name_that_only_an_old_release_has_is_found(build: Build) -> None:
    releases = [build(llts=BASE), build(llts={**BASE, X: ("Ache of liver", A, "Y")}, version="29.0")]
    assert codes("LIVER ACHE", releases) == [X]
    assert codes("Convulsion", releases) == [C] == codes(C, releases)
    assert codes("", releases) == [] == codes("nothing", releases)
    switched = {**BASE, X: ("Liver ache NOS", A, "Y"), Y: ("Liver ache", A, "N")}
    assert codes("Liver ache", [releases[0], build(llts=switched, version="29.0")]) == [Y, X]
