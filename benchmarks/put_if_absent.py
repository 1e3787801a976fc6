"""Many writers, one key: does put-if-absent give one winner a round, and the ledger lose nothing?

    python benchmarks/put_if_absent.py [--writers 64] [--rounds 1000] [--entries 8] [--where disk s3]

Each writer is a process with a client of its own. A round: all of them, let go together, try to create the same key,
then each reads who won. After the rounds each appends `entries` entries to one ledger. `disk` is a temporary folder
(`--folder` for another disk); `s3` is moto's server, in a process of its own, over HTTP. Exits with 1 if a round has
not exactly one winner, if two writers disagree about who won, or if an entry of the ledger is lost or stands twice.
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

from pvcore.registry.ledger import Ledger
from pvcore.registry.store import open_store

FORK = multiprocessing.get_context("fork")
KEYS = {
    "AWS_ACCESS_KEY_ID": "testing",
    "AWS_SECRET_ACCESS_KEY": "testing",
    "AWS_DEFAULT_REGION": "us-east-1",
    "AWS_EC2_METADATA_DISABLED": "true",
}


class Told(NamedTuple):
    """What came of it: rounds with one winner whom all name, entries that stand once, seconds of both parts."""

    rounds: int
    fair: int
    winners: int
    appended: int
    kept: int
    seconds: float
    ledger_seconds: float

    @property
    def holds(self) -> bool:
        return self.fair == self.rounds and self.kept == self.appended


def _writer(number: int, place: tuple[str, str | None], rounds: int, entries: int, shared: Any) -> None:
    barrier, answers = shared
    store = open_store(place[0], endpoint=place[1])
    won, seen = [], []
    barrier.wait()
    began = time.monotonic()
    for n in range(rounds):
        barrier.wait()
        won.append(store.put_if_absent(f"rounds/{n}", str(number).encode()))
        seen.append(int(store.get(f"rounds/{n}")))
    barrier.wait()
    between = time.monotonic()
    ledger = Ledger(store)
    mine = [ledger.append("Benchmark", {"by": number, "n": n}, actor=str(number)) for n in range(entries)]
    barrier.wait()
    told = [(entry.sequence, entry.digest) for entry in mine]
    answers.put((number, won, seen, told, between - began, time.monotonic() - between))


def contest(place: tuple[str, str | None], *, writers: int, rounds: int, entries: int) -> Told:
    """Let `writers` processes contend at a store (url, endpoint) and compare what each of them saw."""
    shared = FORK.Barrier(writers), FORK.Queue()
    processes = [
        FORK.Process(target=_writer, args=(n, place, rounds, entries, shared), daemon=True)
        for n in range(writers)
    ]
    for process in processes:
        process.start()
    told = sorted(_answers(processes, shared[1]))
    for process in processes:
        process.join()
    fair, winners = 0, set()
    for n in range(rounds):
        created = [number for number, won, *_ in told if won[n]]
        fair += len(created) == 1 and {seen[n] for _, _, seen, *_ in told} == set(created)
        winners.update(created)
    ledger = Ledger(open_store(place[0], endpoint=place[1]))
    stands = {(entry.sequence, entry.digest): entry.body for entry in ledger.entries()}
    said = [(at, {"by": number, "n": n}) for number, _, _, mine, *_ in told for n, at in enumerate(mine)]
    kept = sum(stands.get(at) == body for at, body in said) if len(stands) == len(said) else 0
    return Told(rounds, fair, len(winners), len(said), kept, max(t[4] for t in told), max(t[5] for t in told))


def _answers(processes: list[Any], queue: Any) -> list[Any]:
    from queue import Empty

    found: list[Any] = []
    while len(found) < len(processes):
        try:
            found.append(queue.get(timeout=5))
        except Empty:
            dead = [p for p in processes if p.exitcode not in (None, 0)]
            if dead:
                for process in processes:
                    process.kill()
                raise SystemExit(f"{len(dead)} writers died; the first with {dead[0].exitcode}") from None
    return found


def _serve(pipe: Any) -> None:
    """moto's S3. One request after the other: between threads its own check for If-None-Match is not atomic."""
    from moto.server import DomainDispatcherApplication, create_backend_app
    from werkzeug.serving import WSGIRequestHandler, make_server

    class Quiet(WSGIRequestHandler):
        protocol_version = "HTTP/1.1"  # a writer keeps its connection

        def log(self, *_: Any) -> None:
            pass

    application, alone = DomainDispatcherApplication(create_backend_app), threading.Lock()

    def one_at_a_time(environ: Any, start_response: Any) -> list[bytes]:
        with alone:
            return [b"".join(application(environ, start_response))]

    server = make_server("127.0.0.1", 0, one_at_a_time, threaded=True, request_handler=Quiet)
    pipe.send(server.server_port)
    server.serve_forever()


@contextmanager
def moto() -> Iterator[tuple[str, str]]:
    """A bucket on moto's server, as (url, endpoint)."""
    import boto3.session

    os.environ.update(KEYS)
    here, there = FORK.Pipe()
    server = FORK.Process(target=_serve, args=(there,), daemon=True)
    server.start()
    try:
        endpoint = f"http://127.0.0.1:{here.recv()}"
        boto3.session.Session().client("s3", endpoint_url=endpoint).create_bucket(Bucket="contest")
        yield "s3://contest/registry", endpoint
    finally:
        server.kill()
        server.join()


@contextmanager
def disk(folder: Path | None = None) -> Iterator[tuple[str, None]]:
    """A folder on the local disk, as (url, None)."""
    with tempfile.TemporaryDirectory(prefix="pv-contest-", dir=folder) as name:
        yield name, None


def main() -> None:
    """Print one table."""
    ask = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    ask.add_argument("--writers", type=int, default=64)
    ask.add_argument("--rounds", type=int, default=1000)
    ask.add_argument("--entries", type=int, default=8, help="a writer appends to the ledger")
    ask.add_argument("--where", nargs="+", default=["disk", "s3"], choices=["disk", "s3"])
    ask.add_argument("--folder", type=Path, help="where the local store is made")
    given = ask.parse_args()
    heads = (
        "store",
        "writers",
        "rounds",
        "one winner, all agree",
        "different winners",
        "puts/s",
        "ledger entries",
    )
    print(f"| {' | '.join(heads)} | kept | entries/s |")
    print("|---|---|---|---|---|---|---|---|---|", flush=True)
    holds = True
    for where in given.where:
        with disk(given.folder) if where == "disk" else moto() as place:
            told = contest(place, writers=given.writers, rounds=given.rounds, entries=given.entries)
        print(
            f"| {where} | {given.writers} | {told.rounds} | {told.fair} | {told.winners} "
            f"| {given.writers * told.rounds / told.seconds:.0f} | {told.appended} | {told.kept} "
            f"| {told.appended / told.ledger_seconds:.1f} |",
            flush=True,
        )
        holds = holds and told.holds
    sys.exit(0 if holds else 1)


if __name__ == "__main__":
    main()
