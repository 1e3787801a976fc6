#!/usr/bin/env python3
"""Verify an exported version without the product that made it: Python 3.9 or later, and ssh-keygen (8.9 or later).

    python3 -I verify.py FOLDER --allowed-signers FILE [--revoked FILE] [--checkpoint FILE]

One line a check: holds, DOES NOT HOLD, or not checked with the reason; exit code 1 if anything does not hold. Whom
to trust is yours to say: `--allowed-signers` names the keys that you accept (ssh-keygen(1), ALLOWED SIGNERS), got
from their holders; take this file from the product's release, too, for the folder's copy proves nothing. That the
ledger's end was cut off shows only a signed checkpoint that was kept elsewhere.
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
from pathlib import Path
from statistics import NormalDist
from typing import Any, NamedTuple

SUMS, LEDGER, ABOUT = "MANIFEST.sha256", "ledger.jsonl", "export.json"
FIELDS = {"format", "sequence", "previous", "time", "kind", "actor", "key", "body", "nonce"}
SWITCH = {"promote": "Promoted", "rollback": "RolledBack", "override": "Overridden"}
GOAL = {"rollback": "roll back to", "override": "override the gate for"}


class Wrong(Exception): ...


class NotChecked(Exception): ...


class Results(Counter[str]):
    def make(self, what: str, call: Any, *arguments: Any) -> bool:
        try:
            return self.add("holds", what, call(*arguments) or "")
        except (NotChecked, Wrong) as told:
            result = "not checked" if isinstance(told, NotChecked) else "DOES NOT HOLD"
            return self.add(result, what, str(told))
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


def canonical(value: Any) -> bytes:
    """JSON with sorted keys, no spaces and UTF-8: one value has one sequence of bytes."""
    return json.dumps(
        value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False
    ).encode()


def sha256(content: bytes | Path) -> str:
    if isinstance(content, bytes):
        return hashlib.sha256(content).hexdigest()
    found = hashlib.sha256()
    with content.open("rb") as file:
        while piece := file.read(2**20):
            found.update(piece)
    return found.hexdigest()


class Folder:
    """An exported folder: its files by the digest that they have, whatever they are called."""

    def __init__(self, root: Path) -> None:
        self.root, self.by_digest = root, dict[str, Path]()
        self.about, self.entries = dict[str, Any](), list[dict[str, Any]]()

    def sums(self) -> str:
        """Every file is there with its digest, and no other."""
        data = (self.root / SUMS).read_bytes()
        listed = {line[66:]: line[:64] for line in data.decode().split("\n")[:-1]}
        form = "".join(f"{listed[name]}  {name}\n" for name in sorted(listed)).encode()
        require(data == form, f"{SUMS} is not in its form: one line a file, sorted by name")
        there = {p.relative_to(self.root).as_posix(): p for p in self.root.rglob("*") if not p.is_dir()}
        there.pop(SUMS, None)
        wrong = [f"{name} is missing or not listed" for name in sorted(set(there) ^ set(listed))]
        for name in sorted(set(there) & set(listed)):
            found = "" if there[name].is_symlink() else sha256(there[name])
            if found == listed[name]:
                self.by_digest[found] = there[name]
            else:
                wrong.append(f"{name} was altered")
        require(not wrong, "; ".join(wrong))
        return f"{len(listed)} files"

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
            if set(entry) != FIELDS or canonical(entry) != line or entry["format"] != 1:
                raise Wrong(f"entry {number} was altered: it is not in the form of an entry")
            if entry["sequence"] != number or entry["previous"] != previous:
                raise Wrong(f"entry {number} does not follow entry {number - 1}: one of them was altered")
            if entry["key"] and seen.setdefault((entry["kind"], entry["key"]), number) != number:
                raise Wrong(f"entry {number} repeats entry {seen[entry['kind'], entry['key']]}")
            previous = sha256(line)
            self.entries.append({**entry, "digest": previous, "line": line})
        return f"{len(lines)} entries, the last of {self.entries[-1]['time']}"

    def exported(self) -> str:
        self.about = json.loads((self.root / ABOUT).read_bytes())
        body, last = self.registered(self.about["version"])["body"], self.entries[-1]
        same("name", self.about["name"], f"{body['problem']}@{body['number']}")
        same("last entry", self.about["last"], [last["sequence"], last["digest"]])
        return str(self.about["name"])

    def find(self, kind: str, **fields: Any) -> list[dict[str, Any]]:
        """The entries of a kind whose body has these fields."""
        fits = fields.items()
        return [e for e in self.entries if e["kind"] == kind and fits <= e["body"].items()]

    def registered(self, digest: str) -> dict[str, Any]:
        found = self.find("Registered", version=digest)
        require(found, f"the ledger registers no version {digest}")
        return found[0]

    def referred(self, reference: Any, kind: str, by: dict[str, Any]) -> dict[str, Any]:
        """The entry that another one, later, names by number and digest."""
        number = reference["sequence"]
        entry = self.entries[number - 1] if 0 < number < by["sequence"] else {}
        if (entry.get("digest"), entry.get("kind")) != (reference["digest"], kind):
            raise Wrong(f"entry {by['sequence']} refers to {kind} entry {number}, which is not there")
        return entry


def lineage(folder: Folder, results: Results) -> dict[str, tuple[str, Any]]:
    """The version and all that it was continued from or compared with: digest -> name and manifest."""
    wanted, found = [folder.about["version"]], dict[str, tuple[str, Any]]()

    def read(digest: str) -> str:
        entry, manifest = folder.registered(digest), folder.record(digest)
        earlier = folder.find("Registered", problem=manifest["problem"])
        same("number", earlier.index(entry) + 1, entry["body"]["number"])
        found[digest] = (f"{manifest['problem']}@{entry['body']['number']}", manifest)
        return found[digest][0]

    for digest in wanted:
        if digest not in found and results.make(f"manifest {digest[:12]}", read, digest):
            wanted += [name for role in ("parent", "champion") if (name := found[digest][1][role])]
    return found


def made_of(folder: Folder, digest: str, versions: dict[str, tuple[str, Any]]) -> None:
    """The records of specification, training, evaluation and registration fit the manifest."""
    manifest, entry = versions[digest][1], folder.registered(digest)
    asked, adapter = folder.record(manifest["specification"]), manifest["adapter"]
    for name in ("problem", "dataset", "parent"):
        same(name, manifest[name], asked[name])
    same("base", manifest["base"], asked["settings"]["base"])
    same("recipe", manifest["recipe"], {**asked["settings"], **{n: asked[n] for n in ("family", "seed")}})
    files = {name: item["sha256"] for name, item in adapter["files"].items()}
    theirs = versions[asked["parent"]][1]["adapter"]["files"] if asked["parent"] else None
    parts = theirs and {name: item["sha256"] for name, item in theirs.items()}
    same("parent's files", parts, asked["parent_files"])
    trained = folder.find("Trained", specification=manifest["specification"])[0]
    judged = folder.find("Evaluated", **{n: manifest[n] for n in ("specification", "report", "policy")})[0]
    same("adapter", adapter["digest"], sha256(canonical(files)))
    for other in (trained, judged, entry):
        same(f"adapter of entry {other['sequence']}", adapter["digest"], other["body"]["adapter"])
        same("specification", manifest["specification"], other["body"]["specification"])
    same("files", adapter["files"], trained["body"]["files"])
    same("environment", manifest["environment"], trained["body"]["environment"])
    same("champion", manifest["champion"], judged["body"]["champion"])
    same("outcome", manifest["decision"]["outcome"], judged["body"]["outcome"])
    same("decision", manifest["decision"], folder.record(judged["body"]["decision"]))
    order = [trained["sequence"], judged["sequence"], entry["sequence"]]
    before = [folder.registered(manifest[n])["sequence"] for n in ("parent", "champion") if manifest[n]]
    possible = order == sorted(order) and max(before, default=0) < entry["sequence"]
    require(possible, f"entries {order} after {before} are not in an order in which this can have been")


def dataset(folder: Folder, name: str) -> str:
    """The dataset's record is the ledger's; its batches and migrations were admitted."""
    made, body = folder.record(name), folder.find("DatasetBuilt", dataset=name)[0]["body"]
    for one, other in (("meddra_version", "version"), ("parent", "parent"), ("counts", "counts")):
        same(one, made[one], body[other])
    same("number of batches", len(made["batches"]), len(body["batches"]))
    absent = [digest for digest in body["batches"] if not folder.find("BatchAdmitted", digest=digest)]
    absent += [digest for digest in made["mappings"] if not folder.find("Migrated", mapping=digest)]
    require(not absent, f"the ledger does not say where {', '.join(absent)} came from")
    return f"{made['counts']['cases']} cases of {len(body['batches'])} batches"


def adapter_files(folder: Folder, manifest: Any) -> str:
    for name, item in manifest["adapter"]["files"].items():
        same(f"adapter/{name}", sha256(folder.root / "adapter" / name), item["sha256"])
    return manifest["adapter"]["digest"][:12]


def data(folder: Folder, manifest: Any) -> str:
    """Cases, labels and answers: left out unless they were asked for."""
    made, name = folder.record(manifest["dataset"]), manifest["dataset"]
    named = [made[part] for part in ("cases", "annotations", "labels", "aside", "open")] + made["mappings"]
    for digest in folder.find("DatasetBuilt", dataset=name)[0]["body"]["batches"]:
        named.append(folder.find("BatchAdmitted", digest=digest)[0]["body"]["blob"])
    for entry in folder.find("Evaluated", specification=manifest["specification"]):
        named += [entry["body"]["predictions"], *entry["body"].get("answers", {}).values()]
    if absent := [digest for digest in named if digest not in folder.by_digest]:
        raise NotChecked(f"{len(absent)} of {len(named)} files are left out: personal data, licensed codes")
    return f"{len(named)} files"


def dossier(folder: Folder, manifest: Any, versions: dict[str, tuple[str, Any]]) -> str:
    """Every digest that the page shows is one that the records name, and those of the version are shown."""
    page = re.sub(r'src="data:[^"]*"', "", folder.blob(manifest["dossier"]).decode())
    shown = set(re.findall(r"\b[0-9a-f]{64}\b", page))
    records = [entry["line"] for entry in folder.entries] + [canonical(m) for _, m in versions.values()]
    records += [folder.blob(m[n]) for _, m in versions.values() for n in ("specification", "report")]
    known = set(re.findall(rb"\b[0-9a-f]{64}\b", b"\n".join(records)))
    foreign = sorted(digest for digest in shown if digest.encode() not in known)
    require(not foreign, f"it shows digests that no record names: {', '.join(foreign)}")
    parts = ("specification", "dataset", "report", "policy")
    own = {manifest["adapter"]["digest"], *(manifest[part] for part in parts)}
    require(shown >= own, f"it does not show the digests {', '.join(sorted(own - shown))}")
    return f"{len(shown)} digests"


def decided(folder: Folder, entry: dict[str, Any]) -> str:
    """The outcome follows from the checks, they from report and policy, and none of the policy's is left out."""
    body, decision = entry["body"], folder.record(entry["body"]["decision"])
    report, whole = folder.record(body["report"]), folder.record(body["policy"])
    policy, checks, first = whole["problems"][body["problem"]], decision["checks"], body["champion"] is None
    outcomes = {c["outcome"] for c in checks if c["outcome"] == "fail" or c["required"]}
    worst = next((name for name in ("fail", "inconclusive") if name in outcomes), "pass")
    said = [decision["outcome"], body["outcome"], decision["first"]]
    same("outcome of the checks, and what decision and ledger say", [worst, worst, first], said)
    frozen = {"anchor": policy["anchor"]["non_inferiority"]} if policy.get("anchor") else {}
    moved = {} if first else {"champion": policy.get("non_inferiority", {}), **frozen}
    margins = {**moved, **policy.get("against", {})}
    wanted = {("uses", "", None)}
    wanted |= {("floor" if first else "floor kept", metric, None) for metric in policy.get("floors", {})}
    wanted |= {("non-inferiority", metric, name) for name, rules in margins.items() for metric in rules}
    # A check that could not be made names no reference; it does not pass either.
    made = {(c["rule"], c["metric"], c["reference"]) for c in checks}
    made |= {(c["rule"], c["metric"], name) for c in checks if c["value"] is None for name in margins}
    groups = {c["group"] for c in checks} | {c["group"].partition(":")[0] + ":*" for c in checks}
    asked = {*policy.get("behaviour", {}), *policy.get("slices", {})}
    left = sorted(map(str, wanted - made)) + sorted(asked - groups)
    require(not left, f"the policy asks for {', '.join(left)}, and the decision does not look at it")
    followed = sum(follows(check, policy, margins, report, whole) for check in checks)
    if followed < len(checks):
        raise NotChecked(f"{followed} of {len(checks)} criteria follow; the others' rules are not known here")
    return f"{worst}, {followed} criteria"


def follows(check: Any, policy: Any, margins: Any, report: Any, whole: Any) -> bool:
    """Whether a check is of a rule that is known here; its numbers are the report's, and it ends as the rule says."""
    rule, metric, name, other = (check[part] for part in ("rule", "metric", "group", "reference"))
    what, passed = f"{metric or 'cases'}, {rule} ({name})", check["outcome"] == "pass"
    if rule == "uses":
        same(what, passed, report["uses"] <= whole.get("evaluation", {}).get("maximum_uses", 12))
    elif rule == "zero tolerance":
        same(what, passed, not report["slices"][name]["intolerable"])
    elif check["value"] is None:  # it could not be judged
        require(not passed or rule == "behaviour", f"{what} passes without a number")
    elif rule.startswith("behaviour"):
        kind = report["behaviour"]["kinds"][name]
        less = kind["champion"] if rule == "behaviour kept" else 0
        same(f"value of {what}", check["value"], (kind["passed"] - less) / kind["tests"])
        require(not passed or less or check["value"] >= check["threshold"] - 1e-9, f"{what} passes")
    if check["value"] is None or rule not in ("floor", "floor kept", "non-inferiority", "no harm"):
        return check["value"] is None or rule.startswith("behaviour")
    result = (report["overall"] if name == "all" else report["slices"][name])["results"][metric]
    found = result["against"][other]["difference"] if other else result["candidate"]
    z = [NormalDist().inv_cdf(1 - (1 - report["confidence"]) / 2 / n) for n in (report["uses"], 1)]
    for end in ("value", "low", "high"):
        told = found["value"] + (found[end] - found["value"]) * (z[0] / z[1] if other == "anchor" else 1)
        require(abs(check[end] - told) < 1e-9, f"{end} of {what} is {check[end]:g}, in the report {told:g}")
    turn = 1 if result["higher_is_better"] else -1
    low, high = sorted((turn * check["low"], turn * check["high"]))
    value = turn * found["value"] + 1e-9  # 0.9 - 1.0 is not quite -0.1
    if rule.startswith("floor"):
        bound = turn * policy["floors"][metric]
        reached = (low + 1e-9 if rule == "floor" else value) >= bound
    else:
        rules = policy.get("slices", {})
        sliced = rules.get(name) or rules.get(name.partition(":")[0] + ":*")
        bound = -(sliced or margins[other][metric])["margin"]
        reached = value >= bound if rule == "no harm" else low > bound
    same(f"threshold of {what}", abs(check["threshold"]), abs(bound))
    fits = check["outcome"] != ("fail" if reached else "pass") if rule == "no harm" else reached == passed
    if not fits or (rule != "no harm" and high < bound and check["outcome"] != "fail"):
        raise Wrong(f"{what}: {low:g} to {high:g} at {bound:g} does not give {check['outcome']}")
    return True


class Keys(NamedTuple):
    """Whose signatures are accepted."""

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

    def owners(self, fingerprint: str) -> set[str]:
        """To whom the keys file gives a key."""
        wanted, found = base64.b64decode(fingerprint[len("SHA256:") :] + "="), set[str]()
        for line in self.allowed.read_text("utf-8").splitlines():
            keys = [word for word in line.split()[1:] if word.startswith("AAAA")]
            if any(hashlib.sha256(base64.b64decode(word)).digest() == wanted for word in keys):
                found.update(line.split()[0].strip('"').split(","))
        return found


def statement(request: dict[str, Any], answer: Any) -> bytes:
    """What was signed: an in-toto statement (v1) that repeats the request."""
    asked, aside = request["body"], request["body"].get("waived") or []
    meaning = f"{answer['name']} approves the request to {GOAL.get(asked['action'], asked['action'])} {asked['name']}"
    meaning += f" as the champion of {asked['problem']}"
    meaning += f", although {'; and '.join(aside)}" if aside else ""
    predicate = {name: asked[name] for name in ("action", "report", "policy")}
    predicate.update({name: answer[name] for name in ("name", "principal", "reason")})
    predicate.update(decision="approve", meaning=meaning, expected_champion=asked["expected"])
    predicate["request"] = {"sequence": request["sequence"], "digest": request["digest"]}
    kinds = {"_type": "https://in-toto.io/Statement/v1", "predicateType": "urn:pv-retrain:approval:v1"}
    subject = [{"name": asked["name"], "digest": {"sha256": asked["version"]}}]
    predicate.update({"waived": aside} if aside else {})
    return canonical({**kinds, "subject": subject, "predicate": predicate})


def switched(folder: Folder, switch: dict[str, Any], keys: Keys) -> str:
    """One switch of the champion: asked for, open, eligible, signed by enough of those whom its policy names."""
    body, request = switch["body"], folder.referred(switch["body"]["request"], "ApprovalRequested", switch)
    asked = request["body"]
    before = [e for e in switches(folder, body["problem"]) if e["sequence"] < switch["sequence"]]
    champion = before[-1]["body"]["version"] if before else None
    same("what it does", [switch["kind"], body["version"]], [SWITCH[asked["action"]], asked["version"]])
    same("champion that is replaced", [body["expected"], asked["expected"]], [champion, champion])
    same("switch before", asked["after_switch"], before[-1]["sequence"] if before else 0)
    reference = {"sequence": request["sequence"], "digest": request["digest"]}
    require(not folder.find("Rejected", request=reference), "its request was rejected")
    manifest, policy = folder.record(body["version"]), folder.record(asked["policy"])
    eligible(folder, asked, manifest, champion, {entry["body"]["version"] for entry in before})
    start, end = (datetime.strptime(e["time"][:19], "%Y-%m-%dT%H:%M:%S") for e in (request, switch))
    valid = timedelta(days=policy["approval"].get("valid_days", 14), seconds=1)
    require(end - start <= valid, "its request had expired")
    emergency = asked["action"] == "override"
    rule = policy["approval"]["override"] if emergency else policy["approval"]
    made = {"specification": manifest["specification"]}
    barred = {entry["actor"] for kind in ("Registered", "Trained") for entry in folder.find(kind, **made)}
    barred |= set(policy["approval"].get("trainers", ()))
    given: dict[str, str] = {}
    for reference in body["approvals"]:
        entry = folder.referred(reference, "Approved", switch)
        answer = entry["body"]
        same("request", answer["request"]["digest"], request["digest"])
        signers = [s for s in policy.get("signers", ()) if s["principal"] == answer["principal"]]
        if not any(s["name"] == answer["name"] and set(s["roles"]) & set(rule["roles"]) for s in signers):
            raise Wrong(f"the policy does not let {answer['name']} ({answer['principal']}) approve this")
        signed, time = statement(request, answer), entry["time"]
        key = keys.verify(signed, answer["signature"], answer["principal"], "pv-approval", time)
        own = barred & {answer["principal"], answer["name"], key, *keys.owners(key)}
        require(not own, f"{answer['principal']} trained or registered it, and cannot answer for it")
        given[key] = answer["name"]
    needed = max(1, rule.get("signatures", 2 if emergency else 1))
    require(len(given) >= needed, f"{len(given)} of {needed} signatures")
    return f"{switch['kind']} on {switch['time']}, signed by {', '.join(given.values())}"


def eligible(folder: Folder, asked: Any, manifest: Any, champion: str | None, were: set[str]) -> None:
    """The gate passed on the report that the request names, by its policy and beside the champion of then."""
    judged = {**manifest, "outcome": manifest["decision"]["outcome"]}
    if asked["report"] != manifest["report"]:
        fields = {"specification": manifest["specification"], "report": asked["report"]}
        judged = folder.find("Evaluated", **fields)[-1]["body"]
    fits = (judged["champion"], judged["policy"]) == (champion, asked["policy"])
    if asked["action"] == "override":
        require(asked.get("waived"), "an override that says nothing of what it sets aside")
    elif judged["outcome"] != "pass":
        raise Wrong(f"the gate said {judged['outcome']}, not pass")
    elif asked["action"] == "rollback" and asked["version"] not in were:
        raise Wrong("a rollback to what never was champion")
    elif asked["action"] == "promote" and (asked["version"] in were or not fits):
        raise Wrong("it was promoted beside another champion or by another policy than it was judged")


def switches(folder: Folder, problem: str) -> list[dict[str, Any]]:
    kinds = SWITCH.values()
    return [e for e in folder.entries if e["kind"] in kinds and e["body"]["problem"] == problem]


def checkpoint(folder: Folder, file: Path, keys: Keys) -> str:
    """The first entries are those that somebody signed (C2SP tlog-checkpoint; RFC 6962, 2.1, over digests)."""
    text, _, signature = file.read_bytes().replace(b"\r\n", b"\n").decode().partition("\n\n")
    origin, size, root, time, signer = text.split("\n")
    principal, moment = signer[len("signer ") :], time[len("time ") :]
    keys.verify(f"{text}\n".encode(), signature, principal, "pv-checkpoint", moment)
    same("first entry of the ledger", origin, f"pv-retrain/ledger/{folder.entries[0]['digest']}")
    gone = int(size) - len(folder.entries)
    require(gone <= 0, f"{gone} of the {size} entries that it counts are gone")
    level = [hashlib.sha256(b"\0" + bytes.fromhex(e["digest"])).digest() for e in folder.entries[: int(size)]]
    while len(level) > 1:
        pairs = [b"\1" + level[n] + level[n + 1] for n in range(0, len(level) - 1, 2)]
        level = [hashlib.sha256(pair).digest() for pair in pairs] + level[2 * len(pairs) :]
    same(f"root of the first {size} entries", base64.b64encode(level[0]).decode(), root)
    return f"{size} entries, {signer}, {time}"


def verify(root: Path, allowed: Path | None, revoked: Path | None, kept: list[Path]) -> int:
    """Make every check and print it; returns how many did not hold."""
    results, folder = Results(), Folder(root)
    results.make("files: their digests", folder.sums)
    if results.make("ledger: its chain", folder.chain):
        if allowed is None:
            results.add("not checked", "whose the keys are", "the folder says so: give --allowed-signers")
            allowed, own = root / "allowed_signers", root / "revoked_keys"
            revoked = revoked or (own if own.exists() else None)
        keys = Keys(allowed, revoked)
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
    for switch in switches(folder, folder.registered(folder.about["version"])["body"]["problem"]):
        what = f"{switch['body']['name']}: switch, entry {switch['sequence']}"
        results.make(what, switched, folder, switch, keys)
    if folder.about["version"] in versions:
        name, manifest = versions[folder.about["version"]]
        results.make(f"{name}: adapter", adapter_files, folder, manifest)
        results.make(f"{name}: cases, labels, answers", data, folder, manifest)
        results.make(f"{name}: dossier", dossier, folder, manifest, versions)
        results.add("not checked", f"{name}: numbers, training", "pv verify, pv rebuild make them again")


def main() -> int:
    parser = argparse.ArgumentParser(usage=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--allowed-signers", type=Path, help="keys that you accept, from their holders")
    parser.add_argument("--revoked", type=Path, help="keys that were revoked, or a KRL")
    parser.add_argument("--checkpoint", type=Path, action="append", default=[], help="repeatable")
    given = parser.parse_args()
    return 1 if verify(given.folder, given.allowed_signers, given.revoked, given.checkpoint) else 0


if __name__ == "__main__":
    sys.exit(main())
