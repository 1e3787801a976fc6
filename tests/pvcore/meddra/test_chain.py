"""A chain of four versions: by composing stored mappings, by walking step by step, and the direct way."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise

import numpy as np
import pandas as pd
import pytest

from pvcore.errors import BatchError, ConfigError
from pvcore.meddra.chain import compose, migrate_through
from pvcore.meddra.generate import Size, generate
from pvcore.meddra.mapping import CLASSES, Migration
from pvcore.meddra.migrate import migrate
from pvcore.meddra.preferred import migrate_names
from pvcore.meddra.release import Dictionary

Build = Callable[..., Dictionary]
A, B, X, Y = "90000101", "90000102", "90000201", "90000202"
BASE = {
    A: ("Hepatic pain", A, "Y"),
    B: ("Renal oedema", B, "Y"),
    X: ("Liver ache", A, "Y"),
    Y: ("Liver soreness", A, "Y"),
}


@pytest.fixture(scope="module")
def chain(tmp_path_factory: pytest.TempPathFactory) -> list[Dictionary]:
    folder, size = tmp_path_factory.mktemp("chain"), Size(4, 8, 24, 150, 500, 3)
    found: list[Dictionary] = []
    for version in ("27.1", "28.0", "28.1", "29.0"):
        previous = found[-1] if found else None
        found.append(generate(folder, version=version, seed=5, size=size, previous=previous).dictionary)
    return found


@pytest.fixture(scope="module")
def coded(chain: list[Dictionary]) -> pd.DataFrame:
    llt = chain[0].tables["llt"]
    rng = np.random.default_rng(0)
    picked = llt.iloc[rng.integers(len(llt), size=300)]
    said = [name.lower() if i % 3 else "something else" for i, name in enumerate(picked["llt_name"])]
    return pd.DataFrame(
        {"row_id": [f"r{i}" for i in range(300)], "llt_code": picked["llt_code"].tolist(), "verbatim": said}
    )


def _steps(rows: pd.DataFrame, releases: list[Dictionary], step: Callable[..., Migration]) -> list[Migration]:
    made = []
    for old, new in pairwise(releases):
        made.append(step(rows, old, new))
        rows = made[-1].apply(rows)
    return made


def test_the_chain_is_the_composition_of_its_steps(chain: list[Dictionary], coded: pd.DataFrame) -> None:
    steps = _steps(coded, chain, migrate)
    composed = compose(compose(steps[0], steps[1]), steps[2])
    other_way = compose(steps[0], compose(steps[1], steps[2]))
    whole = migrate_through(coded, chain)
    walked = coded
    for step in steps:
        walked = step.apply(walked)
    for made in (composed, other_way, whole):
        assert made.apply(coded).equals(walked)
        assert (made.old_version, made.new_version) == ("27.1", "29.0")
        assert (made.old_digest, made.new_digest) == (chain[0].digest, chain[3].digest)
        assert made.rows.drop(columns="suggestions").equals(composed.rows.drop(columns="suggestions"))
        assert (
            set(made.rows["class"]) <= set(CLASSES)
            and made.rows["row_id"].tolist() == coded["row_id"].tolist()
        )
        back = made.revert(walked)
        kept = coded[coded["row_id"].isin(back["row_id"])].reset_index(drop=True)
        assert back.equals(kept), "reversed, every row that was moved is on its old code"
        assert Migration.from_json(made.to_json()).rows.equals(made.rows)
    assert walked["llt_code"].map(chain[3].is_current).all() and len(walked) < len(coded)


def test_suggestions_at_the_end_are_terms_of_the_last_release(
    chain: list[Dictionary], coded: pd.DataFrame
) -> None:
    work = migrate_through(coded, chain).work_list()
    suggested = {code for codes in work["suggestions"] for code in codes}
    assert len(work) and suggested and all(chain[3].is_current(code) for code in suggested)


def test_names_go_through_a_chain_too(chain: list[Dictionary]) -> None:
    names = chain[0].tables["pt"]["pt_name"].tolist()
    rows = pd.DataFrame({"row_id": [str(i) for i in range(len(names))], "pt_name": names})
    steps = _steps(rows, chain, migrate_names)
    composed = compose(compose(steps[0], steps[1]), steps[2])
    whole = migrate_through(rows, chain)
    assert whole.label == "pt_name"
    assert whole.rows.drop(columns="suggestions").equals(composed.rows.drop(columns="suggestions"))
    assert set(whole.apply(rows)["pt_name"]) <= set(chain[3].tables["pt"]["pt_name"])


def test_names_of_a_version_not_at_hand_start_at_the_next_one(build: Build) -> None:
    """The name leads to the first release, from there the code goes on: a later new name is no loss."""
    releases = ["8.1", build(llts=BASE), build(llts={**BASE, B: ("Renal swelling", B, "Y")}, version="29.0")]
    rows = pd.DataFrame({"row_id": ["1", "2"], "pt_name": ["Renal oedema", "Unheard of"]})
    whole = migrate_through(rows, releases)
    found = whole.rows[["new_name", "class", "rule"]].values.tolist()
    assert found == [
        ["Renal swelling", "renamed", "name_of_pt"], [None, "needs_review", "no_such_name"],
    ]  # fmt: skip
    assert (whole.old_version, whole.old_digest, whole.new_version) == ("8.1", "", "29.0")
    direct = migrate_through(rows, [releases[0], releases[2]]).rows.iloc[0]
    assert (direct["class"], direct["rule"]) == ("needs_review", "no_such_name")
    assert Migration.from_json(whole.to_json()).rows.equals(whole.rows)
    assert whole.revert(whole.apply(rows)).equals(rows.head(1))
    for wrong in (rows.rename(columns={"pt_name": "llt_code"}).assign(verbatim=""), rows):
        asked = releases if "llt_code" in wrong else [releases[1], "29.0"]
        with pytest.raises(ConfigError, match="only PT names"):
            migrate_through(wrong, asked)


DIFFERENCES: dict[str, tuple[dict, dict, tuple[str | None, str], tuple[str | None, str]]] = {
    # changes in the second version, in the third, by the chain, directly
    "not current for a while": ({X: ("Liver ache", A, "N")}, {}, (A, "recoded"), (X, "unchanged")),
    "moved, then not current": (
        {X: ("Liver ache", B, "Y")}, {X: ("Liver ache", B, "N")}, (B, "recoded"), (None, "needs_review"),
    ),
    "names exchanged, then renamed": (
        {X: ("Liver soreness", A, "Y"), Y: ("Liver ache", A, "Y")},
        {X: ("Liver soreness", A, "Y"), Y: ("Hepatic ache", A, "Y")},
        (Y, "recoded"), (X, "renamed"),
    ),
    "renamed and back": ({X: ("Ache, liver", A, "Y")}, {}, (X, "renamed"), (X, "unchanged")),
    "moved and back": ({X: ("Liver ache", B, "Y")}, {}, (X, "hierarchy_refreshed"), (X, "unchanged")),
}  # fmt: skip


@pytest.mark.parametrize("name", DIFFERENCES)
def test_where_the_direct_way_differs(name: str, build: Build) -> None:
    middle, last, by_chain, directly = DIFFERENCES[name]
    releases = [
        build(llts=BASE),
        build(llts={**BASE, **middle}, version="29.0"),
        build(llts={**BASE, **last}, version="29.1"),
    ]
    rows = pd.DataFrame({"row_id": ["1"], "llt_code": [X], "verbatim": [""]})
    for made, expected in (
        (migrate_through(rows, releases), by_chain),
        (migrate(rows, releases[0], releases[2]), directly),
    ):
        row = made.rows.iloc[0]
        assert (row["new_code"], row["class"]) == expected


def test_a_row_that_stops_on_the_way_gets_the_advice_of_the_direct_way(build: Build) -> None:
    releases = [
        build(llts=BASE),
        build(llts={**BASE, X: ("Liver ache", B, "N")}, version="29.0"),
        build(llts=BASE, version="29.1"),
    ]
    rows = pd.DataFrame({"row_id": ["1"], "llt_code": [X], "verbatim": ["liver ache"]})
    row = migrate_through(rows, releases).rows.iloc[0]
    assert (row["class"], row["rule"]) == ("needs_review", "not_current_and_moved")
    assert row["suggestions"] == [X]


def test_what_is_no_chain(chain: list[Dictionary], coded: pd.DataFrame) -> None:
    first, _, third = _steps(coded, chain, migrate)
    with pytest.raises(BatchError, match=r"the first ends at MedDRA 28\.0"):
        compose(first, third)
    with pytest.raises(BatchError, match="is in one of them only"):
        compose(first, migrate(first.apply(coded).head(5), chain[1], chain[2]))
    other = first.apply(coded).assign(llt_code=A)
    with pytest.raises(BatchError, match="ends at"):
        compose(first, migrate(other, chain[1], chain[2]))
    with pytest.raises(ConfigError, match="one to carry them to"):
        migrate_through(coded, chain[:1])
