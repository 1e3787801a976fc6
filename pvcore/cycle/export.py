"""A version as a folder for an outsider: the ledger, every record it rests on, its adapter, and what verifies them.

What is in the folder is found by its digest, so names are for readers. Case texts, labels and answers are
personal data and stay out unless they are asked for; a MedDRA release is licensed and never leaves.
"""

from __future__ import annotations

import dataclasses
import json
import os
import secrets
import shutil
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from pvcore.config import Workspace
from pvcore.cycle import data, hearing, judging
from pvcore.cycle.candidate import load_specification
from pvcore.cycle.lineage import told_by_text
from pvcore.errors import ConfigError, RegistryError
from pvcore.evaluation.comparing import CHAMPION
from pvcore.records import canonical
from pvcore.registry.blobs import copy_blob, get_blob
from pvcore.registry.content import sha256
from pvcore.registry.ledger import Entry, State
from pvcore.registry.names import resolve
from pvcore.registry.version import Version, fetch_adapter, read_version
from pvcore.standalone import recount, verify


def export(
    workspace: Workspace,
    name: str,
    target: Path,
    *,
    with_data: bool = False,
    checkpoints: Sequence[Path] = (),
) -> Path:
    """Write everything that an outsider needs to verify a version to `target`, all or nothing.

    The same version of the same ledger is the same bytes. Raises ConfigError for a place that is taken or
    two checkpoints of one name, NotFound, and RegistryError for anything that does not have its digest.
    """
    if target.exists():
        raise ConfigError(f"{target} is there already. Name a folder that does not exist yet.")
    if len({file.name for file in checkpoints}) < len(checkpoints):
        raise ConfigError("two checkpoints have the same file name. Rename one of them.")
    state, version = workspace.ledger.state(), resolve(workspace.store, workspace.ledger, name)
    target.parent.mkdir(parents=True, exist_ok=True)
    work = target.with_name(f".{target.name}.{secrets.token_hex(6)}")
    work.mkdir()
    try:
        (work / verify.LEDGER).write_bytes(b"".join(_line(entry) + b"\n" for entry in state.entries))
        kept: set[str] = set()
        for place, digest in _records(workspace, state, version):
            if digest not in kept:
                (work / place).parent.mkdir(parents=True, exist_ok=True)
                (work / place).write_bytes(get_blob(workspace.store, digest))
                kept.add(digest)
        fetch_adapter(workspace.store, version, work / "adapter")
        for place, digest in _data(workspace, version).items() if with_data else ():
            (work / "data").mkdir(exist_ok=True)
            copy_blob(workspace.store, digest, work / "data" / place)
        for place, value in _held_out(workspace, version) if with_data else ():
            (work / "data" / place).write_bytes(canonical(value))
        _beside(workspace, work, checkpoints)
        about = {"version": version.digest, "name": version.name, "last": list(state.head)}
        (work / verify.ABOUT).write_text(json.dumps(about, indent=2, sort_keys=True) + "\n", "utf-8")
        (work / "README.md").write_text(_readme(version, len(state.entries), with_data), "utf-8")
        _sums(work)
        os.replace(work, target)
    finally:
        shutil.rmtree(work, ignore_errors=True)
    return target


def _line(entry: Entry) -> bytes:
    """The stored bytes of an entry."""
    fields = dataclasses.asdict(entry)
    digest = fields.pop("digest")
    line = canonical({"format": 1, **fields})
    if sha256(line) != digest:
        raise RegistryError(f"ledger entry {entry.sequence} cannot be written as it is stored")
    return line


def _records(workspace: Workspace, state: State, version: Version) -> Iterator[tuple[str, str]]:
    """(name in the folder, digest) of every record that the version rests on, some more than once."""
    switches = state.history(version.problem)
    wanted = [version.digest, *(entry.body["version"] for entry in switches)]
    yield "dossier.html", version.manifest.dossier
    for digest in wanted:
        entry = state.version(digest)
        if entry is None:
            raise RegistryError(
                f"version {digest} is not registered in this ledger. Run: pv verify {version.name}"
            )
        found = read_version(workspace.store, entry)
        manifest, place = found.manifest, f"versions/{found.name}"
        wanted += [d for d in (manifest.parent, manifest.champion) if d and d not in wanted]
        yield f"{place}/manifest.json", digest
        for part in ("specification", "dataset", "report", "policy"):
            yield f"{place}/{part}.json", getattr(manifest, part)
        for judged in judging.evaluations(workspace, manifest.specification):
            for part in ("decision", "report", "policy"):
                yield f"{place}/{part}-{judged.sequence}.json", judged.body[part]
    for switch in switches:
        asked = state.entries[switch.body["request"]["sequence"] - 1]
        yield f"versions/policy-{asked.sequence}.json", asked.body["policy"]


def _data(workspace: Workspace, version: Version) -> dict[str, str]:
    """File name -> digest of what the version learnt from and answered."""
    manifest, ledger = version.manifest, workspace.ledger
    made = json.loads(get_blob(workspace.store, manifest.dataset))
    found = {f"{part}.parquet": made[part] for part in ("cases", "annotations", "labels", "aside")}
    found |= {f"{part}.json": made[part] for part in ("open", "nullified") if part in made}
    for number, mapping in enumerate(dict.fromkeys(made["mappings"]), 1):
        found[f"mapping-{number}"] = mapping
    for name in dict.fromkeys(data.dataset_entry(workspace, manifest.dataset).body["batches"]):
        if batch := ledger.find("BatchAdmitted", name):
            found[f"batch-{batch.sequence}"] = batch.body["blob"]
    if trained := ledger.find("Trained", manifest.specification):
        found["consumed.json"] = trained.body["consumed"]
    for judged in judging.evaluations(workspace, manifest.specification):
        found[f"answers-{judged.sequence}.jsonl"] = judged.body["predictions"]
        for who, blob in judged.body.get("answers", {}).items():
            found[f"answers-{judged.sequence}-{who}.jsonl"] = blob
        if old := judged.body.get("old_answers"):
            found[f"answers-{judged.sequence}-{CHAMPION}-old.jsonl"] = old
    return found


def _held_out(workspace: Workspace, version: Version) -> Iterator[tuple[str, Any]]:
    """(file name, value) of what each evaluation asked, for who has no reader of Parquet.

    The list of example, cluster and label is the one whose digest report and ledger name; cases and slices by example.
    """
    for judged in judging.evaluations(workspace, version.manifest.specification):
        if "references" not in judged.body:
            continue  # of a time that did not record beside whom it was, and so which cases were left out
        asked = load_specification(workspace, judged.body["specification"])
        policy = judging.stored_policy(workspace, judged.body["policy"]).gate
        beside = [resolve(workspace.store, workspace.ledger, d) for d in judged.body["references"].values()]
        theirs = [v.manifest.specification for v in beside]
        _, test = hearing.asked_of(workspace, asked, theirs, policy, by_text=told_by_text(judged.body))
        held = sorted(test, key=lambda example: example.example_id)
        rows = [[example.example_id, example.cluster, example.label] for example in held]
        if sha256(canonical(rows)) != judged.body["held_out"]:
            raise RegistryError(
                f"the dataset gives other held-out cases than ledger entry {judged.sequence} names. "
                f"Run: pv verify {version.name}"
            )
        yield f"held-out-{judged.sequence}.json", rows
        groups = {e.example_id: {"case": e.case_id, "slices": sorted(e.slices)} for e in held}
        yield f"groups-{judged.sequence}.json", groups


def _beside(workspace: Workspace, work: Path, checkpoints: Sequence[Path]) -> None:
    for program in (verify, recount):
        file = Path(str(program.__file__))
        shutil.copyfile(file, work / file.name)
    shutil.copyfile(workspace.keys.allowed_signers, work / "allowed_signers")
    if workspace.keys.revoked:
        shutil.copyfile(workspace.keys.revoked, work / "revoked_keys")
    for file in checkpoints:
        (work / "checkpoints").mkdir(exist_ok=True)
        shutil.copyfile(file, work / "checkpoints" / file.name)


def _sums(work: Path) -> None:
    """The digest of every file, in the form of `sha256sum`."""
    files: Mapping[str, Path] = {
        path.relative_to(work).as_posix(): path for path in work.rglob("*") if not path.is_dir()
    }
    lines = [f"{sha256(files[name])}  {name}\n" for name in sorted(files)]
    (work / verify.SUMS).write_bytes("".join(lines).encode())


def _readme(version: Version, entries: int, with_data: bool) -> str:
    data_line = (
        "Cases, labels and answers are in `data/`: personal data, and codes of a licensed dictionary."
        if with_data
        else "Cases, labels and answers are left out; only their digests are here, and verify.py says so. "
        "An adapter\nof coding holds vectors of the coded wordings with their LLT codes (`wordings.safetensors`): "
        "who has it and its base can\ntest whether a wording was among them. `word_weights.safetensors`, where there "
        "is one, tells in the same way\nwhich words and word pairs two or more narratives share."
    )
    return f"""# {version.name}

Everything that {version.name} rests on, from a ledger of {entries} entries. To verify it, with Python 3.9 or later and
ssh-keygen, with nothing else installed and no network:

    python3 -I verify.py . --allowed-signers KEYS

KEYS is a file of the signers' keys that you got from them (ssh-keygen(1), ALLOWED SIGNERS). Without it the folder's own
`allowed_signers` is used, which shows only that the folder fits together. Better still, take `verify.py` from a
release of pv-retrain (`pvcore/standalone/verify.py`): the copy here is as good as who gave you the folder.

Then, whether the decisions follow from policy and report, and the report from labels and answers if these are here:

    python3 -I recount.py .

A checkpoint of the ledger that you kept (`--checkpoint FILE`) shows that no entry was cut off or written anew.

| file | what it is |
|---|---|
| `dossier.html` | the validation report, to be read in a browser |
| `adapter/` | the LoRA adapter, a PEFT folder |
| `ledger.jsonl` | every entry of the ledger: who did what when; it names people who signed, and files |
| `versions/` | manifests, specifications, records of datasets, reports, policies, decisions: of it and all before it |
| `allowed_signers`, `revoked_keys`, `checkpoints/` | what its owner says of keys and of the ledger |
| `export.json`, `MANIFEST.sha256` | what this folder is about; every file's digest (`sha256sum -c MANIFEST.sha256`) |

{data_line} The MedDRA releases are licensed and never exported.
"""
