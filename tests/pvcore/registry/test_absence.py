"""A proof of absence: right for every case, small, refused when altered, and readable without the product."""

from __future__ import annotations

import base64
import copy
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pvcore.records import canonical, digest
from pvcore.registry import absence, absence_tree
from pvcore.registry.absence import EMPTY, bit, index_of, key_of, leaf_of, node_of, root_of, salt_of

SECRET = bytes(range(32))
KEY = key_of(SECRET)
CASES = [f"US-{number}" for number in range(400)]


def plain_root(cases: list[str]) -> str:
    """The tree as its definition says it, without a shortcut."""

    def top(found: list[bytes], depth: int) -> bytes:
        if not found:
            return EMPTY
        if len(found) == 1:
            return leaf_of(found[0], salt_of(SECRET, found[0]))
        sides = [[index for index in found if bit(index, depth) == side] for side in (0, 1)]
        return node_of(*(top(side, depth + 1) for side in sides))

    return root_of(KEY, top(sorted(index_of(KEY, case) for case in set(cases)), 0)).hex()


def document(tree: absence_tree.Tree, case: str) -> dict[str, Any]:
    """A proof bound by an entry as registration writes it."""
    read = {"root": tree.root, "records": len(tree.index)}
    body = {"problem": "seriousness", "number": 2, "version": "a" * 64, "read": read}
    text = canonical({"kind": "Registered", "sequence": 17, "body": body})
    bound = {"version": "seriousness@2", "manifest": "a" * 64, "entry": digest(text)}
    return {
        "proof": {"format": 1, "case": case, **bound, **read, **tree.prove(case)},
        "registered": text.decode(),
        "limits": list(absence.LIMITS),
    }


@pytest.fixture(scope="module")
def tree() -> absence_tree.Tree:
    return absence_tree.build(CASES, SECRET)


@settings(max_examples=30)
@given(st.lists(st.text(max_size=4)), st.text(max_size=4))
def test_any_set_has_the_root_of_its_definition_and_proves_what_is_in_it(
    cases: list[str], other: str
) -> None:
    made = absence_tree.build(cases, SECRET)
    assert made.root == plain_root(cases)
    for case in (*cases, other):
        assert absence.check(document(made, case)).claim == ("present" if case in cases else "absent")


def test_order_and_repetition_do_not_matter_and_another_secret_does(tree) -> None:
    assert absence_tree.build([*reversed(CASES), *CASES], SECRET).root == tree.root
    assert absence_tree.build(CASES, bytes(32)).root != tree.root


def test_a_proof_says_nothing_of_a_third_case_but_the_one_record_it_may_end_at(tree) -> None:
    keyed = {index_of(KEY, case) for case in CASES}
    for number in range(50):
        proof = tree.prove(f"other {number}")
        ends = {proof["end"]["index"]} if proof["end"] else set()
        assert {value.hex() for value in keyed if value.hex() in json.dumps(proof)} == ends
        path = base64.b64decode(proof["path"])
        # Without the secret, the salts of the leaves beside the path are not known.
        beside = {path[at : at + 32] for at in range(0, len(path), 32)}
        assert not beside & {leaf_of(value, salt_of(KEY, value)) for value in keyed}


def altered(told: dict[str, Any], name: str, value: Any) -> dict[str, Any]:
    changed = copy.deepcopy(told)
    changed["proof"][name] = value
    return changed


@pytest.mark.parametrize("case", ["US-7", "nobody"])
def test_every_alteration_is_refused(tree, case: str) -> None:
    told = document(tree, case)
    proof = told["proof"]
    present = tree.prove("US-8")
    for name, value in {
        "case": "US-9" if case == "nobody" else "nobody",
        "claim": "present" if case == "nobody" else "absent",
        "version": "seriousness@3",
        "manifest": "b" * 64,
        "entry": "b" * 64,
        "root": "b" * 64,
        "records": 1,
        "key": "00" * 32,
        "sides": proof["sides"][:-1],
        "path": present["path"],
        "end": present["end"],
        "format": 2,
    }.items():
        with pytest.raises(ValueError):
            absence.check(altered(told, name, value))
    # The foreign leaf of a case that is there: its own place is taken, so another's cannot stand in it.
    with pytest.raises(ValueError):
        absence.check(altered(altered(told, "end", None), "claim", "absent") if case == "US-7" else {})


def test_the_entry_must_say_the_same(tree) -> None:
    told = document(tree, "nobody")
    other = json.loads(told["registered"])
    other["body"]["read"]["root"] = "c" * 64
    text = canonical(other).decode()
    with pytest.raises(ValueError, match="otherwise about: root"):
        absence.check({**altered(told, "entry", digest(text.encode())), "registered": text})


@pytest.mark.parametrize(
    "odd", [None, 1, [], {}, {"proof": 1, "registered": ""}, {"proof": {"format": 1}, "registered": ""}]
)
def test_what_is_no_proof_is_refused(odd: Any) -> None:
    with pytest.raises(ValueError, match="no proof"):
        absence.check(odd)


def test_proofs_stay_small_and_quick(tree) -> None:
    """At 10 million records a path is 15 steps longer; benchmarks/absence.py measures it."""
    worst = max(len(json.dumps(document(tree, f"other {n}")["proof"])) for n in range(200))
    assert worst + 15 * 44 < 2048


def test_a_tree_that_was_kept_is_the_same_and_a_damaged_one_is_not_used(tree, tmp_path: Path) -> None:
    absence_tree.keep(tree, tmp_path)
    found = absence_tree.kept(tmp_path, tree.root, SECRET)
    assert found and found.prove("nobody") == tree.prove("nobody")
    assert absence_tree.kept(tmp_path, "d" * 64, SECRET) is None
    file = tmp_path / tree.root / "nodes.npy"
    data = bytearray(file.read_bytes())
    data[-32 * 200 :] = bytes(32 * 200)
    file.write_bytes(data)
    assert absence_tree.kept(tmp_path, tree.root, SECRET) is None


@pytest.mark.parametrize("name", ["index.npy", "nodes.npy"])
@pytest.mark.parametrize("left", [0, 40, 2000])
def test_a_tree_that_was_kept_in_part_is_built_again(tree, tmp_path: Path, name: str, left: int) -> None:
    absence_tree.keep(tree, tmp_path)
    file = tmp_path / tree.root / name
    file.write_bytes(file.read_bytes()[:left])
    assert absence_tree.kept(tmp_path, tree.root, SECRET) is None


def test_a_tree_is_kept_by_several_at_once(tree, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Another keeps the same tree while this one writes: neither takes the other's file away."""
    save = np.save

    def overtaken(file: Path, array: Any) -> None:
        monkeypatch.setattr(absence_tree.np, "save", save)
        save(file, array)
        absence_tree.keep(tree, tmp_path)

    monkeypatch.setattr(absence_tree.np, "save", overtaken)
    absence_tree.keep(tree, tmp_path)
    assert absence_tree.kept(tmp_path, tree.root, SECRET)
    assert {file.name for file in (tmp_path / tree.root).iterdir()} == {"index.npy", "nodes.npy"}


def test_the_check_needs_the_standard_library_alone(tree, tmp_path: Path) -> None:
    (tmp_path / "absence.py").write_bytes(Path(absence.__file__).read_bytes())
    (tmp_path / "proof.json").write_text(json.dumps(document(tree, "nobody")))
    code = "import absence, json; print(absence.check(json.load(open('proof.json'))).claim)"
    done = subprocess.run(
        [sys.executable, "-S", "-E", "-c", code], cwd=tmp_path, capture_output=True, text=True, check=True
    )
    assert done.stdout == "absent\n"
