"""Known vulnerabilities of the pinned dependencies: `python tools/audit.py`, which `make check` runs.

The data are the Python Package Index's own, read by pip-audit. Where they cannot be reached (no network, or a
mirror of packages alone, of which pip-audit says "no known vulnerabilities") this says so and goes on. A
finding fails, unless tools/audit-allowed.yaml allows it, with a reason and until a day.
"""

from __future__ import annotations

import json
import subprocess
import sys
import threading
import urllib.request
from collections.abc import Iterable, Mapping
from datetime import date
from pathlib import Path
from typing import Any

import yaml
from pip_audit._dependency_source.interface import PYPI_URL

ROOT = Path(__file__).resolve().parent.parent
ALLOWED = ROOT / "tools" / "audit-allowed.yaml"
INDEX = PYPI_URL.removesuffix("/simple/")
"""The index whose data pip-audit reads, as it names it itself."""
KNOWN = "/pypi/pyyaml/5.3.1/json"
"""A version that is known to be vulnerable (CVE-2020-14343): where the index says nothing of it, it has no data."""
PATIENCE = 4.0
"""Seconds for the first answer, name resolution included."""
LONGEST = 300
"""Seconds for the whole audit."""
FIELDS = {"id", "package", "reason", "until"}


def unreachable(index: str = INDEX, patience: float = PATIENCE) -> str:
    """Why the data cannot be had from an index; "" where they can."""
    said = ["no answer"]

    def ask() -> None:
        try:
            with urllib.request.urlopen(index + KNOWN, timeout=patience) as answer:
                known = json.load(answer).get("vulnerabilities")
            said[0] = "" if known else "it has no vulnerability data"
        except TimeoutError:
            pass
        except Exception as error:
            said[0] = str(error) or type(error).__name__

    asking = threading.Thread(target=ask, daemon=True)  # a name that is looked up has no timeout of its own
    asking.start()
    asking.join(patience)
    return said[0]


def allowed_in(text: str) -> list[dict[str, Any]]:
    """The entries of the list of allowed findings. Raises ValueError for one without a reason or an end."""
    entries = yaml.safe_load(text) or []
    for entry in entries:
        if not isinstance(entry, dict) or set(entry) != FIELDS or not str(entry["reason"]).strip():
            raise ValueError(f"{entry!r:.200}: an entry has {', '.join(sorted(FIELDS))}, none of them empty")
        if not isinstance(entry["until"], date):
            raise ValueError(f"{entry['id']}: until is a day such as 2030-01-31, not {entry['until']!r}")
    return entries


def judge(
    dependencies: Iterable[Mapping[str, Any]], allowed: Iterable[Mapping[str, Any]], today: date
) -> tuple[list[str], bool]:
    """Lines to print of pip-audit's findings, and whether any of them is not allowed."""
    open_until = {(entry["package"], entry["id"]): entry for entry in allowed}
    lines, failed, silent, audited = [], False, [], 0
    for found in dependencies:
        if "skip_reason" in found:
            silent.append(found["name"])
            continue
        audited += 1
        for flaw in found["vulns"]:
            names = [flaw["id"], *flaw.get("aliases", ())]
            entry = next((e for n in names if (e := open_until.pop((found["name"], n), None))), None)
            what = f"{found['name']} {found['version']}: {flaw['id']}"
            if entry and entry["until"] >= today:
                lines.append(f"{what} is allowed until {entry['until']}: {entry['reason']}")
                continue
            failed = True
            fixed = ", ".join(flaw.get("fix_versions", ())) or "no version yet"
            ended = f"; it was allowed until {entry['until']}" if entry else ""
            lines.append(f"{what}, mended in {fixed}{ended}")
    lines += [
        f"{package}: {name} is no longer found; remove it from the list" for package, name in open_until
    ]
    if silent:
        lines.append(f"not audited: the index knows nothing of {len(silent)}: {', '.join(silent)}")
    return [f"audited: {audited} dependencies", *lines], failed


def main() -> int:
    """Audit the pinned versions; the exit code."""
    allowed = allowed_in(ALLOWED.read_text("utf-8"))
    if why := unreachable():
        print(f"not audited: the vulnerability data of {INDEX} are not reachable ({why})")
        return 0
    options = ["-r", str(ROOT / "constraints.txt"), "--no-deps", "--disable-pip", "--progress-spinner", "off"]
    command = [sys.executable, "-m", "pip_audit", *options, "--timeout", "5", "-f", "json"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=LONGEST)
        dependencies = json.loads(done.stdout)["dependencies"]
    except (subprocess.TimeoutExpired, ValueError, KeyError) as error:
        told = done.stderr.strip().splitlines()[-1:] if isinstance(error, ValueError) else [str(error)]
        print(f"not audited: pip-audit gave no answer ({' '.join(told)})")
        return 0
    lines, failed = judge(dependencies, allowed, date.today())
    print("\n".join(lines))
    if failed:
        print(
            f"Raise the version in constraints.txt. Where that cannot be, write into {ALLOWED.relative_to(ROOT)}:\n"
            "- {package: NAME, id: ID, reason: why it does no harm here, until: YYYY-MM-DD}"
        )
    return int(failed)


if __name__ == "__main__":
    sys.exit(main())
