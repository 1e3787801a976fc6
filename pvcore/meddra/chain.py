"""Several versions at once: a migration over a chain of releases is the composition of its steps.

A row goes from step to step on the code that it got; where a step leaves it to a person, it stops. The
direct way from the first release to the last can differ, because it does not see what was in between:

- an LLT that was not current for a while: on the way it is recoded (or reviewed), directly it stays;
- an LLT that moved to another PT in one version and lost its currency in a later one: on the way its
  present PT replaces it, directly it has changed both and a person decides;
- a name that went to another code, where one of the two codes was renamed again later: on the way the
  row follows the name as it was chosen, directly that name is nowhere, or somewhere else;
- a verbatim that is the name of an LLT that came and lost its currency on the way (policy 3);
- a term that was renamed, or moved, and came back: on the way that is a change, directly it is none;
- a PT name of a release that is not at hand, whose PT was renamed later: on the way the first release at
  hand still has it, directly that name is nowhere.

What an update at every version would have decided is what the chain decides, so `pv` uses the chain of
all releases at hand.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import pandas as pd

from pvcore.errors import BatchError, ConfigError, Fault
from pvcore.meddra.mapping import CLASSES, LABELS, Migration, columns
from pvcore.meddra.migrate import migrate
from pvcore.meddra.preferred import migrate_names
from pvcore.meddra.release import Dictionary
from pvcore.meddra.suggestions import Nearest

_RANK = {name: number for number, name in enumerate(CLASSES)}
"""The later class of CLASSES says more: a row that was recoded in any step is recoded."""


def migrate_through(
    rows: pd.DataFrame,
    releases: Sequence[Dictionary | str],
    *,
    policy: int = 3,
    nearest: Nearest | None = None,
) -> Migration:
    """Carry `rows` (as for `migrate`, or `migrate_names`) through all `releases`, in their order.

    The first release of PT names may be its version alone, where it is not at hand: the first step goes
    by name, to the release nearest in time, and the others by code. A row that stops on the way gets the
    suggestions of the direct way, which are terms of the last release. Raises ConfigError for fewer than
    two releases or one that is needed and not at hand, and what the steps raise.
    """
    if len(releases) < 2:
        raise ConfigError("a migration needs the release that rows are coded in and one to carry them to")
    label = "llt_code" if "llt_code" in rows else "pt_name"
    absent = [r for r in (releases if label == "llt_code" else releases[1:]) if isinstance(r, str)]
    if absent:
        raise ConfigError(
            f"MedDRA {', '.join(absent)}: only PT names, and those of the first release, go without it"
        )
    step: Callable[..., Migration] = migrate if label == "llt_code" else migrate_names

    def carried(given: pd.DataFrame, number: int) -> Migration:
        ask = nearest if number == len(releases) - 1 else None  # what stops earlier is asked about at the end
        return step(given, releases[number - 1], releases[number], policy=policy, nearest=ask)

    whole = carried(rows, 1)
    for number in range(2, len(releases)):
        whole = compose(whole, carried(whole.apply(rows), number))
    return whole if len(releases) == 2 else _advised(whole, rows, releases, step, nearest)


def compose(first: Migration, second: Migration) -> Migration:
    """One mapping that does what `first` and then `second` do.

    The class of a row is the strongest of both steps, its rule names all. Raises BatchError if
    `second` does not begin at the release where `first` ends, or not with its rows.
    """
    faults = _unfit(first, second)
    if faults:
        raise BatchError(
            f"migrations {first.old_version} to {second.new_version}",
            faults,
            "They are not steps of one chain.",
        )
    _, after = LABELS[first.label]
    both = first.rows.merge(second.rows, on="row_id", how="left", suffixes=("", "_then"))
    went = both["class_then"].notna()
    made = both[list(first.rows.columns)].copy()
    for name in ("new_code", "new_pt_code", "suggestions", *({after} - {"new_code"})):
        then = both[f"{name}_then"].astype("object")
        made[name] = made[name].astype("object").where(~went, then)
    stronger = went & (both["class_then"].map(_RANK) > both["class"].map(_RANK))
    made["class"] = made["class"].where(~stronger, both["class_then"]).astype("str")
    rules = [
        "; ".join(rule for rule in (one, other) if isinstance(rule, str) and rule)
        for one, other in zip(both["rule"], both["rule_then"], strict=True)
    ]
    made["rule"] = pd.Series(rules, index=made.index, dtype="str")
    made = _plain(made)[list(columns(first.label))]
    return Migration(
        first.old_version, second.new_version, first.old_digest, second.new_digest,
        max(first.policy, second.policy), made, first.label,
    )  # fmt: skip


def _plain(rows: pd.DataFrame) -> pd.DataFrame:
    """None, not NaN, where there is no code: as in a mapping of one step."""
    for name in ("new_code", "new_pt_code", "new_name"):
        if name in rows:
            rows[name] = rows[name].astype("object").where(rows[name].notna(), None)
    return rows


def _unfit(first: Migration, second: Migration) -> list[Fault]:
    faults = []
    if first.label != second.label:
        faults.append(Fault("labels", f"{first.label} and then {second.label}"))
    other = bool(second.old_digest) and first.new_digest != second.old_digest
    if other or first.new_version != second.old_version:
        ends = f"MedDRA {first.new_version} ({first.new_digest[:12]})"
        starts = f"MedDRA {second.old_version} ({second.old_digest[:12]})"
        faults.append(Fault("releases", f"the first ends at {ends}, the second starts at {starts}"))
    if faults:
        return faults
    before, after = LABELS[first.label]
    carried = first.rows[first.rows["new_code"].notna()].set_index("row_id")[after]
    taken = second.rows.set_index("row_id")[before]
    lone = sorted(set(carried.index) ^ set(taken.index))
    faults += [Fault(f"row {row_id}", "is in one of them only") for row_id in lone]
    common = carried.index.intersection(taken.index)
    wrong = carried[common].astype("str") != taken[common].astype("str")
    return faults + [
        Fault(f"row {row_id}", f"ends at {carried[row_id]}, and starts at {taken[row_id]}")
        for row_id in wrong[wrong].index
    ]


def _advised(
    whole: Migration,
    rows: pd.DataFrame,
    releases: Sequence[Dictionary | str],
    step: Callable[..., Migration],
    nearest: Nearest | None,
) -> Migration:
    """The mapping with suggestions in terms of the last release for rows that stopped on the way."""
    stopped = whole.rows["new_code"].isna()
    if not stopped.any():
        return whole
    asked = rows[rows["row_id"].astype("str").isin(set(whole.rows["row_id"][stopped]))]
    direct = step(asked, releases[0], releases[-1], policy=whole.policy, nearest=nearest).rows
    decided = direct["new_code"].notna()
    advice = direct["suggestions"].where(~decided, direct["new_code"].map(lambda code: [code]))
    found = dict(zip(direct["row_id"].tolist(), advice.tolist(), strict=True))
    table = whole.rows.copy()
    lists = [
        found.get(row_id, given) for row_id, given in zip(table["row_id"], table["suggestions"], strict=True)
    ]
    table["suggestions"] = pd.Series(lists, index=table.index, dtype="object")
    return Migration(
        whole.old_version, whole.new_version, whole.old_digest, whole.new_digest, whole.policy, table, whole.label
    )  # fmt: skip
