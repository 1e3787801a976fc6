"""Datasets: one digest is one content, updates keep splits, codes migrate, and nothing is lost."""

from __future__ import annotations

import dataclasses
import io
import json
import time
from pathlib import Path

import pandas as pd
import pytest

from pvcore.annotations import dataset, table
from pvcore.annotations.batch import make_batch, stored
from pvcore.annotations.dataset_diff import compare
from pvcore.annotations.generate import generate_cases
from pvcore.annotations.leakage import SplitSettings, check_leakage
from pvcore.annotations.merge import Pool
from pvcore.annotations.work_list import work_list
from pvcore.errors import BatchError, ConfigError
from pvcore.meddra.generate import Truth
from pvcore.meddra.mapping import Migration, columns
from pvcore.records import Annotation, Case, Reaction, digest

SPLIT = SplitSettings()


def build(store, *batches, version="29.0", base=None, mappings=(), split=SPLIT):
    return dataset.build(
        store, batches=batches, mappings=mappings, meddra_version=version, base=base, split=split, seed=17
    )


def case(name: str, text: str = "", **more) -> Case:
    words = text or " ".join(digest([name, i])[:7] for i in range(40))
    return Case(name, words, received="2001-02-03", **more)


def coded(name: str, code: str, who: str = "a", version: str = "29.0") -> Annotation:
    return Annotation(name, "coding", {"llt_code": code}, who, target="rash", meddra_version=version)


def judged(name: str, serious: bool, who: str = "a", **more) -> Annotation:
    return Annotation(name, "seriousness", {"serious": serious, "criteria": []}, who, **more)


@pytest.fixture
def batch(generated):
    return make_batch("first", "x", *generated)


def test_the_same_content_has_the_same_digest(store, batch) -> None:
    info = build(store, batch)
    kept = dict(store)
    assert build(store, batch) == info and dict(store) == kept
    other = make_batch("other name", "x", batch.cases[::-1], batch.annotations[::-1])
    assert build(store, other).digest == info.digest
    fewer = make_batch("first", "x", batch.cases, batch.annotations[:-1])
    assert build(store, fewer).digest != info.digest
    assert build(store, batch, split=SplitSettings(test=0.2)).digest != info.digest
    assert info.digest == digest(info.manifest())


def test_tables(store, batch) -> None:
    info = build(store, batch)
    loaded = dataset.load(store, info.digest)
    assert loaded.info == info
    assert len(loaded.cases) == info.counts["cases"] == len(batch.cases)
    assert len(loaded.annotations) == len(batch.annotations)
    assert set(loaded.cases["split"]) == {"train", "tune", "test"}
    assert set(loaded.cases["batch"]) == {batch.digest}
    check_leakage(loaded.cases)
    row = loaded.labels[loaded.labels["problem"] == "coding"].iloc[0]
    assert list(row["annotators"]) == ["annotator-a", "annotator-b"] and "llt_code" in json.loads(
        row["value"]
    )
    # every annotation made a label or waits with a reason
    settled = set(map(tuple, loaded.labels[["case_id", "problem", "target"]].to_numpy().tolist()))
    waits = {
        (o.annotation.case_id, o.annotation.problem, o.annotation.target)
        for o in dataset.open_items(store, info)
    }
    assert settled | waits == {(a.case_id, a.problem, a.target) for a in batch.annotations}
    assert not settled & waits and all(o.reason for o in dataset.open_items(store, info))


def test_hugging_face_datasets_reads_the_tables(store, batch, tmp_path: Path) -> None:
    datasets = pytest.importorskip("datasets")
    info = build(store, batch)
    for name in ("cases", "labels"):
        blob = store.get(f"blobs/sha256/{getattr(info, name)}")
        path = tmp_path / f"{name}.parquet"
        path.write_bytes(blob)
        found = datasets.Dataset.from_parquet(str(path), cache_dir=str(tmp_path / "cache"))
        assert found.num_rows == len(pd.read_parquet(io.BytesIO(blob)))


def test_an_update_keeps_every_split(store, truth: Truth, batch) -> None:
    first = build(store, batch)
    more = make_batch("second", "x", *generate_cases(truth.dictionary, n=80, seed=5, prefix="U"))
    # other shares would put many cases elsewhere, but those that are known keep their place
    second = build(store, more, base=first.digest, split=SplitSettings(test=0.7, tune=0.05))
    before = dataset.load(store, first.digest).cases.set_index("case_id")
    after = dataset.load(store, second.digest).cases.set_index("case_id")
    assert after.loc[before.index, "split"].tolist() == before["split"].tolist()
    assert second.parent == first.digest and second.batches == (batch.digest, more.digest)
    assert len(after) == len(before) + 80


def test_a_new_copy_of_a_held_out_case_is_held_out(store) -> None:
    cases = [case(f"c{i}") for i in range(40)]
    first = build(store, make_batch("1", "x", cases, [judged(c.case_id, True) for c in cases]))
    table = dataset.load(store, first.digest).cases.set_index("case_id")
    held = table.index[table["split"] == "test"][0]
    copy = dataclasses.replace(next(c for c in cases if c.case_id == held), case_id="copy")
    second = build(store, make_batch("2", "x", [copy], [judged("copy", True)]), base=first.digest)
    after = dataset.load(store, second.digest).cases.set_index("case_id")
    assert after.loc["copy", "split"] == "test" and after.loc["copy", "cluster"] == after.loc[held, "cluster"]


def test_a_text_that_was_held_out_once_is_never_trained_on(store) -> None:
    """Its case may say something else by now: a follow-up replaced the narrative. Its like stays held out."""
    cases = [case(f"c{i}") for i in range(40)]
    first = build(store, make_batch("1", "x", cases, [judged(c.case_id, True) for c in cases]))
    table = dataset.load(store, first.digest).cases.set_index("case_id")
    held = table.index[table["split"] == "test"][0]
    old = next(c for c in cases if c.case_id == held)
    now = dataclasses.replace(
        old, narrative="A wholly different narrative of this case came with the follow-up."
    )
    second = build(store, make_batch("2", "x", [now], [judged(held, True)]), base=first.digest)
    copies = [dataclasses.replace(old, case_id=f"copy{i}") for i in range(12)]
    third = build(
        store, make_batch("3", "x", copies, [judged(c.case_id, True) for c in copies]), base=second.digest
    )
    after = dataset.load(store, third.digest).cases.set_index("case_id")
    assert {after.loc[c.case_id, "split"] for c in copies} == {"test"} == {after.loc[held, "split"]}
    assert after.loc["copy0", "cluster"] != after.loc[held, "cluster"]


def test_batches_by_digest(store, batch) -> None:
    store.put_if_absent(f"blobs/sha256/{batch.digest}", b"".join(stored(batch)))
    assert build(store, batch.digest) == build(store, batch)


def test_cases_that_come_again(store) -> None:
    one, two = case("c1", age_years=3.0), case("c2")
    first = build(store, make_batch("1", "x", [one, two], [judged("c1", True), judged("c2", True)]))
    poorer = dataclasses.replace(one, age_years=None, sex="F")
    follow_up = case("c2", "A wholly different narrative of the same case arrives later.")
    second = build(
        store, make_batch("2", "x", [poorer, follow_up], [judged("c1", True, "b"), judged("c2", False, "b")]),
        base=first.digest,
    )  # fmt: skip
    assert (second.counts["cases repeated"], second.counts["cases replaced"]) == (1, 1)
    loaded = dataset.load(store, second.digest)
    kept = loaded.cases.set_index("case_id")
    assert kept.loc["c1", "age_years"] == 3.0 and kept.loc["c1", "sex"] == "F"
    labels = loaded.labels.set_index("case_id")
    assert list(labels.loc["c1", "annotators"]) == ["a", "b"]
    # the judgement of the old narrative does not count against that of the new one
    assert json.loads(labels.loc["c2", "value"])["serious"] is False and list(
        labels.loc["c2", "annotators"]
    ) == ["b"]


def marked(name: str, text: str, *words: str, who: str = "a") -> Annotation:
    spans = [{"start": text.index(w), "end": text.index(w) + len(w), "label": "Drug"} for w in words]
    return Annotation(name, "extraction", {"spans": spans}, who)


def words_of(store, name: str) -> dict[str, list[str]]:
    """Case -> the words that its label marks in its narrative."""
    loaded = dataset.load(store, name)
    text = loaded.cases.set_index("case_id")["narrative"]
    labels = loaded.labels[loaded.labels["problem"] == "extraction"].set_index("case_id")["value"]
    return {
        case_id: [text[case_id][span["start"] : span["end"]] for span in json.loads(value)["spans"]]
        for case_id, value in labels.items()
    }


def test_thousands_of_follow_ups_and_a_work_list_of_them_take_seconds(tmp_path: Path) -> None:
    def told(number: int, text: str) -> tuple[list[Case], list[Annotation]]:
        names = [f"c{n}" for n in range(number)]
        said = [
            Annotation(name, "coding", {"llt_code": "90000001"}, "ann", "rash", meddra_version="29.0")
            for name in names
        ]
        return [Case(name, f"{text} {name}", reactions=(Reaction("rash"),)) for name in names], said

    began = time.process_time()
    pool = Pool("29.0", [])
    pool.add("first", *told(12_000, "A rash of"))
    cases, said = told(3_000, "More on the rash of")
    pool.add("second", cases, said)
    assert pool.counts["cases replaced"] == 3_000
    table.write_tasks(cases, tmp_path / "work.csv", suggestions=said)
    assert time.process_time() - began < 4  # 15 where each case looked through all that was said


def test_marks_of_a_text_in_other_white_space_keep_their_words(store) -> None:
    known, now = "After  aspirin she had\n\na  rash .", "After aspirin she had a rash ."
    first = build(store, make_batch("1", "x", [case("c1", known), case("c2", known)], []))
    both = [case("c1", now), case("c2", now)]
    parts = [[6, 13], [24, 28]]
    said = {"spans": [{"start": 6, "end": 28, "label": "Drug", "parts": parts}], "relations": []}
    marks = [marked("c1", now, "aspirin", "rash", " ", "."), Annotation("c2", "extraction", said, "a")]
    second = build(store, make_batch("2", "x", both, marks), base=first.digest)
    loaded = dataset.load(store, second.digest)
    assert words_of(store, second.digest)["c1"] == ["aspirin", "rash", "  ", "."]
    value = json.loads(loaded.labels.set_index("case_id").loc["c2", "value"])
    assert [known[slice(*part)] for part in value["spans"][0]["parts"]] == ["aspirin", "rash"]
    assert known[value["spans"][0]["start"] : value["spans"][0]["end"]].split() == known.split()[1:-1]
    no_spans = Annotation("c1", "extraction", {"spans": [{"start": 0}]}, "a")
    build(store, make_batch("3", "x", both, [no_spans]), base=first.digest)


def test_marks_of_an_earlier_text_wait_until_the_new_one_is_marked(store) -> None:
    old, new = "After aspirin she had a rash.", "Follow-up: she recovered. After aspirin she had a rash."
    years = SplitSettings(by="time", test_years=(2003,))
    said = [marked("c1", old, "aspirin"), marked("c1", old, "aspirin", who="b"), judged("c1", True)]
    first = build(store, make_batch("1", "x", [case("c1", old)], said), split=years)
    second = build(store, make_batch("2", "x", [case("c1", new)], []), base=first.digest, split=years)
    third = build(store, make_batch("3", "x", [case("c1", new)], []), base=second.digest, split=years)
    for info in (second, third):
        assert info.excluded == {"narrative": 2} and info.counts["labels"] == {"seriousness": 1}
    (lost,) = [c for c in compare(store, first.digest, second.digest).labels if c.problem == "extraction"]
    assert (lost.change, lost.reason, lost.detail) == ("lost", "narrative", "marked on an earlier text")
    waiting = work_list(store, third.digest)
    assert [c.case_id for c in waiting.cases] == ["c1"] and waiting.suggestions == ()
    twin = dataclasses.replace(case("c2", new), received="2003-01-01")
    aside = build(store, make_batch("twin", "x", [twin], []), base=third.digest, split=years)
    assert aside.excluded == {"aside": 3} and work_list(store, aside.digest).cases == ()
    back = build(store, base=aside.digest)
    assert back.excluded == {"narrative": 2}
    again = make_batch("4", "x", [case("c1", new)], [marked("c1", new, "aspirin", who="c")])
    for base in (first, second, back):
        settled = build(store, again, base=base.digest)
        assert settled.excluded == {} and settled.counts["annotations superseded"] == 2
        assert words_of(store, settled.digest) == {"c1": ["aspirin"]}
        assert build(store, base=settled.digest).excluded == {}


def takes_back(*names: str):
    return make_batch("gone", "x", [], [], nullified=names)


def test_a_case_that_was_taken_back_leaves_with_all_that_was_said_of_it(store) -> None:
    text = "After aspirin she had a rash."
    cases = [case("c1"), case("c2", text), case("c3")]
    said = [
        judged("c1", True), judged("c1", False, "b"), marked("c2", text, "aspirin"), judged("c2", True),
        judged("c3", True),
    ]  # fmt: skip
    first = build(store, make_batch("1", "x", cases, said))
    follow_up = make_batch("2", "x", [case("c2", f"More. {text}")], [])
    before = build(store, follow_up, base=first.digest)
    assert before.excluded == {"disagreement": 2, "narrative": 1} and before.nullified == ""
    gone = takes_back("c1", "c2", "never-here")
    info = build(store, gone, base=before.digest)
    loaded = dataset.load(store, info.digest)
    for frame in (loaded.cases, loaded.annotations, loaded.labels):
        assert set(frame["case_id"]) == {"c3"}
    assert info.excluded == {} and work_list(store, info.digest).cases == ()
    assert info.counts["cases nullified"] == 2 and info.counts["annotations nullified"] == 4
    assert dataset.nullified(store, info) == dict.fromkeys(["c1", "c2", "never-here"], gone.digest)
    assert build(store, gone, base=before.digest) == info == dataset.load_info(store, info.digest)
    # the datasets of before say what they said
    assert dataset.load(store, before.digest).cases["case_id"].tolist() == ["c1", "c2", "c3"]


def test_a_case_that_was_taken_back_never_comes_again(store) -> None:
    """Whoever took it back sends it anew under another id; exports and files that come late are copies of before."""
    gone = takes_back("c1")
    late = make_batch("late", "e2b_r3", [case("c1"), case("c2")], [judged("c1", True), judged("c2", True)])
    inverted, together = build(store, gone, late), build(store, late, gone)
    first = build(store, gone)
    after = build(store, late, base=first.digest)
    again = build(store, takes_back("c1", "c9"), late, base=after.digest)
    for info in (inverted, together, after, again):
        loaded = dataset.load(store, info.digest)
        assert loaded.cases["case_id"].tolist() == loaded.labels["case_id"].tolist() == ["c2"]
        assert dataset.nullified(store, info)["c1"] == gone.digest, "the batch that said so first"
        assert info.counts["annotations nullified"] == 1
    assert after.counts["cases that were nullified before"] == 1 and "cases nullified" not in after.counts
    assert together.counts["cases nullified"] == 1


def test_a_text_that_was_held_out_stays_so_when_its_case_is_taken_back(store) -> None:
    cases = [case(f"c{i}") for i in range(40)]
    first = build(store, make_batch("1", "x", cases, [judged(c.case_id, True) for c in cases]))
    table = dataset.load(store, first.digest).cases.set_index("case_id")
    held = table.index[table["split"] == "test"][0]
    second = build(store, takes_back(held), base=first.digest)
    copies = [case(f"copy{i}", table.loc[held, "narrative"]) for i in range(12)]
    third = build(store, make_batch("3", "x", copies, []), base=second.digest)
    after = dataset.load(store, third.digest).cases.set_index("case_id")["split"]
    assert {after[c.case_id] for c in copies} == {"test"}


def test_a_dataset_of_which_nothing_was_taken_back_has_the_manifest_that_it_always_had(store) -> None:
    info = build(store, make_batch("1", "x", [case("c1")], [judged("c1", True)]))
    assert list(info.manifest()) == [
        "format", "meddra_version", "parent", "batches", "mappings", "split", "seed", "cases", "annotations", "labels",
        "aside", "open", "counts", "excluded",
    ]  # fmt: skip
    assert list(info.counts) == [
        "cases", "clusters", "splits", "labels", "aside", "open", "annotations superseded", "cases repeated",
        "cases replaced",
    ]  # fmt: skip


def test_a_work_list_that_comes_back_settles_the_matter(store) -> None:
    said = [judged("c1", True), judged("c1", False, "b")]
    first = build(store, make_batch("1", "x", [case("c1")], said))
    assert first.counts["open"] == 2 and first.counts["labels"] == {}
    chief = judged("c1", True, "chief", guideline="adjudication")
    second = build(store, make_batch("2", "x", [case("c1")], [chief]), base=first.digest)
    assert second.counts["open"] == 0 and second.counts["labels"] == {"seriousness": 1}
    third = build(store, make_batch("3", "x", [case("c9")], [judged("c9", True)]), base=second.digest)
    assert third.counts["labels"] == {"seriousness": 2}  # and it stays settled


def migration(
    store, rows: list[tuple[str, str, str | None, str]], old: str = "29.0", new: str = "29.1"
) -> str:
    columns = ["row_id", "old_code", "new_code", "new_pt_code", "class", "rule", "suggestions"]
    table = [
        (dataset.row_id(name, "rash", code), code, to, to, kind, "", []) for name, code, to, kind in rows
    ]
    data = (
        Migration(old, new, "d1", "d2", 3, pd.DataFrame(table, columns=columns, dtype="object"))
        .to_json()
        .encode()
    )
    store.put_if_absent(f"blobs/sha256/{digest(data)}", data)
    return digest(data)


def test_codes_move_to_the_new_version(store) -> None:
    cases = [case(f"c{i}") for i in range(4)]
    said = [coded(f"c{i}", f"9000000{i}") for i in range(4)] + [coded("c3", "90000009", "b")]
    first = build(store, make_batch("1", "x", cases, said))
    mapping = migration(store, [
        ("c0", "90000000", "90000000", "unchanged"), ("c1", "90000001", "90000005", "recoded"),
        ("c2", "90000002", None, "needs_review"), ("c3", "90000003", "90000009", "recoded"),
        ("c3", "90000009", "90000009", "unchanged"),
    ])  # fmt: skip
    second = build(store, version="29.1", base=first.digest, mappings=[mapping])
    labels = dataset.load(store, second.digest).labels.set_index("case_id")
    assert {name: json.loads(v)["llt_code"] for name, v in labels["value"].items()} == {
        "c0": "90000000", "c1": "90000005", "c3": "90000009",
    }  # fmt: skip
    assert set(labels["meddra_version"]) == {"29.1"}
    assert second.excluded == {"needs_review": 1}
    (waiting,) = dataset.open_items(store, second)
    assert waiting.annotation.case_id == "c2" and waiting.annotation.meddra_version == "29.0"
    # somebody codes it anew: the old code is settled
    third = build(store, make_batch("2", "x", [cases[2]], [coded("c2", "90000007", "b", "29.1")]), version="29.1",
                  base=second.digest, mappings=[mapping])  # fmt: skip
    assert third.counts["open"] == 0 and third.counts["labels"] == {"coding": 4}


def test_a_migration_does_not_decide_between_annotators(store) -> None:
    said = [coded("c0", "90000000"), coded("c0", "90000001", "b")]
    first = build(store, make_batch("1", "x", [case("c0")], said))
    assert first.excluded == {"disagreement": 2}
    mapping = migration(
        store, [("c0", "90000000", None, "needs_review"), ("c0", "90000001", "90000001", "unchanged")]
    )
    second = build(store, version="29.1", base=first.digest, mappings=[mapping])
    assert second.counts["labels"] == {} and second.excluded == {"disagreement": 1, "needs_review": 1}
    # nor in any later dataset, until somebody codes the verbatim anew
    other = make_batch("2", "x", [case("c9")], [judged("c9", True)])
    third = build(store, other, version="29.1", base=second.digest, mappings=[mapping])
    assert third.excluded == second.excluded
    again = make_batch("3", "x", [case("c0")], [coded("c0", "90000001", "a", "29.1")])
    fourth = build(store, again, version="29.1", base=third.digest, mappings=[mapping])
    assert fourth.counts["labels"] == {"coding": 1, "seriousness": 1} and fourth.counts["open"] == 0


def test_through_two_migrations(store) -> None:
    first = build(store, make_batch("1", "x", [case("c0")], [coded("c0", "90000000")]))
    one = migration(store, [("c0", "90000000", "90000001", "recoded")])
    two = migration(store, [("c0", "90000001", "90000002", "recoded")], "29.1", "30.0")
    info = build(store, version="30.0", base=first.digest, mappings=[one, two])
    assert json.loads(dataset.load(store, info.digest).labels["value"][0]) == {"llt_code": "90000002"}


def test_a_row_that_waits_is_asked_about_by_every_update(store) -> None:
    """So two migrations start at its version; the one that decided last counts, and both can be read."""
    first = build(
        store,
        make_batch("1", "x", [case("c0"), case("c1")], [coded("c0", "90000000"), coded("c1", "90000001")]),
    )
    one = migration(
        store, [("c0", "90000000", None, "needs_review"), ("c1", "90000001", "90000001", "unchanged")]
    )
    second = build(store, version="29.1", base=first.digest, mappings=[one])
    again = migration(store, [("c0", "90000000", "90000004", "recoded")], "29.0", "30.0")
    other = migration(store, [("c1", "90000001", "90000001", "unchanged")], "29.1", "30.0")
    third = build(store, version="30.0", base=second.digest, mappings=[again, other])
    assert third.counts["labels"] == {"coding": 2} and third.counts["open"] == 0
    (change,) = (c for c in compare(store, first.digest, third.digest).labels if c.case_id == "c0")
    assert change.reason == f"migration {again[:12]}: recoded"


def test_a_pt_name_beside_a_code_goes_when_its_pt_may_be_another(store) -> None:
    said = [dataclasses.replace(coded(f"c{i}", f"9000000{i}"), value={"llt_code": f"9000000{i}", "pt_name": "Rash"})
            for i in range(2)]  # fmt: skip
    first = build(store, make_batch("1", "x", [case("c0"), case("c1")], said))
    mapping = migration(store, [
        ("c0", "90000000", "90000000", "unchanged"), ("c1", "90000001", "90000001", "hierarchy_refreshed"),
    ])  # fmt: skip
    second = build(store, version="29.1", base=first.digest, mappings=[mapping])
    values = dataset.load(store, second.digest).labels.set_index("case_id")["value"].map(json.loads)
    assert values.to_dict() == {
        "c0": {"llt_code": "90000000", "pt_name": "Rash"}, "c1": {"llt_code": "90000001"},
    }  # fmt: skip


def names(
    store, rows: list[tuple[str, str, str, str | None, str]], old: str = "8.1", new: str = "29.0"
) -> str:
    """A stored migration of PT names: case, verbatim, name, new name, class."""
    table = [
        (dataset.row_id(name, said, pt), "", to and "1", to and "1", kind, "", [], pt, to)
        for name, said, pt, to, kind in rows
    ]
    moved = Migration(
        old,
        new,
        "",
        "d2",
        3,
        pd.DataFrame(table, columns=list(columns("pt_name")), dtype="object"),
        "pt_name",
    )
    data = moved.to_json().encode()
    store.put_if_absent(f"blobs/sha256/{digest(data)}", data)
    return digest(data)


def test_reactions_by_pt_name_are_carried_in_their_case(store) -> None:
    """A reaction with an LLT, and one in an unknown version, stay as they were reported."""
    reactions = (
        Reaction(pt_name="Fits", meddra_version="8.1", outcome="recovered"),
        Reaction("felt odd", pt_name="Odd", meddra_version="8.1"),
        Reaction(pt_name="Gone", meddra_version="8.1"),
        Reaction(pt_name="Undated"),
        Reaction("rash", "90000001", "8.1", "Fits"),
    )
    made = make_batch("1", "x", [case("c0", reactions=reactions)], [judged("c0", True)])
    mapping = names(store, [
        ("c0", "", "Fits", "Seizure", "recoded"), ("c0", "felt odd", "Odd", "Odd", "unchanged"),
        ("c0", "", "Gone", None, "needs_review"),
    ])  # fmt: skip
    info = build(store, made, mappings=[mapping])
    (found,) = dataset.cases_of(store, dataset.load(store, info.digest))
    assert found.reactions == (
        dataclasses.replace(reactions[0], pt_name="Seizure", meddra_version="29.0"),
        dataclasses.replace(reactions[1], meddra_version="29.0"), *reactions[2:],
    )  # fmt: skip
    assert info.counts["reactions carried"] == 2
    (waits,) = dataset.open_items(store, info)
    assert (waits.annotation.target, waits.annotation.value) == ("Gone", {"pt_name": "Gone"})
    assert waits.reason == "needs_review: MedDRA 8.1 Gone in 29.0"
    # a dataset that is in no MedDRA version asks nobody
    assert build(store, made, mappings=[mapping], version=None).counts["open"] == 0


def test_a_name_that_changes_twice_keeps_its_row(store) -> None:
    made = make_batch("1", "x", [case("c0", reactions=(Reaction(pt_name="Fits", meddra_version="8.1"),))],
                      [judged("c0", True)])  # fmt: skip
    one = names(store, [("c0", "", "Fits", "Convulsion", "renamed")])
    two = names(store, [("c0", "", "Convulsion", "Seizure", "renamed")], "29.0", "29.1")
    first = build(store, made, mappings=[one])
    second = build(store, version="29.1", base=first.digest, mappings=[two])
    old = build(store, made, version=None)
    for base in (old, first):
        (change,) = compare(store, base.digest, second.digest).reactions
        assert (change.change, change.after) == ("changed", "Seizure MedDRA 29.1")
    assert build(store, version="29.1", base=old.digest, mappings=[one, two]).cases == second.cases


def test_codes_without_a_mapping_wait(store) -> None:
    made = make_batch("1", "x", [case("c0")], [coded("c0", "90000000", version="28.0")])
    assert build(store, made).excluded == {"no mapping": 1}
    assert build(store, made, version=None).excluded == {"no MedDRA version": 1}


def test_cases_outside_the_years_are_set_aside_not_lost(store) -> None:
    early = SplitSettings(by="time", train_until=2000, test_years=(2002,))
    cases = [case("c0"), dataclasses.replace(case("c1"), received="1999-01-01")]
    said = [judged("c0", True), judged("c1", True)]
    first = build(store, make_batch("1", "x", cases, said), split=early)
    assert dataset.load(store, first.digest).cases["case_id"].tolist() == ["c1"]
    assert first.counts["aside"] == 1 and first.excluded == {"aside": 1}
    later = SplitSettings(by="time", train_until=2001, test_years=(2002,))
    second = build(store, base=first.digest, split=later)
    assert dataset.load(store, second.digest).cases["case_id"].tolist() == ["c0", "c1"]
    assert second.counts["labels"] == {"seriousness": 2} and second.counts["aside"] == 0


def test_a_held_out_case_that_was_set_aside_comes_back_held_out(store) -> None:
    """A late copy in the years of the test sets it aside; then a follow-up says something else of it."""
    years = SplitSettings(by="time", train_until=2000, tune_years=(2001,), test_years=(2003,))
    old, late = case("c0"), dataclasses.replace(case("c0"), case_id="c1", received="2003-01-01")
    first = build(store, make_batch("1", "x", [old], [judged("c0", True)]), split=years)
    assert dataset.load(store, first.digest).cases["split"].tolist() == ["tune"]
    second = build(store, make_batch("2", "x", [late], []), base=first.digest, split=years)
    assert second.counts["aside"] == 1
    now = dataclasses.replace(old, narrative="A wholly different narrative of this case came later.")
    few = SplitSettings(test=0, tune=0)
    third = build(store, make_batch("3", "x", [now], []), base=second.digest, split=few)
    after = dataset.load(store, third.digest).cases.set_index("case_id")
    assert after["split"].to_dict() == {"c0": "tune", "c1": "test"}


def test_a_changed_blob_is_found(store, batch) -> None:
    info = build(store, batch)
    key = f"blobs/sha256/{info.labels}"
    dict.__setitem__(store, key, store[key][:-1] + b"x")
    with pytest.raises(BatchError, match="its contents have the digest"):
        dataset.load(store, info.digest)
    with pytest.raises(BatchError, match="manifest"):
        dataset.load(store, info.cases)


def test_nothing_to_build(store) -> None:
    with pytest.raises(ConfigError, match="needs a batch"):
        build(store)
