"""How long it takes to verify a ledger, beside hashing the same bytes entry by entry.

    python benchmarks/ledger_speed.py                                   # 1 million entries, 2 GB of memory
    python benchmarks/ledger_speed.py --entries 100000 --in-folder 0

`hashed` is `hashlib.sha256(entry).digest()` in a loop. `chain and tree` is what `pv ledger verify --quick` computes:
that every entry names its number and its predecessor's digest, and the Merkle root (one hash an
entry, one an inner node). `all` is what `pv ledger verify` computes: also that each entry is in canonical form, has the
fields of its kind and is there once, and what the snapshots must be. In memory the bytes are there already; in a folder
both ways include reading the files through the store. The best of several runs in turns; `CPU` counts the
processor's time, which other work on the machine disturbs less than the time on the clock.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from hashlib import sha256
from pathlib import Path

from tamper import event

from pvcore.records import canonical, digest
from pvcore.registry import chain, links, snapshots
from pvcore.registry.entry import ORIGIN, entry_key
from pvcore.registry.store import open_store


def chained(count: int, begun: Sequence[bytes] = ()) -> list[bytes]:
    """The bytes of so many plausible entries, each naming its predecessor; of those `begun` none is registered."""
    made = list(begun)
    previous = digest(made[-1]) if made else ORIGIN
    for number in range(len(made) + 1, count + 1):
        kind, body = event(number - 1 if not begun else 0)
        fields = {
            "format": 1, "sequence": number, "previous": previous, "time": "2030-01-02T03:04:05.678Z",
            "kind": kind, "actor": "benchmark", "key": str(number), "body": body, "nonce": f"{number:032x}",
        }  # fmt: skip
        made.append(canonical(fields))
        previous = digest(made[-1])
    return made


def hashed(entries: Sequence[bytes]) -> None:
    for entry in entries:
        sha256(entry).digest()


def quick(entries: Sequence[bytes]) -> None:
    seen = links.look(entries)
    if not seen.holds:
        raise SystemExit("the chain does not hold")
    seen.root(len(entries))


def whole(contents: Mapping[int, bytes]) -> None:
    quick(list(contents.values()))
    entries, faults = chain.check(contents)
    if faults or chain.backwards(entries) or not list(snapshots.derive(entries)):
        raise SystemExit("the ledger does not hold")


def best(ways: Mapping[str, Callable[[], object]], repeat: int) -> dict[str, tuple[float, float]]:
    """Least seconds of each way, on the clock and of the processors; the ways take turns, so that a busy moment
    meets all of them."""
    seconds = dict.fromkeys(ways, (float("inf"), float("inf")))
    for _ in range(repeat):
        for name, way in ways.items():
            began, used = time.perf_counter(), time.process_time()
            way()
            clock, processor = time.perf_counter() - began, time.process_time() - used
            seconds[name] = min(seconds[name][0], clock), min(seconds[name][1], processor)
    return seconds


def show(title: str, seconds: Mapping[str, tuple[float, float]], entries: int) -> None:
    clock, processor = next(iter(seconds.values()))
    print(f"\n{title}\n\n| what | seconds | times | CPU, seconds | times |\n|---|---:|---:|---:|---:|")
    for name, (one, other) in seconds.items():
        print(
            f"| {name} | {one:.2f} | {one / clock:.2f} | {other:.2f} | {other / processor:.2f} |", flush=True
        )


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--entries", type=int, default=1_000_000)
    parser.add_argument("--whole", type=int, default=100_000, help="entries of which `all` is measured")
    parser.add_argument(
        "--in-folder", type=int, default=100_000, help="entries that are written to files as well"
    )
    parser.add_argument("--repeat", type=int, default=3)
    asked = parser.parse_args()
    entries = chained(asked.entries)
    size = sum(map(len, entries))
    seconds = best(
        {
            "hashed": lambda: hashed(entries),
            "chain and tree": lambda: quick(entries),
        },
        asked.repeat,
    )
    show(f"{len(entries):,} entries in memory, {size / len(entries):.0f} bytes each", seconds, len(entries))
    few = dict(enumerate(entries[: asked.whole], 1))
    seconds = best({"hashed": lambda: hashed(list(few.values())), "all": lambda: whole(few)}, asked.repeat)
    show(f"{len(few):,} entries in memory, with what they say", seconds, len(few))
    if not asked.in_folder:
        return
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "ledger").mkdir()
        for number, entry in enumerate(entries[: asked.in_folder], 1):
            (Path(folder) / entry_key(number)).write_bytes(entry)
        store = open_store(folder)
        seconds = best(
            {
                "read and hashed": lambda: hashed(list(chain.read(store)[0].values())),
                "read, chain and tree": lambda: quick(list(chain.read(store)[0].values())),
                "read, all": lambda: whole(chain.read(store)[0]),
            },
            asked.repeat,
        )
        show(f"{asked.in_folder:,} entries in a folder", seconds, asked.in_folder)


if __name__ == "__main__":
    main()
