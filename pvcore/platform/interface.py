"""Prefect's web interface, kept from calling home.

Version 2 of the interface starts the SDK of a web analytics service in the visitor's browser, with
server analytics switched off too: off means that it sends no events, yet it still fetches its
configuration from the service (Prefect 3.8.8 and 3.9.1, `analytics_enabled` is asked only before `track`). A
browser that looks at safety data has nothing to tell anybody. The server serves its own copy of the
interface from PREFECT_UI_STATIC_DIRECTORY; in that copy the service's key is taken out, and without
a key the interface starts no SDK.
"""

from __future__ import annotations

import re
from pathlib import Path

SERVICE = b"amplitude.com"
QUIET = b"``/* no analytics */}"
KEY = re.compile(rb"(function \w+\(\)\{return)`[0-9a-f]{32}`\}")


def static_directory(home: Path) -> Path:
    """Where the server keeps its copy of the interface; `home` is PREFECT_HOME."""
    return home / "ui"


def silence(home: Path) -> list[str]:
    """Take the analytics key out of the copied interface, once. Returns files where none was found."""
    loud = []
    for script in sorted((static_directory(home) / "v2" / "assets").glob("*.js")):
        source = script.read_bytes()
        if SERVICE not in source or QUIET in source:
            continue
        quiet, found = KEY.subn(lambda match: match[1] + QUIET, source)
        if found != 1:
            loud.append(script.name)
            continue
        temporary = script.with_suffix(".tmp")
        temporary.write_bytes(quiet)
        temporary.replace(script)
    return loud
