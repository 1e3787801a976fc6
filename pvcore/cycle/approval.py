"""The approval as a person meets it: a request with its form, a signature, an answer, the switch."""

from __future__ import annotations

import time
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pvcore.config import Workspace
from pvcore.cycle import candidate, judging, loaded, pictures
from pvcore.cycle.signed import in_a_line
from pvcore.dossier import plots
from pvcore.errors import NotFound, PlatformError, RegistryError, RequestClosed, SignatureRefused
from pvcore.evaluation.criteria import is_of_one
from pvcore.evaluation.gate import Decision
from pvcore.evaluation.report import Report
from pvcore.plain import inert
from pvcore.records import canonical
from pvcore.registry import promotion, signing
from pvcore.registry.answers import told
from pvcore.registry.approvers import policy_of
from pvcore.registry.ledger import SWITCHES, Entry
from pvcore.registry.manifest import Version, resolve
from pvcore.registry.store import put_blob

if TYPE_CHECKING:
    from pvcore.platform.prefect_api import Platform


@dataclass(frozen=True, slots=True)
class Request:
    """A request for approval. `digest` is its ledger entry's; `expected` the champion it would replace.

    `closed` says how it was rejected, if it was when it was read; `until` when it expires; `waived` what
    an override sets aside.
    """

    version: str
    action: str
    digest: str
    sequence: int
    expected: str
    time: str
    closed: str = ""
    until: str = ""
    waived: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Outcome:
    """What an answer did. `final` False: the form is shown again with `line`, because the answer was
    refused or, where it was `accepted`, because more signatures are needed."""

    final: bool
    switched: bool
    line: str
    accepted: bool = True


def request(workspace: Workspace, version: str, action: str, occasion: str = "") -> Request:
    """Ask for approval of `version`, once. `occasion` asks anew what was rejected before.

    Raises GateError where the gate did not pass, NotFound, StaleChampion, RegistryError.
    """
    found = resolve(workspace.store, workspace.ledger, version)
    policy = workspace.policy(workspace.recipe(found.problem).policy)
    entry = promotion.request_approval(
        workspace.ledger,
        found,
        action,  # type: ignore[arg-type]
        _report(workspace, found, action),
        # Kept before it is named: whoever verifies the switch reads who could approve it.
        put_blob(workspace.store, canonical(dict(policy.raw))),
        actor="promote",
        store=workspace.store,
        policy=policy.approval,
        allowed_signers=workspace.allowed_signers,
        revoked=workspace.revoked_keys,
        occasion=occasion,
    )
    return _request(workspace, entry)


def _report(workspace: Workspace, found: Version, action: str) -> str:
    """What a request rests on. Who was champion is not judged anew: it comes back on what it was promoted on."""
    before = [e for e in workspace.ledger.state().history(found.problem) if e.body["version"] == found.digest]
    if action == "rollback":
        return str(before[-1].body["report"] if before else found.manifest.report)
    return str(judging.latest_evaluation(workspace, found).entry.body["report"])


def _request(workspace: Workspace, entry: Entry) -> Request:
    expected = workspace.ledger.state().version(entry.body["expected"]) if entry.body["expected"] else None
    name = f"{expected.body['problem']}@{expected.body['number']}" if expected else ""
    end = promotion.closing(workspace.ledger.state(), entry)
    return Request(
        entry.body["name"],
        entry.body["action"],
        entry.digest,
        entry.sequence,
        name,
        entry.time,
        closed=_rejection(end) if end and end.kind == promotion.REJECTED else "",
        until=_until(workspace, entry),
        waived=tuple(entry.body.get("waived", ())),
    )


def _until(workspace: Workspace, entry: Entry) -> str:
    """When a request expires, by the policy that it names; empty where the store has lost that."""
    try:
        moment = policy_of(workspace.store, entry.body["policy"]).until(entry.time)
    except (NotFound, RegistryError):
        return ""
    return moment.isoformat(timespec="minutes").replace("+00:00", "Z")


def patience(workspace: Workspace, asked: Request) -> int:
    """Seconds that a run waits for the answer to a request: as the settings say, and not after it has expired."""
    longest = workspace.settings.approval_days * 86400
    if asked.until:
        longest = min(longest, (datetime.fromisoformat(asked.until) - datetime.now(UTC)).total_seconds())
    return max(int(longest), 1)


def _rejection(entry: Entry) -> str:
    return f"It was rejected by {entry.body['name']} on {entry.time[:10]}: {entry.body['reason']}."


def standing(workspace: Workspace, version: str) -> str:
    """Why no person is to be asked about a version: the gate's decision, or an answer that was given; or ""."""
    found = resolve(workspace.store, workspace.ledger, version)
    outcome = judging.latest_evaluation(workspace, found).decision.outcome
    if outcome != "pass":
        return f"{outcome}, registered for the record"
    for entry in reversed(workspace.ledger.entries()):
        if entry.kind in (promotion.REJECTED, *SWITCHES) and entry.body["version"] == found.digest:
            return _rejection(entry) if entry.kind == promotion.REJECTED else f"champion on {entry.time[:10]}"
    return loaded.standing(workspace, version)


def open_requests(workspace: Workspace) -> list[Request]:
    """Requests that wait for an answer, oldest first."""
    return [
        _request(workspace, entry)
        for entry in promotion.open_requests(workspace.ledger.state(), workspace.store)
    ]


def open_request(workspace: Workspace, version: str) -> Request:
    """The open request for a version, the newest if there are several. Raises NotFound that names those there are."""
    waiting = open_requests(workspace)
    for found in reversed(waiting):
        if version in (found.version, found.digest):
            return found
    names = ", ".join(found.version for found in waiting) or "none"
    raise NotFound(f"{version} does not wait for an approval. Waiting: {names}.")


def _entry(workspace: Workspace, asked: Request) -> Entry:
    return workspace.ledger.entries()[asked.sequence - 1]


def _policy(workspace: Workspace, entry: Entry) -> Any:
    return workspace.policy(workspace.recipe(entry.body["problem"]).policy)


def sign(workspace: Workspace, asked: Request, *, decision: str, name: str, reason: str, key: Path) -> str:
    """Sign an answer with a private SSH key; the armored signature. `name` is a principal or printed name."""
    entry = _entry(workspace, asked)
    signer = _policy(workspace, entry).approval.signer(name)
    return signing.sign(
        signing.statement(entry, decision, signer.name, reason.strip(), signer.principal), key
    )


def decide(
    workspace: Workspace, asked: Request, *, decision: str, name: str, reason: str, signature: str
) -> Outcome:
    """Verify an answer, record it and, once enough have approved, switch the champion.

    A signature that is refused is no answer: the outcome says why and is not final.
    """
    entry = _entry(workspace, asked)
    policy = _policy(workspace, entry)
    rules = {
        "policy": policy.approval,
        "policy_digest": policy.digest,
        "allowed_signers": workspace.allowed_signers,
        "revoked": workspace.revoked_keys,
    }
    done = workspace.ledger.find(promotion.SWITCH[asked.action], asked.digest)
    if done:
        return Outcome(True, True, f"{asked.version} is champion since {done.time}")
    try:
        signer = policy.approval.signer(name)
        answered = promotion.answer(
            workspace.ledger,
            workspace.store,
            entry,
            decision=decision,  # type: ignore[arg-type]
            principal=signer.principal,
            name=signer.name,
            reason=reason.strip(),
            signature=signature,
            **rules,
        )
    except SignatureRefused as refused:
        return Outcome(False, False, f"Refused: {refused}", accepted=False)
    except RequestClosed as closed:
        return Outcome(True, False, f"{asked.version}: {closed}", accepted=False)
    if answered.kind == promotion.REJECTED:
        return Outcome(True, False, f"{asked.version}: rejected by {signer.name}: {reason}")
    counted, ignored = _counted(workspace, entry)
    given, needed = len(counted), policy.approval.rule(asked.action).signatures
    if given < needed:
        line = f"{given} of {needed} signatures so far; another person signs next{told(ignored)}"
        return Outcome(False, False, line)
    switch = promotion.promote(workspace.ledger, workspace.store, entry, actor="promote", **rules)
    line = f"{asked.version} is champion since {switch.time}, approved by {signer.name}{told(ignored)}"
    return Outcome(True, True, line)


def _counted(workspace: Workspace, entry: Entry) -> tuple[list[Entry], dict[int, str]]:
    """The approvals of a request that count, and why others do not."""
    return promotion.approvals(
        workspace.ledger.state(),
        entry,
        policy=_policy(workspace, entry).approval,
        allowed_signers=workspace.allowed_signers,
        revoked=workspace.revoked_keys,
    )


# --- the run that waits --------------------------------------------------------------------------------


def waiting_run(platform: Platform, asked: Request, *, timeout: float = 0.0) -> str:
    """The id of the suspended run that waits for the answer to a request. Raises PlatformError after `timeout` s.

    The run is found by its pause key, which begins with the request's digest: nothing else can be answered.
    """
    deadline = time.monotonic() + timeout
    while True:
        for deployment in promotion.SWITCH:
            for run in platform.flow_runs(deployment, states=("PAUSED",)):
                state = platform.call("GET", f"/flow_runs/{run.id}")["state"]
                if run.suspended and str(state["state_details"].get("pause_key", "")).startswith(
                    asked.digest[:16]
                ):
                    return run.id
        if time.monotonic() > deadline:
            raise PlatformError(
                f"no run waits with the form for {asked.version}. See {platform.ui_url}/runs; "
                f"start one with: pv run promote version={asked.version}"
            )
        time.sleep(0.5)


def pause_key(platform: Platform, run: str) -> str:
    """The name of the form that a run waits with: the request's digest and the number of the attempt; or ""."""
    state = platform.call("GET", f"/flow_runs/{run}")["state"] or {}
    return str((state.get("state_details") or {}).get("pause_key") or "")


def answer(
    workspace: Workspace,
    platform: Platform,
    asked: Request,
    *,
    decision: str,
    name: str,
    reason: str,
    key: Path,
) -> str:
    """Sign, resume the run that waits as its form would, and wait for what it makes of the answer."""
    signature = sign(workspace, asked, decision=decision, name=name, reason=reason, key=key)
    run = waiting_run(platform, asked, timeout=60)
    form = pause_key(platform, run)
    platform.resume(run, {"decision": decision, "name": name, "reason": reason, "signature": signature})
    # A run that refuses the answer suspends again, with its next form.
    deadline = time.monotonic() + 300
    while time.monotonic() < deadline:
        found = platform.flow_run(run)
        if found.terminal:
            if found.state == "COMPLETED":
                return f"{asked.version} is champion"
            if found.state_name == "Rejected":
                return found.message
            raise RegistryError(f"the run ended {found.state_name}: {found.message}")
        if found.suspended and pause_key(platform, run) != form:
            return _taken(workspace, asked, name, found.url)
        time.sleep(0.5)
    raise PlatformError(f"the run did not take the answer in 300 s; see {platform.ui_url}")


def _taken(workspace: Workspace, asked: Request, name: str, url: str) -> str:
    """What an answer led to after which the form came back. Raises SignatureRefused where it was none."""
    policy = _policy(workspace, _entry(workspace, asked)).approval
    given, _ = _counted(workspace, _entry(workspace, asked))
    if policy.signer(name).principal not in {entry.body["principal"] for entry in given}:
        raise SignatureRefused(f"the answer to {asked.version} was refused; the form says why: {url}")
    needed = policy.rule(asked.action).signatures
    return f"{asked.version} has {len(given)} of {needed} signatures; another person signs next"


VERBS = {
    "promote": "Promote",
    "rollback": "Roll back to",
    "override": "Emergency: override the gate for",
}
# --- what a person sees ---------------------------------------------------------------------------------


def _measured(workspace: Workspace, asked: Request) -> tuple[Report, Decision]:
    """The report that the request names, with its decision."""
    report = _entry(workspace, asked).body["report"]
    found = next(
        entry
        for entry in reversed(workspace.ledger.entries())
        if entry.kind == "Evaluated" and entry.body["report"] == report
    )
    judged = judging.evaluation(workspace, found.key)
    return judged.report, judged.decision


def form_markdown(workspace: Workspace, asked: Request, refusal: str = "") -> str:
    """What stands above the form: what is asked, the gate's table, how to sign."""
    from pvcore.dossier.report import markdown_gate_table

    report, decision = _measured(workspace, asked)
    lines = [f"> **{inert(refusal)}**\n"] if refusal else []
    lines += [
        f"# {VERBS[asked.action]} {asked.version}?",
        f"It would replace {asked.expected or 'nothing: this is the first champion'}.",
        *([f"The request can be answered until {asked.until}."] if asked.until else []),
        "",
        *([f"**It would be champion although {fact}.**\n" for fact in asked.waived]),
        markdown_gate_table(report, decision),
        "",
        *(f"Signed so far: {line}\n" for line in _so_far(workspace, asked)),
        "Your signature binds decision, name and reason to this request. On a machine with your key:",
        "",
        f"    pv sign {asked.version} --name you@example.org --reason 'why' --key ~/.ssh/id_ed25519 "
        f"-w {workspace.root}",
        "",
        "Add `--reject` to sign a rejection. Enter the same name and reason below, and the signature it prints.",
        f"The dossier: `pv registry dossier {asked.version} dossier.html -w {workspace.root}`",
    ]
    return "\n".join(lines)


def _so_far(workspace: Workspace, asked: Request) -> list[str]:
    state, entry = workspace.ledger.state(), _entry(workspace, asked)
    counted, ignored = _counted(workspace, entry)
    return [in_a_line(workspace, state, e) for e in counted] + [
        f"NOT COUNTED, entry {number}: {why}" for number, why in ignored.items()
    ]


def page_markdown(workspace: Workspace, asked: Request) -> str:
    """The approval request as an artifact: the form's text with the plots."""
    _, decision = _measured(workspace, asked)
    images = [pictures.image(plots.gate_intervals(decision))]
    version = resolve(workspace.store, workspace.ledger, asked.version)
    images.append(
        pictures.image(plots.training_curve(candidate.curve(workspace, version.manifest.specification)))
    )
    return form_markdown(workspace, asked) + "\n\n" + "\n\n".join(images)


def decisions(workspace: Workspace, since: int = 0) -> list[str]:
    """What was learned after ledger entry `since`: migrations, agreement, decisions, the model beside a word list."""
    lines = []
    for entry in workspace.ledger.entries()[since:]:
        body = entry.body
        if entry.kind == "Migrated":
            counts = ", ".join(f"{number} {name}" for name, number in body["counts"].items() if number)
            lines.append(f"labels carried from {body['from']} to {body['to']}: {counts}")
        if entry.kind == "DatasetBuilt":
            lines += [f"kappa, {who}: {value} ({of} judged)" for who, (value, of) in body["kappa"].items()]
        if entry.kind == "Evaluated":
            report = judging.evaluation(workspace, entry.key).report
            lines.append(f"{report.problem}: {body['outcome']}, {report.overall.rows} held-out examples")
            for result in report.overall.results.values():
                if is_of_one(result.metric):
                    continue
                others = [f"{name} {_value(c.reference.value)}" for name, c in result.against.items()]
                lines.append(f"  {result.metric}: {_value(result.candidate.value)} ({', '.join(others)})")
            if body["outcome"] != "pass":
                lines += [f"  {reason}" for reason in body["reasons"]]
    return lines


def _value(value: float | None) -> str:
    return "-" if value is None else f"{value:.3f}"
