"""A pretrained base model: where it comes from, and the proof that it is the one that was meant.

Only safetensors are read (a pickle can run code), no code that comes with a model is ever run, and
the weights must have the digest that the recipe pins.
"""

from __future__ import annotations

import hashlib
import importlib
import json
import os
import re
import shutil
import tempfile
from collections.abc import Callable, Iterator, Sequence
from importlib.metadata import distribution
from pathlib import Path

from pvcore.errors import RegistryError, TrainingError
from pvcore.records import digest as digest_of
from pvcore.registry.store import Store, copy_object, holds

UNPINNED = "unpinned"
"""What stands in a recipe for a digest that nobody has computed yet: refused wherever weights are read."""
WEIGHTS = "*.safetensors"
SINGLE, INDEX = "model.safetensors", "model.safetensors.index.json"
"""What transformers looks for, in this order."""
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
KEPT = (*BESIDE, "*.json", "*.txt", "*.jinja", "LICENSE*", "NOTICE*")
"""What of a base is fetched and stored beside the weights; its licence goes where it goes."""
OF_THE_STORE = ("blobs", "ledger", "snapshots", "inbox", "quarantine", "probe")
"""First parts of keys that have a meaning of their own (registry/store.py)."""


def resolve_base(source: str, digest: str, *, cache: Path | None = None, store: Store | None = None) -> Path:
    """The folder of a base model, its weights checked against `digest`.

    `source`: `package:NAME` (an installed Python package with `get_model_path()`), a folder,
    `hub:ID@REVISION` (REVISION a full commit; needs the network once) or `store:PREFIX` (an object
    store's keys below a prefix). The last two are kept below `cache`. Raises TrainingError.
    """
    if digest == UNPINNED:
        raise TrainingError(
            f"base {source}: the recipe pins no digest, so nothing says that these are the weights that were "
            "meant. Run: pv base pin RECIPE (it fetches the base and writes the digest into the recipe)"
        )
    if not re.fullmatch(r"[0-9a-f]{64}", digest):  # it names a folder below `cache`
        raise TrainingError(f"base {source}: {digest[:80]!r} is no digest: expected 64 hex digits.")
    folder, found = _folder(source, digest, cache, store)
    if found != digest:
        raise TrainingError(
            f"base {source}: its weights have the digest {found}, expected {digest}. "
            "If the base was meant to change, review it and write the new digest into the recipe."
        )
    return folder


def fetch_base(source: str, *, cache: Path | None = None, store: Store | None = None) -> tuple[Path, str]:
    """The folder and the digest of a base that is not pinned yet. Raises TrainingError as `resolve_base`."""
    return _folder(source, None, cache, store)


def put_base(folder: Path, store: Store, prefix: str) -> str:
    """Keep a base below `prefix` of the store, for `store:PREFIX`; returns its digest.

    Weights, configuration, tokenizer and licence; the same again adds nothing. Raises TrainingError
    for a folder that is no base, RegistryError where the prefix holds anything else (nothing is put then).
    """
    prefix = prefix.strip("/") + "/"
    if prefix.partition("/")[0] in ("", *OF_THE_STORE):
        raise RegistryError(
            f"the prefix {prefix!r} cannot hold a base: {', '.join(OF_THE_STORE)} have a meaning of their own. "
            "Write one such as bases/NAME."
        )
    digest = base_digest(folder)
    beside = {file.name: file for pattern in KEPT for file in folder.glob(pattern) if file.is_file()}
    _require_own(folder, [*beside.values(), *weight_files(folder)])
    # The weights last: a base that was cut off on the way has no weights, and says so.
    files = dict(sorted(beside.items())) | {file.name: file for file in weight_files(folder)}
    there = {item.key.removeprefix(prefix) for item in store.list(prefix)}
    other = sorted(
        name for name in there if name not in files or not holds(store, prefix + name, files[name].resolve())
    )
    if other:
        raise RegistryError(
            f"{store.url} holds something else below {prefix}: {', '.join(other)}. "
            "Nothing in a store is overwritten: choose another prefix."
        )
    for name, file in files.items():
        store.put_if_absent(prefix + name, file.resolve())
    return digest


def _require_own(folder: Path, files: Sequence[Path]) -> None:
    """Raise TrainingError for links out of the folder: what they lead to would be stored as part of the base.

    A snapshot in the Hub's cache is made of links into the blobs beside it.
    """
    real = folder.resolve()
    places = (real, real.parent.parent / "blobs")
    out = [file.name for file in files if not any(file.resolve().is_relative_to(place) for place in places)]
    if out:
        raise TrainingError(f"base {folder}: {', '.join(out)} lead out of it. Copy the files that are meant.")


def weight_files(folder: Path) -> list[Path]:
    """The safetensors files that are the weights, sorted: those that the index names, else all.

    Raises TrainingError for none, for files that the index names and that are missing, and where it
    is not plain which would be loaded.
    """
    index = folder / INDEX
    if not index.is_file():
        files = sorted(folder.glob(WEIGHTS)) if folder.is_dir() else []
        if files:
            return files
        hint = "".join(f" It holds {names}{what}" for names, what in _other_weights(folder))
        raise TrainingError(f"base {folder}: no *.safetensors there.{hint}")
    if (folder / SINGLE).exists():
        raise TrainingError(
            f"base {folder}: {SINGLE} and {INDEX} are two sets of weights. Remove the one that is not meant."
        )
    try:
        names = sorted(set(json.loads(index.read_text("utf-8"))["weight_map"].values()))
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise TrainingError(f"base {folder}: {INDEX} cannot be read ({error}). Fetch it again.") from None
    missing = [name for name in names if Path(name).name != name or not (folder / name).is_file()]
    if missing or not names:
        raise TrainingError(
            f"base {folder}: {INDEX} names {', '.join(missing) or 'no file'}, not there. Fetch the base again."
        )
    return [folder / name for name in names]


def _other_weights(folder: Path) -> Iterator[tuple[str, str]]:
    """(Names of weights in another form, what to do with them), a pair for each form that is there."""
    for patterns, what in (
        (("*.bin", "*.pt", "*.ckpt"), ", which can run code: convert them to safetensors."),
        (("*.gguf",), ": pv base convert makes a base of it."),
    ):
        if names := [file.name for pattern in patterns for file in sorted(folder.glob(pattern))]:
            yield ", ".join(names), what


def base_digest(folder: Path) -> str:
    """SHA-256 of the only weights file, or of the canonical JSON {name: SHA-256} of several."""
    sums = {file.name: file_digest(file) for file in weight_files(folder)}
    return next(iter(sums.values())) if len(sums) == 1 else digest_of(sums)


def beside_digests(folder: Path) -> dict[str, str]:
    """{name: SHA-256} of configuration and tokenizer: a changed tokenizer changes every answer."""
    files = {file for pattern in BESIDE for file in folder.glob(pattern) if file.is_file()}
    return {file.name: file_digest(file) for file in sorted(files)}


def file_digest(file: Path) -> str:
    """SHA-256 of a file, read in pieces."""
    with file.open("rb") as opened:
        return hashlib.file_digest(opened, "sha256").hexdigest()


def _folder(source: str, digest: str | None, cache: Path | None, store: Store | None) -> tuple[Path, str]:
    """A base's folder and its digest; `digest` is the one that is expected."""
    scheme, _, rest = source.partition(":")
    if scheme == "store":
        return _store(rest, digest, cache, store)
    if scheme == "package":
        folder = _package(rest)
    elif scheme == "hub":
        folder = _hub(rest, cache)
    else:
        folder = Path(source).expanduser()
    return folder, base_digest(folder)


def _package(name: str) -> Path:
    try:
        # Importing runs code: of what was installed by that name, not of a file that lies about.
        if not name.isidentifier() or not distribution(name):
            raise ImportError(name)
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
                allow_patterns=[WEIGHTS, *KEPT],
                # A base is a flat folder; Mistral's repositories hold the same weights a second time.
                ignore_patterns=["*/*", "consolidated*"],
            )
        )
    except (HfHubHTTPError, LocalEntryNotFoundError, OSError, ValueError) as error:
        raise TrainingError(
            f"base hub:{name} could not be fetched: {error}. Offline, use a folder or store:PREFIX."
        ) from error


def _store(prefix: str, digest: str | None, cache: Path | None, store: Store | None) -> tuple[Path, str]:
    if store is None or cache is None:
        raise TrainingError(f"base store:{prefix}: no object store is configured here")
    prefix = prefix.rstrip("/") + "/"
    if digest and _holds(cache / f"base-{digest}", digest):
        return cache / f"base-{digest}", digest
    keys = [item.key for item in store.list(prefix)]
    if not keys:
        raise TrainingError(f"base store:{prefix}: the object store has nothing below it")
    cache.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".base-", dir=cache) as work:
        made = complete(Path(work, "base"), lambda folder: _fetch(store, prefix, keys, folder))
        found = base_digest(made)
        target = cache / f"base-{found}"  # where it is looked for once it is pinned
        if digest in (None, found):
            _put_there(made, target, found)
    return target, found


def _put_there(made: Path, target: Path, digest: str) -> None:
    """Give a folder its place; what is there already stays if it is the same: somebody may be reading it."""
    try:
        made.rename(target)
    except OSError:
        if not _holds(target, digest):  # damaged, or cut off
            shutil.rmtree(target)
            made.rename(target)


def _holds(folder: Path, digest: str) -> bool:
    try:
        return base_digest(folder) == digest
    except TrainingError:
        return False


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
