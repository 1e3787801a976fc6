#!/usr/bin/env python3
"""Verify an exported version without the product that made it: Python 3.9 or later, and ssh-keygen (8.9 or later).

    python3 -I verify.py FOLDER --allowed-signers FILE [--revoked FILE] [--checkpoint FILE]

One line a check: holds, DOES NOT HOLD, or not checked and why; exit code 1 if one does not hold. Whom to trust you say:
`--allowed-signers` names the keys that you accept (ssh-keygen(1), ALLOWED SIGNERS), got from their holders. This file's
copy in the folder proves nothing; a cut-off end shows in a checkpoint kept elsewhere. recount.py beside it is run, too.
"""

from __future__ import annotations

import argparse
import base64
import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections import Counter
from datetime import datetime, timedelta
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any, NamedTuple

PARTS, BEFORE = ("specification", "dataset", "report", "policy"), ("parent", "champion")
SUMS, LEDGER, ABOUT = "MANIFEST.sha256", "ledger.jsonl", "export.json"
OWN = {LEDGER, ABOUT, "README.md", "verify.py", "recount.py", "allowed_signers", "revoked_keys"}
FIELDS = {"format", "sequence", "previous", "time", "kind", "actor", "key", "body", "nonce"}
SWITCH = {"promote": "Promoted", "rollback": "RolledBack", "override": "Overridden"}
PRECISION = {"confidence": 0.95, "resamples": 1000}  # where the policy does not say otherwise
PLAIN = json.JSONEncoder(sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
DIGEST = r"\b[0-9a-f]{64}\b"
GOAL = {"rollback": "roll back to", "override": "override the gate for"}


class Wrong(Exception): ...


class NotChecked(Exception): ...


class Results(Counter[str]):
    def make(self, what: str, call: Any, *arguments: Any) -> bool:
        try:
            return self.add("holds", what, call(*arguments) or "")
        except (NotChecked, Wrong) as told:
            return self.add("not checked" if type(told) is NotChecked else "DOES NOT HOLD", what, str(told))
        except (LookupError, TypeError, ValueError, AttributeError, OSError, RecursionError) as fault:
            return self.add("DOES NOT HOLD", what, f"cannot be read as what it should be: {fault!r}")

    def add(self, result: str, what: str, why: str = "") -> bool:
        self[result] += 1
        print(f"{result:14} {what}{': ' + why if why else ''}")
        return result == "holds"


def require(holds: Any, why: str) -> None:
    if not holds:
        raise Wrong(why)


def same(what: str, one: Any, other: Any) -> None:
    require(one == other, f"{what}: {str(one)[:70]} and {str(other)[:70]} should be the same")


def pick(record: Any, *names: str) -> dict[str, Any]:
    return {name: record[name] for name in names}


def canonical(value: Any) -> bytes:
    """JSON with sorted keys, no spaces and UTF-8: one value has one sequence of bytes."""
    return PLAIN.encode(value).encode()


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


class Folder:
    """An exported folder: its files by the digest that they have, whatever they are called."""

    def __init__(self, root: Path) -> None:
        self.root, self.digests, self.by_digest = root, dict[str, str](), dict[str, Path]()
        self.about, self.entries = dict[str, Any](), list[dict[str, Any]]()

    def sums(self) -> str:
        """Every file is there with its digest, and no other."""
        for path in self.root.rglob("*"):
            if path != self.root / SUMS and (path.is_symlink() or not path.is_dir()):
                digest = "a link" if path.is_symlink() else sha256(path.read_bytes())
                self.digests[path.relative_to(self.root).as_posix()] = digest
                self.by_digest[digest] = path
        made = [*(f"{self.digests[name]}  {name}" for name in sorted(self.digests)), ""]
        listed = (self.root / SUMS).read_bytes().decode().split("\n")
        wrong = ", ".join(sorted({line[66:] for line in {*made} ^ {*listed}}))
        require(made == listed, f"altered, missing or not listed: {wrong or 'the order of the lines'}")
        return f"{len(self.digests)} files"

    def blob(self, digest: str) -> bytes:
        require(digest in self.by_digest, f"no file of the folder has the digest {digest}")
        return self.by_digest[digest].read_bytes()

    def record(self, digest: str) -> Any:
        """A JSON blob, in the one form that it can have."""
        value = json.loads(self.blob(digest))
        same(f"the form of {self.by_digest[digest].name}", sha256(canonical(value)), digest)
        return value

    def chain(self) -> str:
        """The ledger: each entry names its predecessor's digest."""
        lines = (self.root / LEDGER).read_bytes().split(b"\n")
        previous, seen = "0" * 64, dict[Any, int]()
        require(lines.pop() == b"" and lines, "the last entry is cut off")
        for number, line in enumerate(lines, 1):
            entry = json.loads(line)
            form = set(entry) == FIELDS and isinstance(entry["body"], dict) and entry["format"] == 1
            require(form and canonical(entry) == line, f"entry {number} was altered: it has no such form")
            follows = (entry["sequence"], entry["previous"]) == (number, previous)
            require(follows, f"entry {number} does not follow entry {number - 1}: one of them was altered")
            first = seen.setdefault((entry["kind"], entry["key"] or number), number)
            require(first == number, f"entry {number} repeats entry {first}")
            previous = sha256(line)
            self.entries.append({**entry, "digest": previous, "line": line})
        return f"{len(lines)} entries, the last of {self.entries[-1]['time']}"

    def exported(self) -> str:
        self.about = json.loads((self.root / ABOUT).read_bytes())
        body, last = self.registered(self.about["version"])["body"], self.entries[-1]
        same("name", self.about["name"], f"{body['problem']}@{body['number']}")
        same("last entry", self.about["last"], [last["sequence"], last["digest"]])
        return str(self.about["name"])

    def find(self, kinds: str, until: Any = None, **fields: Any) -> list[dict[str, Any]]:
        """The entries of these kinds whose body has these fields, before entry `until`."""
        there = (e for e in self.entries[: until and until - 1] if e["kind"] in kinds.split())
        return [e for e in there if all(n in e["body"] and e["body"][n] == v for n, v in fields.items())]

    def registered(self, digest: str) -> dict[str, Any]:
        found = self.find("Registered", version=digest)
        require(found, f"the ledger registers no version {digest}")
        return found[0]

    def referred(self, reference: Any, kind: str, by: dict[str, Any]) -> dict[str, Any]:
        """The entry that another one, later, names by number and digest."""
        number = reference["sequence"]
        entry = self.entries[number - 1] if 0 < number < by["sequence"] else {}
        there = (entry.get("digest"), entry.get("kind")) == (reference["digest"], kind)
        require(there, f"entry {by['sequence']} refers to {kind} entry {number}, which is not there")
        return entry


def lineage(folder: Folder, results: Results) -> dict[str, tuple[str, Any]]:
    """The version and all that it was continued from or compared with: digest -> name and manifest."""
    wanted, found = [folder.about["version"]], dict[str, tuple[str, Any]]()

    def read(digest: str) -> str:
        entry, manifest = folder.registered(digest), folder.record(digest)
        earlier = folder.find("Registered", problem=manifest["problem"])
        same("number", earlier.index(entry) + 1, entry["body"]["number"])
        texts = [manifest[n] for n in (*PARTS, "dossier", "problem")] + [manifest[n] or "" for n in BEFORE]
        require(all(isinstance(text, str) for text in texts), "it names something that is no text")
        found[digest] = (f"{manifest['problem']}@{entry['body']['number']}", manifest)
        return found[digest][0]

    for digest in wanted:
        if digest not in found and results.make(f"manifest {digest[:12]}", read, digest):
            wanted += [name for role in BEFORE if (name := found[digest][1][role])]
    return found


def made_of(folder: Folder, digest: str, versions: dict[str, tuple[str, Any]]) -> None:
    """The records of specification, training, evaluation and registration fit the manifest."""
    manifest, entry = versions[digest][1], folder.registered(digest)
    asked, adapter = folder.record(manifest["specification"]), manifest["adapter"]
    same("asked", *(pick(part, "problem", "dataset", "parent") for part in (manifest, asked)))
    same("base", manifest["base"], asked["settings"]["base"])
    same("recipe", manifest["recipe"], {**asked["settings"], **pick(asked, "family", "seed")})
    files = {name: item["sha256"] for name, item in adapter["files"].items()}
    theirs = versions[asked["parent"]][1]["adapter"]["files"] if asked["parent"] else None
    parts = theirs and {name: item["sha256"] for name, item in theirs.items()}
    same("parent's files", parts, asked["parent_files"])
    trained = folder.find("Trained", specification=manifest["specification"])[0]
    judged = folder.find("Evaluated", **pick(manifest, "specification", "report", "policy"))[0]
    same("adapter", adapter["digest"], sha256(canonical(files)))
    for other in (trained, judged, entry):
        made = [adapter["digest"], manifest["specification"]]
        same(f"entry {other['sequence']}", made, [other["body"]["adapter"], other["body"]["specification"]])
    read = manifest.get("read") and pick(manifest["read"], "root", "records")
    same("cases that were read", read, entry["body"].get("read"))
    then = {"files": adapter["files"], "environment": manifest["environment"]}
    same("files, environment", then, pick(trained["body"], *then))
    outcome = {"champion": manifest["champion"], "outcome": manifest["decision"]["outcome"]}
    same("champion, outcome", outcome, pick(judged["body"], *outcome))
    same("decision", manifest["decision"], folder.record(judged["body"]["decision"]))
    order = [trained["sequence"], judged["sequence"], entry["sequence"]]
    before = max((folder.registered(manifest[n])["sequence"] for n in BEFORE if manifest[n]), default=0)
    require(order == sorted(order) and before < order[2], f"entries {order} after {before}: no such order")


def dataset(folder: Folder, name: str) -> str:
    """The dataset's record is the ledger's; its batches and migrations were admitted."""
    made, body = folder.record(name), folder.find("DatasetBuilt", dataset=name)[0]["body"]
    said = [made["meddra_version"], made["parent"], made["counts"], len(made["batches"])]
    same("record", said, [body["version"], body["parent"], body["counts"], len(body["batches"])])
    absent = [digest for digest in body["batches"] if not folder.find("BatchAdmitted", digest=digest)]
    absent += [digest for digest in made["mappings"] if not folder.find("Migrated", mapping=digest)]
    require(not absent, f"the ledger does not say where {', '.join(absent)} came from")
    return f"{made['counts']['cases']} cases of {len(body['batches'])} batches"


def adapter_files(folder: Folder, manifest: Any) -> str:
    for name, item in manifest["adapter"]["files"].items():
        same(f"adapter/{name}", folder.digests.get(f"adapter/{name}"), item["sha256"])
    return manifest["adapter"]["digest"][:12]


def data(folder: Folder, manifest: Any) -> str:
    """Cases, labels and answers: left out unless they were asked for."""
    named = data_files(folder, manifest)
    if absent := [name for name, digest in named.items() if digest not in folder.by_digest]:
        raise NotChecked(f"{len(absent)} of {len(named)} files are left out: personal data, licensed codes")
    return f"{len(named)} files"


def data_files(folder: Folder, manifest: Any) -> dict[str, str]:
    """File name -> digest of what the version learnt from and answered."""
    made, built = folder.record(manifest["dataset"]), folder.find("DatasetBuilt", dataset=manifest["dataset"])
    found = {f"{part}.parquet": made[part] for part in ("cases", "annotations", "labels", "aside")}
    found.update({f"{part}.json": made[part] for part in ("open", "nullified") if part in made})
    found.update({f"mapping-{n}": digest for n, digest in enumerate(dict.fromkeys(made["mappings"]), 1)})
    for batch in (folder.find("BatchAdmitted", digest=name)[0] for name in built[0]["body"]["batches"]):
        found[f"batch-{batch['sequence']}"] = batch["body"]["blob"]
    for entry in folder.find("Evaluated", specification=manifest["specification"]):
        body, name = entry["body"], f"answers-{entry['sequence']}"
        told = {"": body["predictions"], "-champion-old": body.get("old_answers")}
        told.update({f"-{who}": digest for who, digest in body.get("answers", {}).items()})
        found.update({f"{name}{who}.jsonl": digest for who, digest in told.items() if digest})
    return found


def places(folder: Folder, manifest: Any) -> dict[str, Any]:
    """File name -> digest of every record, as an export lays them out; of two names of one record it has one."""
    found = {f"adapter/{name}": item["sha256"] for name, item in manifest["adapter"]["files"].items()}
    found.update({f"data/{name}": digest for name, digest in data_files(folder, manifest).items()})
    trained = folder.find("Trained", specification=manifest["specification"])[0]["body"]
    found.update({"dossier.html": manifest["dossier"], "data/consumed.json": trained.get("consumed")})
    for body in (entry["body"] for entry in folder.find("Registered")):
        place, digest = f"versions/{body['problem']}@{body['number']}", body["version"]
        record = {**(folder.record(digest) if digest in folder.by_digest else {}), "manifest": digest}
        found.update({f"{place}/{part}.json": record.get(part) for part in (*PARTS, "manifest")})
        for entry in folder.find("Evaluated", specification=body["specification"]):
            judged, number = entry["body"], entry["sequence"]
            found[f"data/held-out-{number}.json"] = judged.get("held_out")
            found.update({f"{place}/{part}-{number}.json": judged.get(part) for part in ("decision", *PARTS)})
    for entry in folder.find("ApprovalRequested"):
        found[f"versions/policy-{entry['sequence']}.json"] = entry["body"]["policy"]
    return found


def strays(folder: Folder, manifest: Any) -> str:
    """Each file is what its name says: nobody reads one record as another, or a page that nobody wrote."""
    wanted, groups = places(folder, manifest), [n for n in folder.digests if n.startswith("data/groups-")]
    named = [name for name in folder.digests if not (name in OWN or name.startswith("checkpoints/"))]
    foreign = ", ".join(n for n in named if folder.digests[n] != wanted.get(n) and n not in groups)
    require(not foreign, f"no record names {foreign}")
    word = f", of which {', '.join(groups)} is the exporter's word: a case's slices" if groups else ""
    return f"{len(named)} files{word}"


def dossier(folder: Folder, manifest: Any, versions: dict[str, tuple[str, Any]]) -> str:
    """Every digest that the page shows is one that the records name, and those of the version are shown."""
    page = re.sub(r'src="data:[^"]*"', "", folder.blob(manifest["dossier"]).decode())
    records = [entry["line"] for entry in folder.entries] + [canonical(of) for _, of in versions.values()]
    records += [folder.blob(of[part]) for _, of in versions.values() for part in PARTS]
    shown, known = set(re.findall(DIGEST, page)), set(re.findall(DIGEST, b"\n".join(records).decode()))
    require(shown <= known, f"it shows digests that no record names: {', '.join(sorted(shown - known))}")
    own = {manifest["adapter"]["digest"], *(manifest[part] for part in PARTS)}
    require(shown >= own, f"it does not show the digests {', '.join(sorted(own - shown))}")
    return f"{len(shown)} digests"


def decided(folder: Folder, entry: dict[str, Any]) -> str:
    """The decision follows from its criteria; whether these follow from policy and report recount.py says."""
    body, decision = entry["body"], folder.record(entry["body"]["decision"])
    report, policy = folder.record(body["report"]), folder.record(body["policy"])
    checks, first = [{"required": True, **check} for check in decision["checks"]], body["champion"] is None
    blocking = [c for c in checks if c["outcome"] == "fail" or (c["required"] and c["outcome"] != "pass")]
    worst = min((check["outcome"] for check in blocking), default="pass")  # fail comes before inconclusive
    reasons = [check["reason"] for check in blocking or checks]
    said = [decision["outcome"], body["outcome"], decision["first"], decision["reasons"]]
    same("outcome of the checks, decision and ledger", [worst, worst, first, reasons], said)
    same("reasons of the ledger", body.get("reasons", reasons), reasons)
    asked = {**PRECISION, **policy.get("evaluation", {})}
    same("precision", *(pick(part, *PRECISION) for part in (report, asked)))
    return f"{worst}, {len(checks)} criteria: run recount.py to count them again"


class Keys(NamedTuple):
    allowed: Path
    revoked: Path | None

    def verify(self, signed: bytes, signature: str, principal: str, namespace: str, time: str) -> str:
        """The fingerprint of the key, whose line was valid at `time` and which is not revoked now."""
        if (program := shutil.which("ssh-keygen")) is None:
            raise NotChecked("ssh-keygen is not installed")
        with tempfile.TemporaryDirectory() as place:
            file = Path(place, "signature")
            file.write_text(signature, "ascii")
            command = [program, "-Y", "verify", "-f", str(self.allowed), "-I", principal, "-n", namespace]
            command += ["-s", str(file), "-O", "verify-time=" + re.sub(r"\D", "", time)[:14]]
            command += ["-r", str(self.revoked)] if self.revoked else []
            words = {**os.environ, "LC_ALL": "C", "TZ": "UTC"}
            done = subprocess.run(command, input=signed, capture_output=True, env=words)
        found = re.search(rb"key (SHA256:\S+)", done.stdout)
        if done.returncode or not found:
            said = " ".join((done.stderr + b" " + done.stdout).decode("utf-8", "replace").split())
            raise Wrong(f"the signature of {principal} is not accepted: {said[:200]}")
        return found[1].decode()

    def gives(self, fingerprint: str, who: str) -> bool:
        """Whether the keys file gives a key to somebody, whom its patterns name (`*@example.org,!eve@*`)."""
        wanted = base64.b64decode(fingerprint[len("SHA256:") :] + "=")
        for names, *words in filter(None, map(str.split, self.allowed.read_text("utf-8").splitlines())):
            keys = [base64.b64decode(word) for word in words if word.startswith("AAAA")]
            fit = [p[0] for p in names.strip('"').split(",") if fnmatchcase(who, p.lstrip("!"))]
            if fit and "!" not in fit and wanted in [hashlib.sha256(key).digest() for key in keys]:
                return True
        return False


def statement(request: dict[str, Any], answer: Any) -> bytes:
    """What was signed: an in-toto statement (v1) that repeats the request."""
    asked, aside = request["body"], request["body"].get("waived") or []
    meaning = f"{answer['name']} approves the request to {GOAL.get(asked['action'], asked['action'])} {asked['name']}"
    although = f", although {'; and '.join(aside)}" if aside else ""
    meaning += f" as the champion of {asked['problem']}{although}"
    predicate = {**pick(asked, "action", "report", "policy"), **pick(answer, "name", "principal", "reason")}
    predicate.update(decision="approve", meaning=meaning, expected_champion=asked["expected"])
    predicate.update(request=pick(request, "sequence", "digest"), **({"waived": aside} if aside else {}))
    kinds = {"_type": "https://in-toto.io/Statement/v1", "predicateType": "urn:pv-retrain:approval:v1"}
    subject = [{"name": asked["name"], "digest": {"sha256": asked["version"]}}]
    return canonical({**kinds, "subject": subject, "predicate": predicate})


def switched(folder: Folder, switch: dict[str, Any], keys: Keys) -> str:
    """One switch of the champion: asked for, open, eligible, signed by enough of those whom its policy names."""
    body, request = switch["body"], folder.referred(switch["body"]["request"], "ApprovalRequested", switch)
    asked = {**request["body"], "asked": request["key"]}
    before = folder.find(" ".join(SWITCH.values()), switch["sequence"], problem=body["problem"])
    champion = before[-1]["body"]["version"] if before else None
    same("what it does", [switch["kind"], body["version"]], [SWITCH[asked["action"]], asked["version"]])
    same("champion that is replaced", [body["expected"], asked["expected"]], [champion, champion])
    same("switch before", asked["after_switch"], before[-1]["sequence"] if before else 0)
    both = (pick(part, "name", "problem", "report", "policy", "asked") for part in (body, asked))
    same("switch and request", *both)
    known = folder.registered(body["version"])["body"]
    named = {"request": pick(request, "sequence", "digest"), **pick(asked, "problem", "version")}
    same("name of the version", body["name"], f"{known['problem']}@{known['number']}")
    require(not folder.find("Rejected", switch["sequence"], request=named["request"]), "it was rejected")
    manifest, policy = folder.record(body["version"]), folder.record(asked["policy"])
    same("problem", manifest["problem"], body["problem"])
    eligible(folder, switch, asked, manifest, {entry["body"]["version"] for entry in before})
    start, end = (datetime.strptime(e["time"][:19], "%Y-%m-%dT%H:%M:%S") for e in (request, switch))
    valid = policy["approval"].get("valid_days", 14)
    require(end - start <= timedelta(days=valid, seconds=1), "its request had expired")
    rule = {"signatures": 1, **policy["approval"]}
    rule = {"signatures": 2, **rule["override"]} if asked["action"] == "override" else rule
    made = folder.find("Registered Trained", specification=manifest["specification"])
    barred = {entry["actor"] for entry in made} | set(policy["approval"].get("trainers", ()))
    may = [(s["principal"], s["name"]) for s in policy.get("signers", ()) if {*s["roles"]} & {*rule["roles"]}]
    given: dict[str, str] = {}
    for reference in body["approvals"]:
        answer = (entry := folder.referred(reference, "Approved", switch))["body"]
        same("answer and request", pick(answer, "decision", *named), {"decision": "approve", **named})
        who = answer["principal"], answer["name"]
        require(who in may, f"the policy does not let {' as '.join(who)} approve this")
        signed, time = statement(request, answer), entry["time"]
        key = keys.verify(signed, answer["signature"], answer["principal"], "pv-approval", time)
        same("key, actor", [answer["key"], entry["actor"]], [key, answer["principal"]])
        own = [one for one in barred if one in (*who, key) or keys.gives(key, one)]
        require(not own, f"{answer['principal']} trained or registered it, and cannot answer for it")
        given[key] = answer["name"]
    require(len(given) >= (needed := max(1, rule["signatures"])), f"{len(given)} of {needed} signatures")
    same("request, signatures", [switch["key"], body["signatures"]], [request["digest"], needed])
    return f"{switch['kind']} on {switch['time']}, signed by {', '.join(given.values())}"


def eligible(folder: Folder, switch: Any, asked: Any, manifest: Any, were: set[str]) -> None:
    """The gate passed on the report that the request names, by its policy and beside the champion of then."""
    end, champion, report = switch["sequence"], asked["expected"], asked["report"]
    new = asked["version"] not in were
    judged = {**manifest, **pick(manifest["decision"], "outcome", "reasons")}
    if report != manifest["report"]:
        fields = {"specification": manifest["specification"], "report": report}
        judged = folder.find("Evaluated", end, **fields)[-1]["body"]
    said, other = (f"the gate said {judged['outcome']}", "; ".join(judged["reasons"])), judged["champion"]
    aside = [": ".join(filter(None, said))] if judged["outcome"] != "pass" else []
    if new and other != champion:
        aside.append(f"the report compares with {other or 'no champion'}, not with {champion or 'none'}")
    if new and judged["policy"] != asked["policy"]:
        aside.append(f"the gate decided by the policy {judged['policy']}, not by {asked['policy']}")
    asks = any(entry["body"].get("loaded") for entry in folder.find("Evaluated", end, report=report))
    done = [e["body"] for e in folder.find("Loaded", end, version=asked["version"], report=report)]
    if new and asks and (not done or done[-1]["outcome"] != "pass"):
        fact = "was not loaded for real since it was evaluated, and the policy asks for it"
        fact = f"was loaded for real and did not pass: {'; '.join(done[-1]['reasons'])}" if done else fact
        aside.append(f"{asked['name']} {fact}")
    if asked["action"] == "override":
        return same("what it sets aside, and the request's words", aside or "something", asked.get("waived"))
    require(not aside, "; ".join(aside))
    require(new == (asked["action"] == "promote"), "only who was champion is rolled back to")


def checkpoint(folder: Folder, file: Path, keys: Keys) -> str:
    """The first entries are those that somebody signed (C2SP tlog-checkpoint; RFC 6962, 2.1; leaves: digests)."""
    text, _, signature = file.read_bytes().replace(b"\r\n", b"\n").decode().partition("\n\n")
    origin, size, root, time, signer = text.split("\n")
    principal, moment = signer[len("signer ") :], time[len("time ") :]
    keys.verify(f"{text}\n".encode(), signature, principal, "pv-checkpoint", moment)
    same("first entry of the ledger", origin, f"pv-retrain/ledger/{folder.entries[0]['digest']}")
    gone = int(size) - len(folder.entries)
    require(gone <= 0, f"{gone} of the {size} entries that it counts are gone")
    level = [bytes.fromhex(e["digest"]) for e in folder.entries[: int(size)]]
    while len(level) > 1:
        pairs = [b"\1" + level[n] + level[n + 1] for n in range(0, len(level) - 1, 2)]
        level = [hashlib.sha256(pair).digest() for pair in pairs] + level[2 * len(pairs) :]
    same(f"root of the first {size} entries", base64.b64encode(level[0]).decode(), root)
    return f"{size} of {len(folder.entries)} entries, {signer}, {time}"


def verify(root: Path, allowed: Path | None, revoked: Path | None, kept: list[Path]) -> int:
    """Make every check and print it; returns how many did not hold."""
    results, folder = Results(), Folder(root)
    results.make("files: their digests", folder.sums)
    if results.make("ledger: its chain", folder.chain):
        if allowed is None:
            results.add("not checked", "whose the keys are", "the folder says so: give --allowed-signers")
        revoked = revoked or next(root.glob("revoked_keys"), None)  # whose it is: it only takes trust away
        keys = Keys(allowed or root / "allowed_signers", revoked)
        for file in [*kept, *sorted((root / "checkpoints").glob("*"))]:
            results.make(f"checkpoint {file.name}", checkpoint, folder, file, keys)
        if not kept:
            results.add("not checked", "ledger: its end", "give a checkpoint that you kept (--checkpoint)")
        if results.make("version", folder.exported):
            check_version(folder, results, keys)
    print("\n" + ", ".join(f"{number} {result}" for result, number in sorted(results.items())))
    return results["DOES NOT HOLD"]


def check_version(folder: Folder, results: Results, keys: Keys) -> None:
    versions = lineage(folder, results)
    for digest, (name, manifest) in versions.items():
        results.make(f"{name}: specification, training, evaluation", made_of, folder, digest, versions)
        results.make(f"{name}: dataset", dataset, folder, manifest["dataset"])
        for entry in folder.find("Evaluated", specification=manifest["specification"]):
            results.make(f"{name}: decision, entry {entry['sequence']}", decided, folder, entry)
    problem = folder.registered(folder.about["version"])["body"]["problem"]
    for switch in folder.find(" ".join(SWITCH.values())):
        # By name, too, so that none is passed over because it says that it is of another problem.
        if problem not in (switch["body"].get("problem"), str(switch["body"].get("name")).partition("@")[0]):
            continue
        what = f"{switch['body'].get('name')}: switch, entry {switch['sequence']}"
        results.make(what, switched, folder, switch, keys)
    if folder.about["version"] in versions:
        name, manifest = versions[folder.about["version"]]
        results.make(f"{name}: adapter", adapter_files, folder, manifest)
        results.make(f"{name}: cases, labels, answers", data, folder, manifest)
        results.make(f"{name}: dossier", dossier, folder, manifest, versions)
        results.make("files: what they are", strays, folder, manifest)
        results.add(
            "not checked", f"{name}: criteria, numbers, training", "recount.py, pv verify, pv rebuild do"
        )


def counted_again(folder: Path) -> int:
    """1 if recount.py, where it lies beside this file, finds a decision or a number that does not hold."""
    program = Path(__file__).with_name("recount.py")
    if not program.is_file():
        return 0
    print(f"\n{program.name}:", flush=True)
    return subprocess.run([sys.executable, "-I", "-S", str(program), str(folder)]).returncode


def main() -> int:
    parser = argparse.ArgumentParser(usage=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--allowed-signers", type=Path, help="keys that you accept, from their holders")
    parser.add_argument("--revoked", type=Path, help="keys that were revoked, or a KRL")
    parser.add_argument("--checkpoint", type=Path, action="append", default=[], help="repeatable")
    given = parser.parse_args()
    wrong = verify(given.folder, given.allowed_signers, given.revoked, given.checkpoint)
    return 1 if counted_again(given.folder) or wrong else 0


if __name__ == "__main__":
    raise SystemExit(main())
