"""A Consistency as tables of texts, for every page that shows it: markdown, the dossier, the command line."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pvcore.plain import inert

if TYPE_CHECKING:
    from pvcore.annotations.consistency import Consistency

DASH = "\N{EN DASH}"


@dataclass(frozen=True, slots=True)
class Table:
    """A title, the names of the columns, and rows of texts; `numbers` are the columns set to the right."""

    title: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    numbers: frozenset[str] = frozenset()


NUMBERS = frozenset(
    {
        "things",
        "agree",
        "Cohen",
        "Fleiss",
        "Krippendorff",
        "cases",
        "exact F1",
        "overlap F1",
        "kappa",
        "doubt",
    }
)


def tables(report: Consistency | Mapping[str, Any]) -> list[Table]:
    """The tables that have rows, from a report or from its JSON as read back (format 1 has no doubtful codes)."""
    value = report if isinstance(report, Mapping) else _plain(report)
    made = [
        Table(title, columns, tuple(row(r) for r in value.get(part, ())), NUMBERS)
        for title, part, columns, row in TABLES
    ]
    return [table for table in made if table.rows]


def _plain(report: Consistency) -> Mapping[str, Any]:
    import json

    value: Mapping[str, Any] = json.loads(report.to_json())
    return value


def summary(report: Consistency | Mapping[str, Any]) -> str:
    """One sentence: how many of each thing to look at there are, of which the tables show the first."""
    value = report if isinstance(report, Mapping) else _plain(report)
    return (
        f"{value['disagreements']:,} disagreement(s) that nobody has settled, {value['contradicting']:,} "
        f"group(s) of nearly identical cases with contradictory labels, {value.get('doubtful', 0):,} doubtful "
        "code(s); the tables name the first of them."
    )


def markdown(report: Consistency | Mapping[str, Any]) -> str:
    """All tables. Texts of the input are escaped, so that they neither break a table nor become markup."""
    value = report if isinstance(report, Mapping) else _plain(report)
    lines = [f"## Consistency of annotations: {inert(value['subject'])}", "", summary(value)]
    for table in tables(value):
        rule = ("---:" if name in table.numbers else "---" for name in table.columns)
        lines += ["", f"### {table.title}", "", _line(table.columns), _line(rule)]
        lines += [_line(map(inert, row)) for row in table.rows]
    return "\n".join(lines) + "\n"


def _line(cells: Any) -> str:
    return f"| {' | '.join(cells)} |"


def number(value: float | None) -> str:
    """Two decimals, or a dash for what is not defined."""
    return DASH if value is None else f"{value:.2f}".replace("-", "\N{MINUS SIGN}")


def _between(row: Mapping[str, Any], name: str) -> str:
    """A coefficient with its interval, which reports of before do not have."""
    bounds = row.get(f"{name}_bounds")
    return f"{number(row[name])} [{number(bounds[0])}, {number(bounds[1])}]" if bounds else number(row[name])


def _answers(found: Mapping[str, Any]) -> str:
    return "; ".join(
        f"{said}: {count} ({', '.join(found['cases'][said])})" for said, count in found["answers"].items()
    )


Row = Callable[[Mapping[str, Any]], tuple[str, ...]]
TABLES: Sequence[tuple[str, str, tuple[str, ...], Row]] = (
    (
        "Agreement",
        "agreement",
        ("problem", "by", "which", "things", "agree", "Cohen", "Fleiss", "Krippendorff"),
        lambda r: (
            r["problem"], r["by"], r["name"], f"{r['things']:,}",
            number(r["observed"]), _between(r, "cohen"), number(r["fleiss"]), _between(r, "alpha"),
        ),
    ),
    (
        "Coding by level",
        "coding",
        ("coders", "level", "things", "agree", "kappa"),
        lambda r: (
            " and ".join(r["annotators"]), r["level"], f"{r['verbatims']:,}", number(r["observed"]), number(r["kappa"]),
        ),
    ),
    (
        "Spans",
        "spans",
        ("problem", "annotators", "label", "cases", "exact F1", "overlap F1"),
        lambda r: (
            r["problem"], " and ".join(r["annotators"]), r["label"], f"{r['cases']:,}",
            number(r["exact"]), number(r["overlap"]),
        ),
    ),
    (
        "To talk about",
        "pairs",
        ("problem", "case", "of", "answers"),
        lambda r: (r["problem"], r["case_id"], r["target"], "; ".join(f"{who}: {said}" for who, said in r["answers"])),
    ),
    (
        "Contradictory labels on nearly identical texts",
        "contradictions",
        ("problem", "of", "answers (first cases)"),
        lambda r: (r["problem"], r["target"], _answers(r)),
    ),
    (
        "Doubtful codes",
        "codes",
        ("case", "verbatim", "coded", "fits better", "doubt", "because"),
        lambda r: (
            r["case_id"], r["verbatim"], f"{r['given']} {r['given_name']}",
            f"{r['suggested']} {r['suggested_name']}", number(r["doubt"]), r["reason"],
        ),
    ),
)  # fmt: skip
