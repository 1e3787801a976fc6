"""A MedDRA release as read: Dictionary, and `read`, which refuses a release that does not hold whole.

>>> dictionary = read("MedDRA_29_0_English.zip", password=secret)      # doctest: +SKIP
>>> dictionary.version, dictionary.language                            # doctest: +SKIP
('29.0', 'English')
>>> dictionary.primary_path(dictionary.pt_of("90000123"))["soc_name"]  # doctest: +SKIP
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

import pandas as pd

from pvcore.errors import Fault, NotFound, ReleaseError
from pvcore.meddra.archive import raw_tables
from pvcore.meddra.columns import joined, sorted_lines
from pvcore.meddra.tables import BEYOND_LATIN, FILES, LATIN, TABLES, decode, parse
from pvcore.meddra.verify import verify

__all__ = ["Dictionary", "content_digest", "read", "verify"]

_NAMED = re.compile(r"meddra[_ -](\d+)[_.](\d)(?!\d)", re.IGNORECASE)
_VERSION = re.compile(r"^\d{1,3}\.\d$")


@dataclass(frozen=True, eq=False)
class Dictionary:
    """One release in one language. All columns are text, named as in `tables.TABLES`.

    `digest` is the SHA-256 of the contents: the same for a zip, a folder, another order of the rows,
    another encoding or another line ending. `encoding` says how the release was written.
    """

    version: str
    language: str
    digest: str
    encoding: str
    tables: Mapping[str, pd.DataFrame] = field(repr=False)

    @cached_property
    def _rows(self) -> dict[str, int]:
        """llt_code -> its row in the columns of `_llts`."""
        codes = self.tables["llt"]["llt_code"].tolist()
        return dict(zip(codes, range(len(codes)), strict=True))

    @cached_property
    def _llts(self) -> tuple[list[str], list[str], list[bool]]:
        """Names, codes of the PTs and whether current. Columns, as a tuple for each LLT takes three times as long."""
        llt = self.tables["llt"]
        return llt["llt_name"].tolist(), llt["pt_code"].tolist(), (llt["llt_currency"] == "Y").tolist()

    @cached_property
    def _pts(self) -> dict[str, str]:
        pt = self.tables["pt"]
        return dict(zip(pt["pt_code"].tolist(), pt["pt_name"].tolist(), strict=True))

    @cached_property
    def paths(self) -> pd.DataFrame:
        """The primary path of every PT, indexed by pt_code: codes and names of hlt, hlgt and soc."""
        hierarchy = self.tables["mdhier"]
        columns = [f"{level}_{part}" for level in ("pt", "hlt", "hlgt", "soc") for part in ("code", "name")]
        return hierarchy.loc[hierarchy["primary_soc_fg"] == "Y", columns].set_index("pt_code", drop=False)

    @cached_property
    def _paths(self) -> dict[str, dict[str, str]]:
        frame = self.paths
        rows = zip(*(frame[column].tolist() for column in frame.columns), strict=True)
        return {row[0]: dict(zip(frame.columns, row, strict=True)) for row in rows}

    def __contains__(self, llt_code: object) -> bool:
        """Whether an LLT with this code exists, current or not."""
        return llt_code in self._rows

    def llt_name(self, llt_code: str) -> str:
        """The name of an LLT. Raises NotFound."""
        return self._llts[0][self._row(llt_code)]

    def pt_of(self, llt_code: str) -> str:
        """The code of the PT that an LLT belongs to. Raises NotFound."""
        return self._llts[1][self._row(llt_code)]

    def is_current(self, llt_code: str) -> bool:
        """Whether an LLT may be used for coding. Raises NotFound for a code that is no LLT."""
        return self._llts[2][self._row(llt_code)]

    def pt_name(self, pt_code: str) -> str:
        """The name of a PT. Raises NotFound."""
        if pt_code not in self._pts:
            raise NotFound(f"MedDRA {self.version} has no PT {pt_code}")
        return self._pts[pt_code]

    def described(self, llt_code: str) -> str:
        """Code and name of an LLT, with its PT where that is another term. Raises NotFound."""
        pt, words = self.pt_of(llt_code), f"{llt_code} {self.llt_name(llt_code)}"
        return words if pt == llt_code else f"{words} (PT {pt} {self.pt_name(pt)})"

    def primary_path(self, pt_code: str) -> dict[str, str]:
        """pt_code, pt_name, hlt_code, ... soc_name of the path through the primary SOC. Raises NotFound."""
        if pt_code not in self._paths:
            raise NotFound(f"MedDRA {self.version} has no PT {pt_code}")
        return dict(self._paths[pt_code])

    @cached_property
    def _current(self) -> pd.DataFrame:
        llt = self.tables["llt"]
        rows = llt.loc[llt["llt_currency"] == "Y", ["llt_code", "llt_name", "pt_code"]]
        return rows.sort_values("llt_code", ignore_index=True)

    def current_llts(self) -> pd.DataFrame:
        """llt_code, llt_name and pt_code of every LLT that may be used for coding, in order of the code."""
        return self._current.copy()

    def _row(self, code: str) -> int:
        if code not in self._rows:
            raise NotFound(f"MedDRA {self.version} has no LLT {code}. Look up its fate: pv meddra diff")
        return self._rows[code]


def read(
    path: str | Path, *, password: str | None = None, version: str | None = None, admitted: bool = False
) -> Dictionary:
    """Read and verify a release: a folder or a zip, protected (AES or ZipCrypto) or not.

    `version` ("29.0") is the release that is wanted; without it, a version in the name
    (`MedDRA_29_0_English.zip`) must agree with the contents. `password` may be several, with white space
    between them: each version of MedDRA has its own. A release that was `admitted` before is read as it
    was then, also in an encoding that would be refused now. Raises ReleaseError with all faults.
    """
    path = Path(path)
    raw = {name: data for name, data in sorted(raw_tables(path, password).items())}
    texts, encoding, faults = decode(raw)
    tables: dict[str, pd.DataFrame] = {}
    for name, text in texts.items():
        tables[FILES[name].name], found = parse(FILES[name], text)
        faults += found
    if faults:  # the invariants of a table with missing rows would only repeat them a thousand times
        raise ReleaseError(path.name, faults, "Nothing of this release was used.")
    release, faults = _release(tables["meddra_release"], version, _NAMED.search(path.name))
    if not admitted and encoding == LATIN and release[1].casefold() in BEYOND_LATIN:
        what = f"language {release[1]}, in an encoding that is not UTF-8: {LATIN} has not its letters"
        faults.append(Fault("meddra_release.asc, row 1", what, "take the release in UTF-8"))
    dictionary = Dictionary(*release, content_digest(tables), encoding, tables)
    faults += verify(dictionary)
    if faults:
        raise ReleaseError(path.name, faults, "Nothing of this release was used.")
    return dictionary


def content_digest(tables: Mapping[str, pd.DataFrame]) -> str:
    """SHA-256 over names, columns and sorted rows of all tables."""
    state = hashlib.sha256()
    for name in sorted(tables):
        columns = list(TABLES[name].columns)
        state.update(f"{name}\n{'$'.join(columns)}\n{len(tables[name])}\n".encode())
        state.update(sorted_lines(joined(tables[name][columns], "$")))
        state.update(b"\n")
    return state.hexdigest()


def _release(
    frame: pd.DataFrame, wanted: str | None, named: re.Match[str] | None
) -> tuple[tuple[str, str], list[Fault]]:
    """(version, language) as the release states them, and where that is not what was asked for."""
    where = "meddra_release.asc, row 1"
    version, language = (frame.iloc[0]["version"].strip(), frame.iloc[0]["language"].strip())
    faults = []
    if len(frame) != 1:
        faults.append(Fault("meddra_release.asc", f"{len(frame)} rows, expected one"))
    if not _VERSION.match(version):
        faults.append(Fault(where, f"version {version!r} is not of the form 29.0"))
    if not re.fullmatch(r"[^\W\d_]{3,}([ _-][^\W\d_]+)*", language):
        faults.append(Fault(where, f"language {language!r} is not a name of a language"))
    if wanted is not None and wanted != version:
        faults.append(
            Fault(where, f"version {version}, expected {wanted}", "give the release that was asked for")
        )
    if wanted is None and named and (claim := f"{named[1]}.{named[2]}") != version:
        faults.append(
            Fault(where, f"version {version}, but the file name says {claim}", "correct the file's name")
        )
    return (version, language), faults
