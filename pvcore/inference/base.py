"""A pretrained base model: where it comes from, and the proof that it is the one that was meant.

Only safetensors are read (a pickle can run code), no code that comes with a model is ever run, and
the weights must have the digest that the recipe pins.
"""

from __future__ import annotations

import hashlib
import importlib
import os
import shutil
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

from pvcore.errors import TrainingError
from pvcore.records import digest as digest_of
from pvcore.registry.store import Store, copy_object

WEIGHTS = "*.safetensors"
BESIDE = (
    "config.json",
    "tokenizer*",
    "vocab*",
    "merges.txt",
    "special_tokens_map.json",
    "*.model",
    "added_tokens.json",
)
"""What stands beside the weights and decides what a text becomes: pinned in every adapter."""


def resolve_base(source: str, digest: str, *, cache: Path | None = None, store: Store | None = None) -> Path:
    """The folder of a base model, its weights checked against `digest`.

    `source`: `package:NAME` (an installed Python package with `get_model_path()`), a folder,
    `hub:ID@REVISION` (REVISION a full commit; needs the network once) or `store:PREFIX` (an object
    store's keys below a prefix). The last two are kept below `cache`. Raises TrainingError.
    """
    scheme, _, rest = source.partition(":")
    if scheme == "package":
        folder = _package(rest)
    elif scheme == "hub":
        folder = _hub(rest, cache)
    elif scheme == "store":
        folder = _store(rest, digest, cache, store)
    else:
        folder = Path(source).expanduser()
    found = base_digest(folder)
    if found != digest:
        raise TrainingError(
            f"base {source}: its weights have the digest {found}, expected {digest}. "
            "If the base was meant to change, review it and write the new digest into the recipe."
        )
    return folder


def base_digest(folder: Path) -> str:
    """SHA-256 of the only safetensors file, or of the canonical JSON {name: SHA-256} of several."""
    files = sorted(folder.glob(WEIGHTS)) if folder.is_dir() else []
    if not files:
        pickles = [
            file.name for pattern in ("*.bin", "*.pt", "*.ckpt") for file in sorted(folder.glob(pattern))
        ]
        hint = (
            f" It holds {', '.join(pickles)}, which can run code: convert them to safetensors."
            if pickles
            else ""
        )
        raise TrainingError(f"base {folder}: no *.safetensors there.{hint}")
    sums = {file.name: file_digest(file) for file in files}
    return next(iter(sums.values())) if len(sums) == 1 else digest_of(sums)


def beside_digests(folder: Path) -> dict[str, str]:
    """{name: SHA-256} of configuration and tokenizer: a changed tokenizer changes every answer."""
    files = {file for pattern in BESIDE for file in folder.glob(pattern) if file.is_file()}
    return {file.name: file_digest(file) for file in sorted(files)}


def file_digest(file: Path) -> str:
    """SHA-256 of a file, read in pieces."""
    with file.open("rb") as opened:
        return hashlib.file_digest(opened, "sha256").hexdigest()


def _package(name: str) -> Path:
    try:
        return Path(importlib.import_module(name).get_model_path())
    except ImportError:
        raise TrainingError(f"base package:{name}: no such package. Run: pip install {name}") from None
    except AttributeError:
        raise TrainingError(f"base package:{name}: the package has no get_model_path()") from None


def _hub(name: str, cache: Path | None) -> Path:
    repository, _, revision = name.partition("@")
    if len(revision) != 40 or set(revision) - set("0123456789abcdef"):
        raise TrainingError(
            f"base hub:{name}: a branch or tag can move. Write hub:ID@REVISION with the 40 digits of a commit."
        )
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HfHubHTTPError, LocalEntryNotFoundError

    try:
        return Path(
            snapshot_download(
                repository,
                revision=revision,
                cache_dir=cache,
                allow_patterns=[WEIGHTS, *BESIDE, "*.json", "*.txt"],
            )
        )
    except (HfHubHTTPError, LocalEntryNotFoundError, OSError, ValueError) as error:
        raise TrainingError(
            f"base hub:{name} could not be fetched: {error}. Offline, use a folder or store:PREFIX."
        ) from error


def _store(prefix: str, digest: str, cache: Path | None, store: Store | None) -> Path:
    if store is None or cache is None:
        raise TrainingError(f"base store:{prefix}: no object store is configured here")
    target = cache / f"base-{digest}"
    if target.is_dir():
        return target
    keys = [item.key for item in store.list(prefix.rstrip("/") + "/")]
    if not keys:
        raise TrainingError(f"base store:{prefix}: the object store has nothing below it")
    return complete(target, lambda folder: _fetch(store, prefix.rstrip("/") + "/", keys, folder))


def _fetch(store: Store, prefix: str, keys: Sequence[str], folder: Path) -> None:
    for key in keys:
        name = key.removeprefix(prefix)
        if "/" in name or name in ("", ".", ".."):
            continue  # a base is a flat folder; what lies deeper is not part of it
        copy_object(store, key, folder / name)


def complete(target: Path, fill: Callable[[Path], None]) -> Path:
    """A folder that is there whole or not at all: filled beside its place, then renamed."""
    target.parent.mkdir(parents=True, exist_ok=True)
    work = Path(tempfile.mkdtemp(prefix=f".{target.name}-", dir=target.parent))
    try:
        fill(work)
        for file in work.rglob("*"):
            if file.is_file():
                with file.open("rb") as opened:
                    os.fsync(opened.fileno())
        work.chmod(0o755)
        if target.exists():
            shutil.rmtree(target)
        work.rename(target)
    finally:
        shutil.rmtree(work, ignore_errors=True)
    return target
