"""From a prediction back to everything it rests on, link by link; a link that does not hold says why and stays."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from pvcore.annotations import dataset as datasets
from pvcore.config import Workspace
from pvcore.cycle.arrivals import in_words
from pvcore.cycle.candidate import load_specification
from pvcore.cycle.checks import BROKEN, HOLDS, OPEN
from pvcore.cycle.data import dataset_entry
from pvcore.cycle.predictions import of_record
from pvcore.cycle.recorded import Recorded, recorded, version_of
from pvcore.cycle.signed import signatures
from pvcore.cycle.verification import verify_version
from pvcore.errors import PvError
from pvcore.evaluation.sets import NOTHING
from pvcore.registry.blobs import check_blob
from pvcore.registry.ledger import Entry
from pvcore.registry.names import resolve
from pvcore.registry.version import Version
from pvcore.training.specification import code_digest

Row = dict[str, Any]


def trace(workspace: Workspace, name: str, example: str | None = None) -> list[Row]:
    """Rows of link, what, digest, when, by, broken (why; "" where the link holds), from the prediction down.

    `name` as in `recorded`. Every digest that the version and its ancestors rest on is checked (`verify_version`);
    what does not hold stands at the end by its name. Raises NotFound where there is no such prediction.
    """
    found = recorded(workspace, name, example)
    rows = [*_prediction(workspace, found)]
    try:
        version = version_of(workspace, found)
    except PvError as error:
        return [*rows, _row("version", found.record["version"], broken=str(error))]
    if found.record["version"] != version.name:
        rows.append(
            _row("version", found.record["version"], broken=f"the ledger's entry says {version.name}")
        )
    rows += _version(workspace, version, "version")
    at = version.manifest.parent
    while at:
        try:
            ancestor = resolve(workspace.store, workspace.ledger, at)
        except PvError as error:
            rows.append(_row("ancestor", "", at, broken=str(error)))
            break
        rows += _version(workspace, ancestor, "ancestor")
        at = ancestor.manifest.parent
    checks = verify_version(workspace, version.name, quick=True)
    held, left = (sum(row["holds"] == found for row in checks) for found in (HOLDS, OPEN))
    words = (
        f"{held} digests, signatures and commitments hold down to the first ancestor, {left} were not checked"
    )
    rows.append(_row("checks", words))
    return rows + [
        _row("checks", row["check"], broken=row["why"]) for row in checks if row["holds"] == BROKEN
    ]


def _row(
    link: str, what: str, digest: str | None = "", when: str = "", by: str = "", broken: str = ""
) -> Row:
    return {"link": link, "what": what, "digest": digest or "", "when": when, "by": by, "broken": broken}


def _prediction(workspace: Workspace, found: Recorded) -> Iterator[Row]:
    record, given = found.record, of_record(found.record)
    said = given.said or NOTHING
    answer = f"withheld: {said}" if given.stopped else said
    yield _row("prediction", f"{found.example}: {answer}", found.digest)
    yield _row("input", "the text as it was put to the model", record["input_digest"])
    if found.entry is None:
        yield _row("scored", "by pv predict: this ledger does not hold the record")
    else:
        body = found.entry.body
        yield _of(f"{body['rows']} predictions", found.entry, "scored")
        yield _admitted(workspace, body["batch"], "input batch")
        if "code" in body:
            yield _code("scored by code", body["code"])
    if record["dictionary"]:
        adopted = workspace.ledger.find("DictionaryAdopted", record["dictionary"])
        broken = "" if adopted else "no such release was adopted"
        yield _of(
            f"MedDRA {record['dictionary']}",
            adopted,
            "dictionary of the answer",
            _known(adopted, "digest"),
            broken,
        )
    if record["policy"]:
        yield _checked("guardrails", "policy that let it through", record["policy"], workspace)


def _version(workspace: Workspace, version: Version, kin: str) -> Iterator[Row]:
    manifest, state = version.manifest, workspace.ledger.state()
    yield _of(version.name, state.version(version.digest), kin, version.digest)
    yield _row("adapter", f"{len(manifest.adapter['files'])} files", manifest.adapter["digest"])
    yield _row("base", manifest.base["source"], manifest.base["digest"])
    yield _checked("specification", "recipe, data, parent, code", manifest.specification, workspace)
    yield from _tried(
        "code", lambda: [_code("trained by code", load_specification(workspace, manifest.specification).code)]
    )
    trained = state.find("Trained", manifest.specification)
    rows = f"{trained.body['rows']} rows" if trained else ""
    yield _of(rows, trained, "training", broken="" if trained else "the ledger has no record of it")
    read, words = manifest.read, "its training did not commit to what it read"
    if read:
        words = f"{read['records']} cases, its ancestors' among them"
    yield _row("read", words, read["root"] if read else "")
    yield from _tried("dataset", lambda: _dataset(workspace, version))
    yield from _evaluated(workspace, version)
    for signed in signatures(workspace, version.digest):
        odd = "" if signed["verified"] == "yes" else f" (NOT VERIFIED, {signed['verified']})"
        meaning = f"{signed['meaning']}: {signed['reason']}{odd}"
        yield _row(
            "approval", meaning, signed["key"], signed["time"], f"{signed['name']} ({signed['principal']})"
        )
    for switch in state.history(version.problem):
        if switch.body["version"] == version.digest:
            yield _of(f"{switch.kind}: {switch.body['name']}", switch, "switch")


def _dataset(workspace: Workspace, version: Version) -> Iterator[Row]:
    built = dataset_entry(workspace, version.manifest.dataset)
    counts = built.body["counts"]
    yield _of(f"{counts['cases']} cases", built, "dataset", version.manifest.dataset)
    for batch in built.body["batches"]:
        yield _admitted(workspace, batch, "batch")
    for mapping in datasets.load(workspace.store, version.manifest.dataset).info.migrated_by:
        moved = next(
            (e for e in workspace.ledger.entries() if e.kind == "Migrated" and e.body["mapping"] == mapping),
            None,
        )
        words = (
            f"{moved.body['rows']} rows, MedDRA {moved.body['from']} to {moved.body['to']}" if moved else ""
        )
        yield _of(words, moved, "migration", mapping, "" if moved else "the ledger has no record of it")
    yield from _annotators(workspace, version)
    if built.body["version"]:
        adopted = workspace.ledger.find("DictionaryAdopted", built.body["version"])
        yield _of(
            f"MedDRA {built.body['version']}",
            adopted,
            "dictionary of the labels",
            version.manifest.dictionary,
        )


def _annotators(workspace: Workspace, version: Version) -> Iterator[Row]:
    """Who said what the labels of this problem are made of, how often, by which guideline."""
    said = datasets.load(workspace.store, version.manifest.dataset).annotations
    said = said[said["problem"] == version.problem]
    for (who, guideline), number in said.fillna("").groupby(["annotator", "guideline"]).size().items():
        words = f"{number} annotations, guideline {guideline or 'not named'}"
        yield _row("annotator", words, by=who)


def _evaluated(workspace: Workspace, version: Version) -> Iterator[Row]:
    """Each time that the gate judged it, and by which policy."""
    for entry in workspace.ledger.entries():
        if entry.kind == "Evaluated" and entry.body["specification"] == version.manifest.specification:
            body = entry.body
            against = workspace.ledger.state().version(body["champion"]) if body["champion"] else None
            beside = f"{against.body['problem']}@{against.body['number']}" if against else "no champion"
            yield _of(f"{body['outcome']}, beside {beside}", entry, "evaluation", body["report"])
            yield _checked("policy", "of this evaluation", body["policy"], workspace)


def _admitted(workspace: Workspace, batch: str, link: str) -> Row:
    entry = workspace.ledger.find("BatchAdmitted", batch)
    if entry is None:
        return _row(link, "", batch, broken="the ledger has no record that it was admitted")
    body = entry.body
    words = f"{body['name']}: {in_words(body)}"
    return {
        **_checked(link, words, body["blob"], workspace),
        "digest": batch,
        "when": entry.time,
        "by": entry.actor,
    }


def _code(what: str, digest: str) -> Row:
    return _row(
        "code", f"{what}, {'this program' if digest == code_digest() else 'not this program'}", digest
    )


def _of(what: str, entry: Entry | None, link: str, digest: str | None = None, broken: str = "") -> Row:
    """A row of what a ledger entry tells."""
    when, by, own = (entry.time, entry.actor, entry.digest) if entry else ("", "", "")
    number = f" (entry {entry.sequence})" if entry else ""
    return _row(link, f"{what}{number}", digest or own, when, by, broken)


def _known(entry: Entry | None, field: str) -> str | None:
    return str(entry.body[field]) if entry and field in entry.body else None


def _checked(link: str, what: str, digest: str, workspace: Workspace) -> Row:
    """A row of what a blob holds, its bytes checked."""
    return _row(
        link,
        what,
        digest,
        broken="".join(row["broken"] for row in _tried(link, lambda: _blob(workspace, digest))),
    )


def _blob(workspace: Workspace, digest: str) -> list[Row]:
    check_blob(workspace.store, digest)
    return []


def _tried(link: str, rows: Callable[[], Any]) -> Iterator[Row]:
    """The rows of a link as far as they can be read; what cannot be is a broken link."""
    try:
        yield from rows()
    except PvError as error:
        yield _row(link, "cannot be read", broken=str(error))
