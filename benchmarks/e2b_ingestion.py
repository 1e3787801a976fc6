"""How fast E2B files are read, beside a bare lxml.iterparse of the same file, and in how much memory.

    python benchmarks/e2b_ingestion.py                  # 100,000 generated cases as E2B(R3) and E2B(R2)
    python benchmarks/e2b_ingestion.py --cases 5000
    python benchmarks/e2b_ingestion.py FILE ...         # files of your own

Each measurement is a process of its own; the fastest of `--rounds` is shown, in seconds of CPU (other work
on the machine does not count). `bare` visits all elements and clears each, `for _, element in
iterparse(file): element.clear()`, with the parser as safe as the readers'; `bare, messages only` has lxml
skip all other elements and removes what was read from the tree. `reader` makes the records, `batch.read`
also checks them and takes their digest. The peak is that of the process's resident memory, and what it keeps
at the end is its records: with these thrown away the peak must not grow with the file.

`r2.xml` holds no element that the reader does not read; `r2_full.xml` is the same with what senders also write.
"""

from __future__ import annotations

import argparse
import gc
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

SAFE = {"resolve_entities": False, "no_network": True, "load_dtd": False, "huge_tree": True}
TAGS = ("{urn:hl7-org:v3}PORR_IN049016UV", "safetyreport")


def bare(path: str) -> None:
    from lxml import etree

    for _, element in etree.iterparse(path, events=("end",), **SAFE):
        element.clear()


def messages_only(path: str) -> None:
    from lxml import etree

    for _, element in etree.iterparse(path, events=("end",), tag=TAGS, **SAFE):
        element.clear()
        while element.getprevious() is not None:
            del element.getparent()[0]


def stream(path: str) -> None:
    """The reader, with each case thrown away as it comes."""
    from pvcore.annotations import e2b_r2, e2b_r3
    from pvcore.annotations.reading import Findings, Source

    source = Source.of(path)
    reader = e2b_r2 if e2b_r2.detect(source) else e2b_r3
    for _, said in reader.records(source, None, Findings(path)):
        for _ in said:
            pass


def reader(path: str) -> Any:
    from pvcore.annotations import e2b_r2, e2b_r3
    from pvcore.annotations.reading import Source

    source = Source.of(path)
    return (e2b_r2 if e2b_r2.detect(source) else e2b_r3).read(source, None)


def whole(path: str) -> Any:
    from pvcore.annotations.batch import read

    return read(path)


MEASURED: dict[str, Callable[[str], Any]] = {
    "bare": bare,
    "bare, messages only": messages_only,
    "reader, records thrown away": stream,
    "reader": reader,
    "batch.read": whole,
}


def memory(line: str) -> float:
    """A line of the process's status in MB: VmRSS now, VmHWM at most (getrusage would count the parent's)."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(text.split()[1]) for text in lines if text.startswith(line)) / 1024


def one(name: str, path: str) -> None:
    """Run one measurement and print it as JSON."""
    import pvcore.annotations.batch  # noqa: F401  # imports do not count

    gc.disable()  # as batch.read does
    before = memory("VmRSS")
    start = time.process_time()
    kept = MEASURED[name](path)
    seconds = time.process_time() - start
    print(
        json.dumps(
            {
                "seconds": seconds,
                "peak": memory("VmHWM") - before,
                "kept": memory("VmRSS") - before if kept else 0.0,
            }
        )
    )


def generated(folder: Path, cases: int) -> list[Path]:
    """The generated cases as both formats, `cases` of them (in copies of 5,000, with ids of their own)."""
    import dataclasses

    from pvcore.annotations import e2b_r2, e2b_r3
    from pvcore.annotations.generate import generate_cases
    from pvcore.meddra.generate import Size, generate

    truth = generate(folder, version="29.0", seed=1, size=Size.small())
    made, said = generate_cases(truth.dictionary, n=min(cases, 5000), seed=1, prefix="B")
    copies = -(-cases // len(made))
    ids = [f"{number}-" for number in range(copies)]
    many = [dataclasses.replace(c, case_id=prefix + c.case_id) for prefix in ids for c in made][:cases]
    kept = {c.case_id for c in many}
    labels = [
        a
        for prefix in ids
        for b in said
        if (a := dataclasses.replace(b, case_id=prefix + b.case_id)).case_id in kept
    ]
    e2b_r3.write(many, labels, folder / "r3.xml", "29.0")
    e2b_r2.write(many, labels, folder / "r2.xml", "29.0")
    filled(folder / "r2.xml", folder / "r2_full.xml")
    return [folder / "r3.xml", folder / "r2.xml", folder / "r2_full.xml"]


ALSO = {
    "<serious>": """<transmissiondate>20260210</transmissiondate><reporttype>1</reporttype>""",
    "<patient>": """<receiptdateformat>102</receiptdateformat><receiptdate>20260209</receiptdate>
      <additionaldocument>2</additionaldocument><fulfillexpeditecriteria>1</fulfillexpeditecriteria>
      <companynumb>GB-COMPANY-2026-001</companynumb><medicallyconfirm>1</medicallyconfirm>
      <primarysource><reportertitle>Dr</reportertitle><reportercountry>GB</reportercountry>
      <qualification>1</qualification></primarysource>
      <sender><sendertype>1</sendertype><senderorganization>Company</senderorganization>
      <sendercity>London</sendercity><sendercountrycode>GB</sendercountrycode></sender>
      <receiver><receivertype>2</receivertype><receiverorganization>Agency</receiverorganization></receiver>""",
    "</patientsex>": """<patientinitial>XX</patientinitial><patientweight>70</patientweight>
      <medicalhistoryepisode><patientepisodenamemeddraversion>29.0</patientepisodenamemeddraversion>
      <patientepisodename>90000001</patientepisodename><patientmedicalcontinue>1</patientmedicalcontinue>
      </medicalhistoryepisode>""",
    "</reactionmeddrallt>": """<reactionstartdateformat>102</reactionstartdateformat>
      <reactionstartdate>20260201</reactionstartdate>""",
    "</medicinalproduct>": """<drugbatchnumb>B1</drugbatchnumb><drugauthorizationnumb>1</drugauthorizationnumb>
      <drugstructuredosagenumb>5</drugstructuredosagenumb><drugstructuredosageunit>003</drugstructuredosageunit>
      <drugdosagetext>5 mg once a day</drugdosagetext><drugadministrationroute>048</drugadministrationroute>
      <drugindicationmeddraversion>29.0</drugindicationmeddraversion><drugindication>90000001</drugindication>
      <drugstartdateformat>102</drugstartdateformat><drugstartdate>20260101</drugstartdate>
      <actiondrug>1</actiondrug><activesubstance><activesubstancename>X</activesubstancename></activesubstance>
      <drugreactionrelatedness><drugreactionasses>90000001</drugreactionasses>
      <drugassessmentsource>Sender</drugassessmentsource><drugresult>Possible</drugresult>
      </drugreactionrelatedness>""",
}
"""Elements of the ICH ICSR DTD 2.1 that most senders write and nobody here reads, by what they stand beside."""


def filled(source: Path, target: Path) -> None:
    """The same cases with the elements of ALSO: the size of a report as it comes from a safety database."""
    with source.open(encoding="utf-8") as lines, target.open("w", encoding="utf-8") as out:
        for line in lines:
            for tag, more in ALSO.items():
                if tag in line:
                    line = more + line if tag[1] != "/" else line.replace(tag, tag + more)
            out.write(line)


def table(path: Path, rounds: int) -> None:
    print(f"\n{path.name}: {path.stat().st_size / 2**20:,.0f} MB\n")
    print("| what | CPU s | MB/s | of bare | of bare, messages only | peak, MB | kept, MB |")
    print("|---|---:|---:|---:|---:|---:|---:|")
    best: dict[str, dict[str, float]] = {}
    for _ in range(rounds):
        for name in MEASURED:
            command = [sys.executable, __file__, "--one", name, str(path)]
            said = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
            if name not in best or said["seconds"] < best[name]["seconds"]:
                best[name] = said
    for name, said in best.items():
        seconds = said["seconds"]
        shares = [f"{best[b]['seconds'] / seconds:.0%}" for b in ("bare", "bare, messages only")]
        speed = path.stat().st_size / 2**20 / seconds
        print(
            f"| {name} | {seconds:.2f} | {speed:.0f} | {' | '.join(shares)} "
            f"| {said['peak']:.0f} | {said['kept']:.0f} |",
            flush=True,
        )


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("files", nargs="*", type=Path)
    parser.add_argument("--cases", type=int, default=100_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--one", help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.one:
        one(asked.one, str(asked.files[0]))
        return
    with tempfile.TemporaryDirectory(prefix="pv-e2b-") as folder:
        for path in asked.files or generated(Path(folder), asked.cases):
            table(path, asked.rounds)


if __name__ == "__main__":
    main()
