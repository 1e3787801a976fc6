"""Killed at every write, before and after: a reader sees the old or the new state; the command again ends it."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import dying
import pytest

from pvcore.errors import RegistryError
from pvcore.records import digest
from pvcore.registry.blobs import BLOBS
from pvcore.registry.ledger import Ledger
from pvcore.registry.store import open_store

Registry = Any
JANE, MAX = "jane@example.org", "max@example.org"
EMERGENCY = {"signatures": 2, "roles": ["qppv", "safety-physician"]}


def through(registry: Registry, store: Any) -> Registry:
    """The registry as a fresh process has it, over another store."""
    mine = type(registry)(registry.folder, store, Ledger(store), registry.keys, registry.allowed_signers)
    mine.policy, mine.policy_digest = registry.policy, registry.policy_digest
    return mine


def seen(registry: Registry) -> tuple[list[str], str | None]:
    """What a fresh reader sees, every byte of it verified."""
    store = open_store(registry.store.url)
    ledger = Ledger(store)
    assert ledger.verify() == []
    for item in store.list(BLOBS):
        assert digest(store.get(item.key)) == item.key.removeprefix(BLOBS)
    return [entry.kind for entry in ledger.entries()], ledger.state().champion("seriousness")


def walk(registry: Registry, command: Callable[[Registry], Any], *new: str) -> tuple[Any, int]:
    """Kill `command` at each of its writes and repeat it, to its end; what it returns, and how often it was killed."""
    kinds, champion = seen(registry)
    states = [[*kinds, *new[:n]] for n in range(len(new) + 1)]
    champions = set()
    for at in range(1, 1000):
        for when in ("before", "after"):
            try:
                done = command(through(registry, dying.Dying(registry.store, at, dying.dies(when))))
            except dying.Killed:
                told, now = seen(registry)
                assert told in states
                champions.add(now)
                continue
            told, now = seen(registry)
            assert told == states[-1] and champions <= {champion, now}
            return done, 2 * (at - 1) + (when == "after")
    raise AssertionError("the command never ends")


def test_a_life_of_three_versions_killed_at_every_write(registry: Registry) -> None:
    registry.adopt(override=EMERGENCY)
    deaths = 0

    def step(command: Callable[[Registry], Any], *new: str) -> Any:
        nonlocal deaths
        done, killed = walk(registry, command, *new)
        assert killed >= 2, "no write was met"
        deaths += killed
        return done

    def switched(version: Any, action: str, kind: str, signers: list[str]) -> None:
        request = step(lambda r: r.request(version, action), "ApprovalRequested")
        for who in signers:
            step(lambda r, who=who: r.answer(request, who), "Approved")
        assert step(lambda r: r.promote(request), kind).body["version"] == version.digest
        assert seen(registry)[1] == version.digest

    one = step(lambda r: r.version("one"), "Registered")
    switched(one, "promote", "Promoted", [JANE])
    fields = registry.fields("two")
    two = step(lambda r: dying_register(r, fields), "Registered")
    switched(two, "promote", "Promoted", [JANE])
    switched(one, "rollback", "RolledBack", [MAX])
    three = step(lambda r: r.version("three", decision={"outcome": "inconclusive"}), "Registered")
    switched(three, "override", "Overridden", [JANE, MAX])
    assert deaths > 80


def dying_register(registry: Registry, fields: dict[str, Any]) -> Any:
    from pvcore.registry.version import register

    return register(registry.store, registry.ledger, fields, "trainer")


@pytest.mark.parametrize("how", ["error", "taken"])
def test_a_write_that_was_carried_out_and_denied_is_found_to_be_done(registry: Registry, how: str) -> None:
    lying = through(registry, dying.Lying(registry.store, how))
    version = lying.version("one")
    request = lying.request(version)
    lying.answer(request)
    assert lying.promote(request).kind == "Promoted"
    assert seen(registry) == (["Registered", "ApprovalRequested", "Approved", "Promoted"], version.digest)


def test_a_write_that_failed_for_good_leaves_the_old_state(registry: Registry) -> None:
    request = registry.request(registry.version("one"))
    registry.answer(request)
    before = seen(registry)

    def fails(when: str) -> None:
        raise RegistryError("the network is gone")

    with pytest.raises(RegistryError, match="network is gone"):
        through(registry, dying.Dying(registry.store, 1, fails)).promote(request)
    assert seen(registry) == before
    registry.promote(request)


KILLED = """
import os, sys
sys.path.insert(0, sys.argv[1])
from pathlib import Path
from dying import Dying
from pvcore.registry import promotion
from pvcore.registry.signing import Keys
from pvcore.registry.ledger import Ledger
from pvcore.registry.store import open_store

store = open_store(sys.argv[2])
for at, when in ((1, "before"), (1, "after"), (0, "")):
    child = os.fork()
    if not child:
        mine = Dying(store, at, lambda moment: os._exit(9) if moment == when else None)
        ledger = Ledger(mine)
        asked = ledger.state().last("ApprovalRequested")
        promotion.promote(
            ledger, mine, asked, policy=promotion.policy_of(store, asked.body["policy"]),
            policy_digest=asked.body["policy"], keys=Keys(Path(sys.argv[3])), actor="promote",
        )
        os._exit(0)
    status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    print(status, len(Ledger(store).state().history("seriousness")))
"""


def test_a_process_that_ends_between_two_instructions(registry: Registry) -> None:
    request = registry.request(registry.version("one"))
    registry.answer(request)
    arguments = [str(Path(dying.__file__).parent), registry.store.url, str(registry.allowed_signers)]
    done = subprocess.run(
        [sys.executable, "-c", KILLED, *arguments], capture_output=True, text=True, timeout=120, check=True
    )
    assert done.stdout.split() == ["9", "0", "9", "1", "0", "1"]
