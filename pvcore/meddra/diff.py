"""The difference of two releases: its changes by kind, counted and stored, and either release made of the other.

The kinds (`pvcore.meddra.kinds`) are what a coder reads. Beside them stand the rows that left and came
(`pvcore.meddra.delta`), so that a stored difference applied to OLD gives NEW exactly.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from functools import cached_property

import pandas as pd

from pvcore.errors import Fault, ReleaseError
from pvcore.meddra import delta
from pvcore.meddra.delta import Delta
from pvcore.meddra.kinds import COLUMNS, KINDS, named
from pvcore.meddra.release import Dictionary, content_digest

UNCHANGED = "unchanged"
CHANGED = (
    "promotions", "demotions", "llts_moved", "name_changes", "code_switches", "currency_changes",
)  # fmt: skip


@dataclass(frozen=True, eq=False)
class DictionaryDiff:
    """All changes from one release to another. `changes` has COLUMNS, in order of level and code;
    `rows` are the same as rows of tables, with all that has no name.
    """

    old_version: str
    new_version: str
    old_digest: str
    new_digest: str
    changes: pd.DataFrame = field(repr=False)
    rows: Delta = field(repr=False)

    @cached_property
    def counts(self) -> dict[str, int]:
        """Number of changes of every kind, zero included, in the order of KINDS."""
        found = self.changes["kind"].value_counts()
        return {kind: int(found.get(kind, 0)) for kind in KINDS}

    def of(self, *kinds: str) -> pd.DataFrame:
        """The rows of some kinds."""
        return self.changes[self.changes["kind"].isin(kinds)]

    def new_terms(self) -> set[str]:
        """Codes of LLTs (PTs included) that are new or have another name: what a coder has to learn."""
        fresh = self.of("new_llts", "new_pts", "name_changes", "code_switches")
        mixed = self.of("complex_changes")
        mixed = mixed[mixed["new"].str.contains("name_changes: |code_switches: ", regex=True)]
        return set(fresh["code"]) | set(mixed["code"])

    def changed_terms(self) -> set[str]:
        """Codes of LLTs (PTs included) that were there and mean or say something else: name, PT, level or currency.

        A term under another SOC alone is coded as before.
        """
        return set(self.of(*CHANGED, "complex_changes")["code"])

    def apply(self, old: Dictionary) -> Dictionary:
        """NEW, made of OLD. Raises ReleaseError if `old` is another release, or the result is not NEW."""
        self._require(old, self.old_version, self.old_digest, self.new_digest)
        return _replay(old, self.rows, self.new_digest)

    def revert(self, new: Dictionary) -> Dictionary:
        """OLD, made of NEW. Raises ReleaseError as `apply` does."""
        self._require(new, self.new_version, self.new_digest, self.old_digest)
        return _replay(new, delta.reverse(self.rows), self.old_digest)

    def _require(self, given: Dictionary, version: str, digest: str, other: str) -> None:
        """That the difference leads away from `given`."""
        if given.digest == digest:
            return
        where = f"MedDRA {given.version} {given.language} (digest {given.digest[:12]})"
        what = f"is another release than the one to start from, MedDRA {version} (digest {digest[:12]})"
        advice = "give that release; `pv meddra check` shows a release's digest"
        if given.digest == other:
            what = "is what the difference leads to"
            advice = "take it back: --reverse" if digest == self.old_digest else "leave out --reverse"
        name = f"difference of MedDRA {self.old_version} and {self.new_version}"
        raise ReleaseError(name, [Fault(where, what, advice)])

    def summary(self) -> str:
        """A markdown table of the counts."""
        rows = [f"| {KINDS[kind]} | {number:,} |" for kind, number in self.counts.items()]
        head = f"| MedDRA {self.old_version} to {self.new_version} | changes |"
        return "\n".join([head, "|---|---:|", *rows, f"| **All** | **{len(self.changes):,}** |"]) + "\n"

    def to_json(self) -> str:
        """Versions, digests, counts, every change and every row, as one JSON object."""
        value = {
            "old": {"version": self.old_version, "digest": self.old_digest},
            "new": {"version": self.new_version, "digest": self.new_digest},
            "counts": self.counts,
            "changes": self.changes.to_dict(orient="records"),
            "tables": delta.to_value(self.rows),
        }
        return json.dumps(value, ensure_ascii=False, indent=1)

    @classmethod
    def from_json(cls, text: str | bytes, *, name: str = "difference") -> DictionaryDiff:
        """The difference that `to_json` wrote; `name` is what an error calls it. Raises ReleaseError if it is none."""
        try:
            value = json.loads(text)
            old, new = ((str(value[side]["version"]), str(value[side]["digest"])) for side in ("old", "new"))
            changes = pd.DataFrame(value["changes"], columns=list(COLUMNS), dtype="str")
            return cls(old[0], new[0], old[1], new[1], changes, delta.from_value(value["tables"]))
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
            advice = "make it anew: pv meddra diff OLD NEW --save FILE"
            fault = Fault("JSON", f"not a stored difference: {type(error).__name__} {error}", advice)
            raise ReleaseError(name, [fault]) from error


def _replay(given: Dictionary, rows: Delta, target: str) -> Dictionary:
    tables = delta.apply(given.tables, rows)
    digest = content_digest(tables)
    if digest != target or len(tables.get("meddra_release", ())) != 1:
        what = f"has the digest {digest[:12]}, expected {target[:12]}"
        raise ReleaseError("difference", [Fault("result", what, "the difference is altered: make it anew")])
    release = tables["meddra_release"].iloc[0]
    return Dictionary(release["version"].strip(), release["language"].strip(), digest, given.encoding, tables)


def diff(old: Dictionary, new: Dictionary) -> DictionaryDiff:
    """Compare two releases of one language, in either direction. Raises ReleaseError for two languages."""
    if old.language.casefold() != new.language.casefold():
        fault = Fault(
            f"MedDRA {new.version}", f"is in {new.language}, MedDRA {old.version} in {old.language}"
        )
        raise ReleaseError("difference", [fault], "Compare two releases of one language.")
    rows = delta.delta(old.tables, new.tables)
    changes = named(old, new, rows)
    return DictionaryDiff(old.version, new.version, old.digest, new.digest, changes, rows)


def kinds_of_terms(old: Dictionary, new: Dictionary, changes: pd.DataFrame) -> pd.Series:
    """Code of every LLT (PTs included) of either release -> its set of kinds, as a sorted tuple.

    One kind each, `unchanged` for most. A PT with another primary SOC has two: its own and that of
    the LLT with its code.
    """
    codes = pd.Index(old.tables["llt"]["llt_code"]).union(new.tables["llt"]["llt_code"])
    terms = changes[changes["level"].isin(["LLT", "PT"]) & changes["code"].isin(codes)]
    kinds = terms.groupby("code")["kind"].agg(lambda found: tuple(sorted(found)))
    found = pd.Series([(UNCHANGED,)] * len(codes), index=codes, dtype="object")
    found.update(kinds)
    return found
