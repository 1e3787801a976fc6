"""What an outsider keeps fixes the ledger: every change is told, no foreign signature counts, proofs stand alone."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest

from pvcore.config import Workspace, init_workspace, open_workspace
from pvcore.records import canonical, digest
from pvcore.registry import audit, checkpoint, merkle, signing
from pvcore.registry.ledger import Ledger, entry_key
from pvcore.registry.store import open_store

JANE = "jane@example.org"
EVE = "eve@example.org"
Pv = Callable[..., tuple[int, str, str]]


@pytest.fixture(scope="module")
def team(
    tmp_path_factory: pytest.TempPathFactory, people: tuple[dict[str, Path], Path]
) -> tuple[Workspace, dict[str, Path]]:
    """A workspace with 12 entries, its checkpoints at 9 and 12, and who may sign such: Jane."""
    root = tmp_path_factory.mktemp("team")
    init_workspace(root)
    keys, allowed = people
    text = allowed.read_text("utf-8")
    lines = [
        line if line.startswith(JANE) else line.replace("pv-checkpoint,", "") for line in text.splitlines()
    ]
    (root / "allowed_signers").write_text("\n".join(lines) + "\n", "utf-8")
    workspace = open_workspace(root)
    for size, name in ((9, "early.txt"), (12, "kept.txt")):
        grow(workspace, size)
        found = audit.audit(workspace.store)
        made = checkpoint.sign(found.ledger, found.size, found.root, JANE, keys[JANE])
        (root / name).write_text(str(made), "ascii")
    return workspace, keys


def grow(workspace: Workspace, until: int) -> None:
    ledger = Ledger(workspace.store)
    for number in range(len(ledger.entries()), until):
        ledger.append("Test", {"number": number, "text": "é"}, actor="a", key=str(number))


@pytest.fixture
def book(team: tuple[Workspace, dict[str, Path]], tmp_path: Path) -> Workspace:
    """A copy of the team's workspace that a test may spoil."""
    shutil.copytree(team[0].root, tmp_path / "book")
    return open_workspace(tmp_path / "book")


@pytest.fixture
def pv(book: Workspace, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Iterator[Pv]:
    """`pv ledger ...` in that workspace: exit code, what it printed, what it complained of."""
    from pvcore.cli import main

    def run(*arguments: str | Path) -> tuple[int, str, str]:
        words = ["pv", "ledger", *map(str, arguments), "-w", str(book.root)]
        monkeypatch.setattr(sys, "argv", words)
        code = 0
        try:
            main()
        except SystemExit as end:
            code = int(end.code or 0)
        out, complaint = capsys.readouterr()
        return code, out, complaint.replace("\n", " ")

    yield run


def keep(pv: Pv, team: tuple[Workspace, dict[str, Path]], file: Path) -> Path:
    code, out, complaint = pv("checkpoint", file, "--key", team[1][JANE], "--name", JANE)
    assert code == 0 and "entries, signed by jane@example.org" in out, complaint
    return file


def folder_of(book: Workspace) -> Path:
    return book.state / "store"


def test_a_checkpoint_is_a_text_that_ssh_keygen_verifies(
    pv: Pv, team: Any, book: Workspace, tmp_path: Path
) -> None:
    file = keep(pv, team, tmp_path / "kept.txt")
    signed, signature = file.read_text("ascii").split("\n\n")
    lines = signed.split("\n")
    assert lines[0] == f"pv-retrain/ledger/{digest(book.store.get(entry_key(1)))}" and lines[1] == "12"
    (tmp_path / "signature").write_text(signature)
    done = subprocess.run(
        ["ssh-keygen", "-Y", "verify", "-f", book.keys.allowed_signers, "-I", JANE, "-n", "pv-checkpoint", "-s",
         tmp_path / "signature"],
        input=f"{signed}\n".encode(), capture_output=True,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    digests = [sha256(book.store.get(entry_key(n))).digest() for n in range(1, 13)]
    assert checkpoint.read(file).root == merkle.root(digests)
    assert pv("verify", file)[0] == 0
    grow(book, 15)
    assert "12 of 15 entries, signed by" in pv("verify", file, "--json")[1]  # of the others it says nothing
    assert (
        pv("verify", file)[0] == pv("verify", "--quick", file, keep(pv, team, tmp_path / "later.txt"))[0] == 0
    )


def rewritten(book: Workspace, first: int, until: int) -> None:
    """Entry `first` altered and everything up to `until` written anew on it, in good form."""
    folder = folder_of(book)
    length = len(list((folder / "ledger").iterdir()))
    for number in range(first, length + 1):
        path = folder / entry_key(number)
        fields = json.loads(path.read_bytes())
        if number == first:
            fields["body"]["text"] = "forged"
        if number > 1:
            fields["previous"] = digest((folder / entry_key(number - 1)).read_bytes())
        path.write_bytes(canonical(fields))
    for number in range(until + 1, length + 1):
        (folder / entry_key(number)).unlink()


@pytest.mark.parametrize(
    ("first", "until", "told"),
    [
        (3, 12, "the first 12 entries are not those that jane@example.org signed"),
        (12, 12, "altered or written anew after entry 9"),
        (1, 12, "it is another one, or was written anew from the start"),
        (12, 11, "1 of the 12 entries"),
        (5, 10, "2 of the 12 entries"),
    ],
)
def test_what_only_a_checkpoint_shows(pv: Pv, book: Workspace, first: int, until: int, told: str) -> None:
    kept, early = book.root / "kept.txt", book.root / "early.txt"
    assert pv("verify", kept, early)[0] == 0
    rewritten(book, first, until)
    assert pv("verify")[0] == 0, "the chain itself holds"
    for quick in ((), ("--quick",)):
        code, out, complaint = pv("verify", *quick, kept, early, "--json")
        (row,) = [row for row in json.loads(out)["checks"] if str(kept) in row["what"]]
        assert code == 4 and told in row["found"] and "do not hold" in complaint


def test_whose_signature_does_not_count(pv: Pv, team: Any, book: Workspace, tmp_path: Path) -> None:
    _, keys = team
    good = book.root / "kept.txt"
    code, _, complaint = pv("checkpoint", tmp_path / "none", "--key", keys[EVE], "--name", EVE)
    assert code == 4 and "made for another purpose" in complaint
    code, _, complaint = pv("checkpoint", tmp_path / "none", "--key", keys[EVE], "--name", JANE)
    assert code == 4 and "not to jane@example.org" in complaint and not (tmp_path / "none").exists()

    made = checkpoint.read(good)
    text = made.text.replace("\n12\n", "\n11\n")
    forgeries = {
        "altered.txt": f"{text}\n{made.signature}",
        "approval.txt": f"{made.text}\n{signing.sign(made.text.encode(), keys[JANE])}",
        "foreign.txt": f"{made.text}\n{signing.sign(made.text.encode(), keys[EVE], 'pv-checkpoint')}",
        "unsigned.txt": made.text,
        "empty.txt": "",
    }
    files = [tmp_path / name for name in forgeries]
    for file in files:
        file.write_text(forgeries[file.name], "ascii")
    code, out, _ = pv("verify", good, *files, "--json")
    rows = {row["what"]: row for row in json.loads(out)["checks"]}
    assert code == 4
    for name, said in {
        "altered.txt": "differs from what was signed", "approval.txt": "made for another purpose",
        "foreign.txt": "not to jane@example.org", "unsigned.txt": "is no checkpoint", "empty.txt": "is no checkpoint",
    }.items():  # fmt: skip
        assert said in rows[str(tmp_path / name)]["found"]
    assert [row["holds"] for row in rows.values()].count("yes") == 2
    (book.root / "revoked_keys").write_text(keys[JANE].with_name("jane.pub").read_text("ascii"))
    code, out, _ = pv("verify", good, "--json")
    assert code == 4 and "revokes its key" in out


def test_nothing_is_signed_that_does_not_hold(pv: Pv, team: Any, book: Workspace, tmp_path: Path) -> None:
    (folder_of(book) / entry_key(5)).unlink()
    code, _, complaint = pv("checkpoint", tmp_path / "kept", "--key", team[1][JANE], "--name", JANE)
    assert code == 4 and "ledger/000000000005: is missing" in complaint and not (tmp_path / "kept").exists()
    for command in (("verify",), ("verify", "--quick"), ("prove", "3")):
        code, out, complaint = pv(*command)
        assert code == 4 and "000000000005" in out + complaint
    shutil.rmtree(folder_of(book))
    code, _, complaint = pv("checkpoint", tmp_path / "kept", "--key", team[1][JANE], "--name", JANE)
    assert code == 4 and "no entries yet" in complaint
    assert pv("prove", "1")[0] == 3 and pv("verify")[0] == 0


def test_an_entry_is_proven_to_whoever_has_the_checkpoint_alone(pv: Pv, book: Workspace) -> None:
    kept = book.root / "kept.txt"
    grow(book, 15)
    told = json.loads(pv("prove", "7", "--checkpoint", kept)[1])
    made = checkpoint.read(kept)  # from here on there is no ledger
    leaf = sha256(told["entry"].encode()).digest()
    proof = [bytes.fromhex(step) for step in told["proof"]]
    assert json.loads(told["entry"])["body"]["number"] == 6 and told["ledger"] == made.ledger
    assert merkle.verify_inclusion(leaf, told["index"], made.size, proof, made.root)
    assert not merkle.verify_inclusion(sha256(b"{}").digest(), told["index"], made.size, proof, made.root)
    named = Ledger(book.store).entries()[13].digest
    assert json.loads(pv("prove", named[:12])[1])["number"] == 14
    for entry, code, said in (
        ("13", 3, "none of the 12 entries"),
        ("0", 3, "Give a number"),
        ("abc", 3, "Give"),
    ):
        got = pv("prove", entry, "--checkpoint", kept)
        assert got[0] == code and said in got[2]


def test_one_checkpoint_is_proven_to_continue_another(
    pv: Pv, team: Any, book: Workspace, tmp_path: Path
) -> None:
    old = book.root / "kept.txt"
    grow(book, 15)
    new = keep(pv, team, tmp_path / "new.txt")
    told = json.loads(pv("consistency", old, new)[1])
    one, two = checkpoint.read(old), checkpoint.read(new)
    proof = [bytes.fromhex(step) for step in told["proof"]]
    assert merkle.verify_consistency(one.size, one.root, two.size, two.root, proof)
    assert pv("consistency", new, old)[0] == 4
    rewritten(book, 4, 15)
    fork = keep(pv, team, tmp_path / "fork.txt")
    code, _, complaint = pv("consistency", old, fork)
    assert code == 4 and "are not the beginning of the 15" in complaint
    code, _, complaint = pv("prove", "2", "--checkpoint", old)
    assert code == 4 and "are not in this ledger" in complaint


def test_a_clock_that_goes_back_is_noted_and_stops_nothing(pv: Pv, book: Workspace) -> None:
    last = folder_of(book) / entry_key(12)
    last.write_bytes(canonical({**json.loads(last.read_bytes()), "time": "2020-01-01T00:00:00.000Z"}))
    code, out, _ = pv("verify", "--json")
    (note,) = json.loads(out)["notes"]
    assert (
        code == 0 and "ledger/000000000012: says 2020-01-01T00:00:00.000Z, before its predecessor's" in note
    )
    assert "note: " in pv("verify")[1]


def test_an_empty_store_has_nothing_to_hold_against(tmp_path: Path) -> None:
    found = audit.audit(open_store(str(tmp_path)))
    assert (found.size, found.root, found.faults) == (0, merkle.EMPTY, ())
