"""A registry to try things on: a store, a ledger, keys of three people, a policy, versions."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.request import Request, urlopen

import pytest

from pvcore.records import canonical, digest
from pvcore.registry import promotion, signing
from pvcore.registry.approvers import ApprovalPolicy, approval_policy
from pvcore.registry.blobs import put_blob
from pvcore.registry.folders import put_folder
from pvcore.registry.ledger import Entry, Ledger
from pvcore.registry.store import Store, open_store
from pvcore.registry.version import Version, register

JANE = "jane@example.org"
APPROVAL = {"signatures": 1, "roles": ["safety-physician"]}
POLICY: dict[str, Any] = {
    "approval": APPROVAL,
    "signers": [
        {"principal": JANE, "name": "Dr Jane Roe", "roles": ["safety-physician"]},
        {"principal": "max@example.org", "name": "Dr Max Moe", "roles": ["safety-physician", "qppv"]},
        {"principal": "eve@example.org", "name": "Eve Engineer", "roles": ["engineer"]},
    ],
}


@dataclass
class Registry:
    """What a workspace has, without the workspace."""

    folder: Path
    store: Store
    ledger: Ledger
    keys: dict[str, Path]
    allowed_signers: Path
    policy: ApprovalPolicy = field(default_factory=lambda: approval_policy(POLICY))
    policy_digest: str = digest(canonical(POLICY))

    def __post_init__(self) -> None:
        put_blob(self.store, canonical(POLICY))

    @property
    def signers(self) -> signing.Keys:
        return signing.Keys(self.allowed_signers)

    def adopt(self, **approval: Any) -> None:
        """Put another policy in force: `approval` replaces fields of that section."""
        document = {**POLICY, "approval": {**APPROVAL, **approval}}
        self.policy = approval_policy(document)
        self.policy_digest = put_blob(self.store, canonical(document))

    def fields(self, seed: str, **changes: Any) -> dict[str, Any]:
        """The fields of a manifest whose blobs exist; every `seed` is another specification."""
        folder = self.folder / f"adapter-{seed}"
        folder.mkdir(exist_ok=True)
        (folder / "adapter_model.safetensors").write_bytes(f"weights {seed}".encode())
        (folder / "adapter_config.json").write_text('{"peft_type": "LORA"}')
        files = put_folder(self.store, folder)
        champion = self.ledger.state().champion("seriousness")
        fields = {
            "problem": "seriousness",
            "adapter": {"digest": digest(f"adapter {seed}"), "files": files},
            "base": {"source": "package:invented", "digest": digest("base")},
            "specification": put_blob(self.store, canonical({"specification": seed})),
            "dataset": put_blob(self.store, b"dataset"),
            "parent": champion,
            "champion": champion,
            "recipe": {"seed": 17},
            "dictionary": None,
            "report": put_blob(self.store, canonical({"report": seed})),
            "decision": {"outcome": "pass", "reasons": []},
            "policy": self.policy_digest,
            "dossier": put_blob(self.store, f"<html>{seed}</html>".encode()),
            "environment": {"python": "3.11"},
            "created": "2030-01-02T03:04:05Z",
        }
        return {**fields, **changes}

    def version(self, seed: str, *, actor: str = "trainer", **changes: Any) -> Version:
        return register(self.store, self.ledger, self.fields(seed, **changes), actor)

    def request(self, version: Version, action: promotion.Action = "promote", **changes: Any) -> Entry:
        asked = {"report": version.manifest.report, "policy_digest": self.policy_digest, "actor": "retrain"}
        asked |= {"policy": self.policy, "store": self.store, "keys": self.signers}
        return promotion.request_approval(self.ledger, version, action, **{**asked, **changes})

    def sign(self, request: Entry, who: str = JANE, decision: str = "approve", reason: str = "fine") -> str:
        name = self.policy.signer(who).name
        return signing.sign(signing.statement(request, decision, name, reason, who), self.keys[who])

    def answer(self, request: Entry, who: str = JANE, decision: Any = "approve", **changes: Any) -> Entry:
        given: dict[str, Any] = {
            "decision": decision,
            "principal": who,
            "name": self.policy.signer(who).name,
            "reason": "fine",
            "policy": self.policy,
            "policy_digest": self.policy_digest,
            "keys": self.signers,
        }
        if "signature" not in changes:
            given["signature"] = self.sign(request, who, decision)
        return promotion.answer(self.ledger, self.store, request, **{**given, **changes})

    def promote(self, request: Entry, **changes: Any) -> Entry:
        given: dict[str, Any] = {
            "policy": self.policy,
            "policy_digest": self.policy_digest,
            "keys": self.signers,
            "actor": "promote",
        }
        return promotion.promote(self.ledger, self.store, request, **{**given, **changes})

    def champion(self, seed: str) -> Version:
        """Register, approve and promote a version."""
        version = self.version(seed)
        request = self.request(version)
        self.answer(request)
        self.promote(request)
        return version


@pytest.fixture(scope="session")
def people(tmp_path_factory: pytest.TempPathFactory) -> tuple[dict[str, Path], Path]:
    """Keys of the policy's signers, and the allowed_signers that says so."""
    folder = tmp_path_factory.mktemp("keys")
    allowed = folder / "allowed_signers"
    names = [signer["principal"] for signer in POLICY["signers"]]
    return {name: signing.make_key(folder / name.split("@")[0], name, allowed) for name in names}, allowed


@pytest.fixture
def registry(tmp_path: Path, people: tuple[dict[str, Path], Path]) -> Registry:
    store = open_store(str(tmp_path / "store"))
    return Registry(tmp_path, store, Ledger(store), *people)


@pytest.fixture
def again() -> Callable[[Registry], Registry]:
    """The same registry as a fresh process sees it: nothing cached."""

    def fresh(registry: Registry) -> Registry:
        store = open_store(registry.store.url)
        return Registry(registry.folder, store, Ledger(store), registry.keys, registry.allowed_signers)

    return fresh


class Faulty:
    """A WSGI server between client and moto that fails on purpose: `plan` holds what to do to the next PUTs."""

    def __init__(self, application: Any) -> None:
        self.application = application
        self.plan: list[str] = []
        self.deaf = False

    def __call__(self, environ: dict[str, Any], start_response: Any) -> Any:
        conditional = environ["REQUEST_METHOD"] == "PUT" and "HTTP_IF_NONE_MATCH" in environ
        if conditional and self.deaf:
            del environ["HTTP_IF_NONE_MATCH"]
        fault = self.plan.pop(0) if conditional and self.plan else ""
        if fault and fault != "lost answer":
            environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
        if fault == "lost answer":  # carried out, but the client never hears of it
            list(self.application(environ, lambda *_: None))
            return self._refuse(start_response, "500 Internal Server Error", "InternalError")
        if fault == "conflict":
            return self._refuse(start_response, "409 Conflict", "ConditionalRequestConflict")
        if fault == "unknown":
            return self._refuse(start_response, "501 Not Implemented", "NotImplemented")
        return self.application(environ, start_response)

    def _refuse(self, start_response: Any, status: str, code: str) -> list[bytes]:
        body = f"<Error><Code>{code}</Code><Message>on purpose</Message></Error>".encode()
        start_response(status, [("Content-Type", "application/xml"), ("Content-Length", str(len(body)))])
        return [body]


@dataclass
class Server:
    """A moto server on HTTP. It answers one request after the other, so that its put is atomic."""

    endpoint: str
    faulty: Faulty


@pytest.fixture(scope="session")
def s3_server() -> Iterator[Server]:
    from moto.server import DomainDispatcherApplication, create_backend_app
    from werkzeug.serving import WSGIRequestHandler, make_server

    class Quiet(WSGIRequestHandler):
        def log(self, *_: Any) -> None:
            pass

    faulty = Faulty(DomainDispatcherApplication(create_backend_app))
    server = make_server("127.0.0.1", 0, faulty, threaded=False, request_handler=Quiet)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield Server(f"http://127.0.0.1:{server.server_port}", faulty)
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def s3(s3_server: Server, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Server]:
    """The server with a fresh bucket `pv-test`, and keys for it in the environment."""
    import boto3.session

    for name, value in {
        "AWS_ACCESS_KEY_ID": "testing",
        "AWS_SECRET_ACCESS_KEY": "testing",
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_EC2_METADATA_DISABLED": "true",
        "AWS_CONFIG_FILE": str(tmp_path / "none"),
        "AWS_SHARED_CREDENTIALS_FILE": str(tmp_path / "none"),
    }.items():
        monkeypatch.setenv(name, value)
    urlopen(Request(f"{s3_server.endpoint}/moto-api/reset", method="POST")).close()
    boto3.session.Session().client("s3", endpoint_url=s3_server.endpoint).create_bucket(Bucket="pv-test")
    yield s3_server
    s3_server.faulty.plan, s3_server.faulty.deaf = [], False


@pytest.fixture(params=["folder", "s3"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Store:
    """Each kind of store, empty."""
    if request.param == "folder":
        return open_store((tmp_path / "a store").as_uri())
    server: Server = request.getfixturevalue("s3")
    return open_store("s3://pv-test/team/a", endpoint=server.endpoint)
