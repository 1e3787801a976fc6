"""Quality in one command: problems beside their yardsticks, on real data (ddi: pairs made by a rule).

    python benchmarks/quality.py DATA [--only pts coding] [--work FOLDER] [--threads 1]

DATA holds vaers/ (yearly zips, 1990 to 2003), phee/ (train.json, dev.json) and tac2017_train/ (the file of TAC 2017).
What is not there is named and left out. Each problem is a command of its own, which is printed; what it has answered
is kept in --work, so that a run that was cut off goes on. All of it takes some hours of one thread, the longest
`seriousness-all`, with 124,000 rows.
"""

from __future__ import annotations

import argparse
import shlex
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).parent
VAERS, PHEE, TAC = "vaers", "phee", "tac2017_train/demner-fushman-train-labels.json"
FAST = "--set quantisation.compute=bfloat16 training.checkpoint_every=100"
RUNS = {
    "seriousness": (VAERS, f"quality_seriousness.py {{}} --rows 2000 --tune 1500 --test 4000 {FAST}"),
    "seriousness-all": (
        VAERS,
        f"quality_seriousness.py {{}} --rows all --tune 2000 {FAST} training.epochs=1 training.batch=32",
    ),
    "pts": (VAERS, "quality_coding.py vaers {}"),
    "coding": (TAC, "quality_coding.py tac {}"),
    "extraction-sentences": (PHEE, "quality_extraction.py phee {}"),
    "extraction-labels": (TAC, "quality_extraction.py tac {}"),
    "ddi": (None, "quality_ddi.py"),
}
"""Name -> (what of DATA it needs, its command)."""


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("data", type=Path)
    parser.add_argument(
        "--only", nargs="+", choices=RUNS, default=list(RUNS), metavar="NAME", help=", ".join(RUNS)
    )
    parser.add_argument("--work", type=Path, default=Path(".pv/quality"))
    parser.add_argument("--threads", type=int, default=1)
    options = parser.parse_args()
    failed = []
    for name in options.only:
        needed, line = RUNS[name]
        place = options.data / (needed or "")
        if not place.exists():
            print(f"\n## {name}: left out, there is no {place}", flush=True)
            continue
        words = [str(place) if word == "{}" else word for word in shlex.split(line)]
        script, *arguments = [*words, "--work", str(options.work / name), "--threads", str(options.threads)]
        print(
            f"\n## {name}\n\n    {shlex.join(['python', f'benchmarks/{script}', *arguments])}\n", flush=True
        )
        if subprocess.run([sys.executable, HERE / script, *arguments], check=False).returncode:
            failed.append(name)
    if failed:
        raise SystemExit(f"not finished: {', '.join(failed)}")


if __name__ == "__main__":
    main()
