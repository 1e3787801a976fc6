"""A real HTTP S3 endpoint: races between processes, lost answers, and servers that do not keep the contract."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from typing import Any

import pytest

from pvcore.errors import ConfigError, NotFound, RegistryError, StoreRefused
from pvcore.registry.ledger import Ledger
from pvcore.registry.probe import probe
from pvcore.registry.store import open_store

RACE = """
import json, os, sys
import boto3.session
from pvcore.registry.ledger import Ledger
from pvcore.registry.store import open_store
url, endpoint, count = sys.argv[1], sys.argv[2] or None, int(sys.argv[3])
begin = os.pipe()
children = []
for number in range(count):
    reading, writing = os.pipe()
    pid = os.fork()
    if pid == 0:
        os.close(begin[1])
        store = open_store(url, endpoint=endpoint)
        store.exists("ready")
        os.read(begin[0], 1)  # returns in all processes at once, when the parent closes its end
        created = store.put_if_absent("contested", str(number).encode())
        ledger = Ledger(store)
        once = ledger.append("Once", {"by": number}, actor="racer", key="the same").body["by"]
        mine = ledger.append("Each", {"by": number}, actor="racer").sequence
        os.write(writing, json.dumps([created, once, mine]).encode())
        os._exit(0)
    children.append((pid, reading))
    os.close(writing)
os.close(begin[0])
os.close(begin[1])
print(json.dumps([json.loads(os.read(reading, 1000)) for _, reading in children]))
for pid, _ in children:
    os.waitpid(pid, 0)
"""


@pytest.mark.parametrize("where", ["folder", "s3"])
def test_sixteen_processes_race(where: str, tmp_path: Any, request: pytest.FixtureRequest) -> None:
    url, endpoint = str(tmp_path / "store"), ""
    if where == "s3":
        url, endpoint = "s3://pv-test/race", request.getfixturevalue("s3").endpoint
    arguments = [sys.executable, "-c", RACE, url, endpoint, "16"]
    done = subprocess.run(arguments, capture_output=True, timeout=120, check=True)
    created, once, mine = zip(*json.loads(done.stdout), strict=True)
    store = open_store(url, endpoint=endpoint or None)
    assert created.count(True) == 1
    assert store.get("contested") == str(created.index(True)).encode()
    assert len(set(once)) == 1, "all were given the one entry"
    assert len(set(mine)) == 16, "each has an entry of its own"
    ledger = Ledger(store)
    assert ledger.verify() == []
    assert len(ledger.entries()) == 17


def test_lost_answer_is_found_to_be_our_own(s3: Any) -> None:
    store = open_store("s3://pv-test", endpoint=s3.endpoint)
    s3.faulty.plan = ["lost answer"]
    assert store.put_if_absent("mine", b"mine")
    store.put_if_absent("theirs", b"theirs")
    s3.faulty.plan = ["lost answer"]
    assert not store.put_if_absent("theirs", b"mine")
    assert store.get("theirs") == b"theirs"


def test_lost_answer_gives_one_ledger_entry(s3: Any) -> None:
    ledger = Ledger(open_store("s3://pv-test", endpoint=s3.endpoint))
    s3.faulty.plan = ["lost answer"]
    entry = ledger.append("Test", {}, actor="a")
    assert ledger.entries() == (entry,)


def test_all_answers_lost_is_still_one_entry(s3: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(time, "sleep", lambda _: None)
    ledger = Ledger(open_store("s3://pv-test", endpoint=s3.endpoint))
    s3.faulty.plan = ["lost answer"] * 20
    entry = ledger.append("Test", {}, actor="a")
    s3.faulty.plan = []
    assert Ledger(open_store("s3://pv-test", endpoint=s3.endpoint)).entries() == (entry,)


def test_conflict_is_tried_again(s3: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(time, "sleep", lambda _: None)
    store = open_store("s3://pv-test", endpoint=s3.endpoint)
    s3.faulty.plan = ["conflict", "conflict"]
    assert store.put_if_absent("key", b"data")
    s3.faulty.plan = ["conflict"] * 100
    with pytest.raises(RegistryError, match="409"):
        store.put_if_absent("other", b"data")


def test_server_that_overwrites_is_refused(s3: Any) -> None:
    s3.faulty.deaf = True
    with pytest.raises(StoreRefused, match="created an object that existed already"):
        probe(open_store("s3://pv-test", endpoint=s3.endpoint))


def test_server_that_does_not_know_the_condition_is_refused(s3: Any) -> None:
    s3.faulty.plan = ["unknown"] * 10
    with pytest.raises(StoreRefused, match="If-None-Match"):
        probe(open_store("s3://pv-test", endpoint=s3.endpoint))


def test_many_objects_are_listed_over_pages(s3: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    store = open_store("s3://pv-test/prefix", endpoint=s3.endpoint)
    for number in range(5):
        store.put_if_absent(f"many/{number}", b"")
    client = store._client  # type: ignore[attr-defined]
    paginator = client.get_paginator("list_objects_v2")
    pages = paginator.paginate(Bucket="pv-test", Prefix="prefix/many/", PaginationConfig={"PageSize": 2})
    monkeypatch.setattr(type(paginator), "paginate", lambda *_, **__: pages)
    assert [item.key for item in store.list("many/")] == [f"many/{n}" for n in range(5)]


def test_what_cannot_be_reached_is_said(s3: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(NotFound, match="bucket does not exist"):
        open_store("s3://other", endpoint=s3.endpoint).get("key")
    monkeypatch.setattr(time, "sleep", lambda _: None)
    with pytest.raises(RegistryError, match="cannot be used"):
        open_store("s3://pv-test", endpoint="http://127.0.0.1:9").get("key")
    with pytest.raises(ConfigError, match="PV_S3_ENDPOINT"):
        open_store("s3://pv-test", endpoint="no url").get("key")
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name)
    with pytest.raises(ConfigError, match="AWS_ACCESS_KEY_ID"):
        open_store("s3://pv-test", endpoint=s3.endpoint).get("key")
