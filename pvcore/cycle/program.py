"""Which program judged: its code and the libraries that compute and draw, by one digest."""

from __future__ import annotations

from functools import cache
from importlib.metadata import version
from pathlib import Path

import pvcore
from pvcore.records import digest

LIBRARIES = ("jinja2", "matplotlib", "numpy", "pandas", "scikit-learn", "scipy")
"""Another version of one of these may write other bytes, or another last digit."""
KINDS = {".py", ".j2", ".yaml"}


@cache
def program_digest() -> str:
    """SHA-256 over the files of pvcore and the versions of `LIBRARIES`.

    Where it is the same, a report and a dossier made again are the same bytes.
    """
    root = Path(str(pvcore.__file__)).parent
    files = sorted(file for file in root.rglob("*") if file.suffix in KINDS)
    return digest(
        {
            "files": {
                file.relative_to(root).as_posix(): digest(file.read_bytes().replace(b"\r\n", b"\n"))
                for file in files
            },
            "libraries": {name: version(name) for name in LIBRARIES},
        }
    )
