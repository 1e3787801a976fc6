"""Every way round the door that we know of, and the words with which it is refused."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from clock import later

from pvcore.errors import GateError, PvError, RegistryError, SignatureRefused
from pvcore.registry import approval, signing
from pvcore.registry.ledger import Ledger
from pvcore.registry.proof import verify_champion
from pvcore.registry.store import open_store

JANE, MAX, BOT = "jane@example.org", "max@example.org", "train-bot"
Registry = Any


def leaves(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """The places of all plain values in a JSON document."""
    if isinstance(value, dict | list):
        for key, item in value.items() if isinstance(value, dict) else enumerate(value):
            yield from leaves(item, (*path, key))
    else:
        yield path


def altered(document: Any, path: tuple[Any, ...]) -> Any:
    changed = copy.deepcopy(document)
    place = changed
    for key in path[:-1]:
        place = place[key]
    old = place[path[-1]]
    place[path[-1]] = old + 1 if isinstance(old, int) else "x" if old is None else f"{old}x"
    return changed


def test_no_field_of_the_statement_can_be_altered(registry: Registry) -> None:
    registry.adopt(override={"signatures": 1, "roles": ["qppv"]})
    failed = registry.version("one", decision={"outcome": "fail", "reasons": ["recall fell"]})
    request = registry.request(failed, "override")
    text = signing.statement(request, "approve", "Dr Max Moe", "fine", MAX)
    signature, document = signing.sign(text, registry.keys[MAX]), json.loads(text)
    paths = list(leaves(document))
    named = {str(path[-1]) for path in paths} | {str(path[-2]) for path in paths if len(path) > 1}
    assert {"sha256", "report", "policy", "expected_champion", "sequence", "digest", "waived"} <= named
    assert signing.verify(text, signature, MAX, registry.signers)
    for path in paths:
        other = signing.canonical(altered(document, path))
        with pytest.raises(SignatureRefused, match="differs from what was signed"):
            signing.verify(other, signature, MAX, registry.signers)


def test_no_field_of_a_recorded_answer_can_be_altered(registry: Registry) -> None:
    """Whoever can write to the ledger still cannot make an approval say something else."""
    request = registry.request(registry.version("one"))
    answer = registry.answer(request)
    body = dict(answer.body)
    for field, other in {
        "principal": MAX,
        "name": "Dr Max Moe",
        "reason": "better",
        "decision": "reject",
        "signature": registry.sign(request, MAX),
    }.items():
        with open_copy(registry) as mine:
            forged = mine.ledger.append("Approved", {**body, field: other}, actor="mallory")
            switch = mine.promote(request).body
            assert [approval["sequence"] for approval in switch["approvals"]] == [answer.sequence]
            assert [entry["sequence"] for entry in switch["ignored"]] == [forged.sequence]


def open_copy(registry: Registry) -> Any:
    """The registry in a copy, for a test that spoils it."""
    import contextlib
    import shutil
    import tempfile

    @contextlib.contextmanager
    def copied() -> Iterator[Any]:
        with tempfile.TemporaryDirectory() as folder:
            shutil.copytree(registry.store.root, Path(folder, "store"))
            store = open_store(str(Path(folder, "store")))
            yield type(registry)(Path(folder), store, Ledger(store), registry.keys, registry.allowed_signers)

    return copied()


class Scene:
    """A version that waits, and what an attack changes."""

    def __init__(self, registry: Registry, folder: Path, patch: pytest.MonkeyPatch) -> None:
        self.r, self.folder, self.patch = registry, folder, patch
        self.version = registry.version("one")
        self.request = registry.request(self.version)

    def keys(self, *lines: str) -> signing.Keys:
        """An allowed_signers of lines in which {jane}, {max} stand for public keys."""
        file = self.folder / "allowed"
        public = {
            n: self.r.keys[w].with_suffix(".pub").read_text().strip()
            for n, w in (("jane", JANE), ("max", MAX))
        }
        file.write_text("".join(f"{line.format(**public)}\n" for line in lines))
        return signing.Keys(file)


def replayed(s: Scene) -> None:
    s.r.answer(s.r.request(s.version, occasion="again"), signature=s.r.sign(s.request))


def from_another_ledger(s: Scene) -> None:
    """The same version, report, policy and ledger position, in another registry."""
    store = open_store(str(s.folder / "other"))
    other = type(s.r)(s.folder, store, Ledger(store), s.r.keys, s.r.allowed_signers)
    twin = other.request(other.version("one"))
    assert twin.body == s.request.body and twin.sequence == s.request.sequence
    s.r.answer(s.request, signature=other.sign(twin))


def stale(s: Scene) -> None:
    s.r.champion("other")
    s.r.answer(s.request)


def expired(s: Scene) -> None:
    s.patch.setattr(approval, "datetime", later(14.1))
    s.r.answer(s.request)


def expired_after_it_was_signed(s: Scene) -> None:
    s.r.answer(s.request)
    s.patch.setattr(approval, "datetime", later(14.1))
    s.r.promote(s.request)


def key_expired(s: Scene) -> None:
    s.r.answer(s.request, keys=s.keys(f'{JANE} valid-before="20200101" {{jane}}'))


def key_not_yet_valid(s: Scene) -> None:
    s.r.answer(s.request, keys=s.keys(f'{JANE} valid-after="20990101" {{jane}}'))


def key_expired_after_it_signed(s: Scene) -> None:
    s.r.answer(s.request)
    s.r.promote(s.request, keys=s.keys(f'{JANE} valid-before="20200101" {{jane}}'))


def trainer(s: Scene) -> None:
    trusting = s.r.policy.model_copy(update={"trainers": (JANE,)})
    s.r.answer(s.request, policy=trusting)


def trainer_as_another_principal(s: Scene) -> None:
    trusting = s.r.policy.model_copy(update={"trainers": (BOT,)})
    s.r.answer(s.request, policy=trusting, keys=s.keys(f"{JANE} {{jane}}", f'"{BOT},spare" {{jane}}'))


def trainer_by_fingerprint(s: Scene) -> None:
    text = signing.statement(s.request, "approve", "Dr Jane Roe", "fine", JANE)
    key = signing.verify(text, s.r.sign(s.request), JANE, s.r.signers)
    s.r.answer(s.request, policy=s.r.policy.model_copy(update={"trainers": (key,)}))


def registrar_as_another_principal(s: Scene) -> None:
    version = s.r.version("two", actor="ci@example.org")
    s.r.answer(s.r.request(version), keys=s.keys(f"{JANE} {{jane}}", "*@example.org {jane}"))


def who_trained_it(s: Scene) -> None:
    body = {"specification": s.version.manifest.specification, "problem": "seriousness"}
    more = {"adapter": "a", "files": {}, "rows": 1, "seconds": 1}
    s.r.ledger.append("Trained", {**body, **more}, actor=JANE)
    s.r.answer(s.request)


def another_namespace(s: Scene) -> None:
    text = signing.statement(s.request, "approve", "Dr Jane Roe", "fine", JANE)
    s.r.answer(s.request, signature=signing.sign(text, s.r.keys[JANE], "git"))


def promotion_signed_as_rollback(s: Scene) -> None:
    changed = copy.copy(s.request.body) | {"action": "rollback"}
    text = signing.statement(_with(s.request, changed), "approve", "Dr Jane Roe", "fine", JANE)
    s.r.answer(s.request, signature=signing.sign(text, s.r.keys[JANE]))


def _with(entry: Any, body: dict[str, Any]) -> Any:
    import dataclasses

    return dataclasses.replace(entry, body=body)


ATTACKS: list[tuple[Callable[[Scene], None], type[PvError], str]] = [
    (replayed, SignatureRefused, "differs from what was signed"),
    (from_another_ledger, SignatureRefused, "differs from what was signed"),
    (stale, RegistryError, "was switched after approval"),
    (expired, RegistryError, "expired on .* 14 days after it was made. Ask anew"),
    (expired_after_it_was_signed, RegistryError, "expired on"),
    (key_expired, SignatureRefused, "not valid at this time"),
    (key_not_yet_valid, SignatureRefused, "not valid at this time"),
    (key_expired_after_it_signed, SignatureRefused, "not valid at this time"),
    (trainer, SignatureRefused, "trained or registered seriousness@1 and cannot answer"),
    (trainer_as_another_principal, SignatureRefused, "the key of jane@example.org is that of train-bot"),
    (trainer_by_fingerprint, SignatureRefused, "is that of SHA256:"),
    (registrar_as_another_principal, SignatureRefused, "is that of ci@example.org"),
    (who_trained_it, SignatureRefused, "trained or registered seriousness@1"),
    (another_namespace, SignatureRefused, "made for another purpose"),
    (promotion_signed_as_rollback, SignatureRefused, "differs from what was signed"),
]


@pytest.mark.parametrize(("attack", "error", "words"), ATTACKS, ids=[a[0].__name__ for a in ATTACKS])
def test_attack_is_refused(
    attack: Any, error: Any, words: str, registry: Registry, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    scene = Scene(registry, tmp_path, monkeypatch)
    with pytest.raises(error, match=words):
        attack(scene)
    assert registry.ledger.state().champion("seriousness") in (None, "other", *_others(registry))


def _others(registry: Registry) -> list[str]:
    """Versions that the attack itself promoted through the door; never the one that was attacked."""
    return [e.body["version"] for e in registry.ledger.state().versions("seriousness")[1:]]


def test_an_expired_request_is_asked_anew(registry: Registry, monkeypatch: pytest.MonkeyPatch) -> None:
    version = registry.version("one")
    old = registry.request(version)
    assert registry.request(version) == old
    monkeypatch.setattr(approval, "datetime", later(14.1))
    new = registry.request(version)
    assert new.sequence > old.sequence and new.body == old.body
    with pytest.raises(SignatureRefused, match="differs"):
        monkeypatch.undo()
        registry.answer(new, signature=registry.sign(old))


FORGED: dict[str, tuple[Callable[[Registry, Any], dict[str, Any]], type[PvError], str]] = {
    "no signature, and none needed": (
        lambda r, q: {"approvals": [], "signatures": 0},
        SignatureRefused,
        "0 of 1",
    ),
    "one signature twice": (lambda r, q: {"approvals": q * 2, "signatures": 2}, SignatureRefused, "1 of 2"),
}


@pytest.mark.parametrize("how", FORGED)
def test_a_switch_written_past_the_door_is_found(registry: Registry, how: str) -> None:
    """Whoever can write to the store can write a switch; nobody who verifies the champion believes it."""
    change, error, words = FORGED[how]
    registry.adopt(signatures=2 if "twice" in how else 1)
    request = registry.request(registry.version("one"))
    answer = registry.answer(request)
    honest = {
        **{
            field: request.body[field]
            for field in ("problem", "name", "version", "expected", "report", "policy")
        },
        "asked": request.key,
        "request": {"sequence": request.sequence, "digest": request.digest},
    }
    forged = change(registry, [{"sequence": answer.sequence, "digest": answer.digest}])
    registry.ledger.append("Promoted", {**honest, **forged}, actor="mallory")
    with pytest.raises(error, match=words):
        verify_champion(registry.ledger, registry.store, "seriousness", keys=registry.signers)


def test_a_switch_that_the_gate_never_passed_is_found(registry: Registry) -> None:
    """A request written past `request_approval`, and a signer who was deceived by it."""
    failed, good = registry.version("failed", decision={"outcome": "fail"}), registry.version("good")
    asked = {**registry.request(good).body, "version": failed.digest, "name": failed.name}
    request = registry.ledger.append(
        "ApprovalRequested", {**asked, "report": failed.manifest.report}, actor="mallory"
    )
    with pytest.raises(GateError, match="said fail"):
        registry.answer(request)
    reference = {"sequence": request.sequence, "digest": request.digest}
    body = {
        "request": reference,
        "problem": "seriousness",
        "version": failed.digest,
        "principal": JANE,
        "name": "Dr Jane Roe",
        "decision": "approve",
        "reason": "fine",
        "key": "k",
        "roles": ["safety-physician"],
        "signature": registry.sign(request),
    }
    answer = registry.ledger.append("Approved", body, actor="mallory")
    registry.ledger.append(
        "Promoted",
        {
            **{f: request.body[f] for f in ("problem", "name", "version", "expected")},
            "asked": request.key,
            "request": reference,
            "signatures": 1,
            "approvals": [{"sequence": answer.sequence, "digest": answer.digest}],
        },
        actor="mallory",
    )
    with pytest.raises(GateError, match="said fail"):
        verify_champion(registry.ledger, registry.store, "seriousness", keys=registry.signers)
