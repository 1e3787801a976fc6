"""Folders: kept as one blob a file, and written back all or nothing."""

from __future__ import annotations

import os
import secrets
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pvcore.errors import NotFound, RegistryError
from pvcore.registry.blobs import copy_blob, put_blobs
from pvcore.registry.content import sha256
from pvcore.registry.store import Store, check_key


def put_folder(store: Store, folder: Path) -> dict[str, dict[str, Any]]:
    """Keep all files of a folder as blobs; returns {relative name: {"sha256", "size" in bytes}}, sorted."""
    files = sorted(path for path in folder.rglob("*") if not path.is_dir() or path.is_symlink())
    if not files:
        raise NotFound(f"{folder} has no files to store.")
    for path in files:
        if path.is_symlink() or not path.is_file():
            raise RegistryError(f"{path} is a link or no plain file. Copy the file itself into the folder.")
    names = [check_key(path.relative_to(folder).as_posix()) for path in files]
    kept = {
        name: {"sha256": digest, "size": path.stat().st_size}
        for name, path, digest in zip(names, files, put_blobs(store, files), strict=True)
    }
    return dict(sorted(kept.items()))


def get_folder(store: Store, files: Mapping[str, Mapping[str, Any]], target: Path) -> Path:
    """Write the files of `put_folder` to `target`, all or nothing, every byte verified.

    A target that holds exactly these files is left as it is; one that holds anything else is never
    touched: RegistryError lists the extra, missing and changed names.
    """
    if target.is_dir() and any(target.iterdir()):
        return _require_same(files, target)
    target.parent.mkdir(parents=True, exist_ok=True)
    work = target.with_name(f".{target.name}.{secrets.token_hex(6)}")
    try:
        for name, entry in files.items():
            path = work / check_key(name)
            path.parent.mkdir(parents=True, exist_ok=True)
            copy_blob(store, entry["sha256"], path)
        try:
            os.replace(work, target)  # a folder of that name that has files makes this fail
        except OSError:
            if not target.is_dir():
                raise RegistryError(f"{target} exists and is no folder. Choose another place.") from None
            return _require_same(files, target)  # another process was faster
    finally:
        shutil.rmtree(work, ignore_errors=True)
    return target


def _require_same(files: Mapping[str, Mapping[str, Any]], target: Path) -> Path:
    found = {p.relative_to(target).as_posix(): p for p in target.rglob("*") if not p.is_dir()}
    faults = {
        "extra": sorted(set(found) - set(files)),
        "missing": sorted(set(files) - set(found)),
        "changed": sorted(
            name for name in set(files) & set(found) if sha256(found[name]) != files[name]["sha256"]
        ),
    }
    if any(faults.values()):
        told = "; ".join(f"{kind}: {', '.join(names)}" for kind, names in faults.items() if names)
        raise RegistryError(
            f"{target} already exists and differs from the registry ({told}). Remove it first."
        )
    return target
