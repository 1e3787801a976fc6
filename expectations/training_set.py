"""The suite `training_set`: what a model is about to learn from, and be judged on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pandas as pd

from expectations.run import evaluate
from expectations.suites import load
from expectations.validation import Validation
from pvcore.errors import Fault, InputError
from pvcore.meddra.release import Dictionary
from pvcore.problems import PROBLEMS
from pvcore.problems.problem import SPLITS, Problem, Table, by_table, example_id, value_of
from pvcore.records import Example

CASE_COLUMNS = ("case_id", "cluster", "split")
LABEL_COLUMNS = ("case_id", "problem", "target", "value", "meddra_version")
CODE_COLUMNS = ("case_id", "target", "version", "other_version", "unknown_term", "not_current")
MINIMUM = 10
"""Training examples below which nothing is trained."""


def validate_training_set(
    cases: pd.DataFrame,
    labels: pd.DataFrame,
    examples: Mapping[str, Sequence[Example]],
    *,
    problem: str,
    dictionary: Dictionary | None = None,
    minimum: int = MINIMUM,
    table: Table = (),
) -> Validation:
    """Judge the training set of one problem by the suite `training_set`.

    `cases` and `labels` are the tables of a dataset (labels of other problems are left out), `examples`
    the problem's examples by split. With a dictionary, coded labels must be current LLTs in its
    version. With a policy `table`, which need not give every class, those are asked for that it gives or
    that some example has. Raises InputError for missing columns or splits, ConfigError if a rule was not evaluated.
    """
    subject = f"training set of {problem}"
    faults = [Fault("cases", f"no column {c}") for c in CASE_COLUMNS if c not in cases]
    faults += [Fault("labels", f"no column {c}") for c in LABEL_COLUMNS if c not in labels]
    faults += [Fault("examples", f"unknown split {split}") for split in examples if split not in SPLITS]
    if faults:
        raise InputError(subject, faults, "Build the dataset again.")
    posed = PROBLEMS[problem]
    labels = labels[labels["problem"] == problem]
    rows = _examples(examples, cases, posed)
    frames = {
        "cases": _cases(cases),
        "labels": _labels(labels, cases, problem, set(rows["example_id"])),
        "examples": rows,
        "splits": _splits(rows),
    }
    if posed.kind == "classification":
        there = {*by_table(posed, table).given, *rows["class"]} if table else set(posed.labels)
        frames["balance"] = _balance(rows, [label for label in posed.labels if label in there])
    elif posed.kind == "ranking" and dictionary is not None:
        frames["codes"] = _codes(labels, dictionary)
    elif posed.kind == "set" and dictionary is not None:
        frames["codes"] = _sets(examples, dictionary)
    parameters = {"labels": list(posed.labels), "minimum": minimum}
    return evaluate(load("training_set"), subject, frames, parameters=parameters)


def _cases(cases: pd.DataFrame) -> pd.DataFrame:
    frame = cases[list(CASE_COLUMNS)].astype(object)
    return frame.assign(cluster_in=_spread(frame["cluster"], frame["split"]))


def _spread(groups: pd.Series, splits: pd.Series) -> pd.Series:
    """For each row the splits that its group is in, where that is more than one; None elsewhere."""
    pairs = pd.DataFrame({"group": groups.astype(str), "split": splits.astype(str)})
    distinct = pairs.drop_duplicates().sort_values("split")
    several = distinct[distinct["group"].duplicated(keep=False)]
    names = several.groupby("group")["split"].agg(" and ".join)
    return pairs["group"].map(names).astype(object)


def _labels(labels: pd.DataFrame, cases: pd.DataFrame, problem: str, made: set[str]) -> pd.DataFrame:
    frame = labels[["case_id", "target"]].astype(object)
    identity = pd.Series(
        [example_id(row.case_id, problem, row.target) for row in frame.itertuples()],
        frame.index,
        dtype=object,
    )
    return frame.assign(
        unknown_case=frame["case_id"].where(~frame["case_id"].isin(cases["case_id"])),
        without_example=identity.where(~identity.isin(made)),
    )


def _examples(
    examples: Mapping[str, Sequence[Example]], cases: pd.DataFrame, problem: Problem
) -> pd.DataFrame:
    """One row an example. `class` is its label where the problem has classes, `code` where it has codes."""
    split_of = dict(zip(cases["case_id"], cases["split"], strict=True))
    cluster_of = dict(zip(cases["case_id"], cases["cluster"].astype(str), strict=True))
    rows = []
    for split in SPLITS:
        for e in examples.get(split, ()):
            there = e.case_id in split_of
            rows.append(
                {
                    "split": split,
                    "example_id": e.example_id,
                    "case_id": e.case_id,
                    "cluster": e.cluster,
                    "text": e.text,
                    "class": e.label if problem.kind == "classification" else None,
                    "code": e.label if problem.kind == "ranking" else None,
                    "unknown_case": None if there else e.case_id,
                    "other_split": split_of[e.case_id] if there and split_of[e.case_id] != split else None,
                    "other_cluster": cluster_of[e.case_id]
                    if there and cluster_of[e.case_id] != e.cluster
                    else None,
                }
            )
    columns = ["split", "example_id", "case_id", "cluster", "text", "class", "code", "unknown_case",
               "other_split", "other_cluster"]  # fmt: skip
    frame = pd.DataFrame(rows, columns=columns, dtype=object)
    return frame.assign(
        case_in=_spread(frame["case_id"], frame["split"]),
        cluster_in=_spread(frame["cluster"], frame["split"]),
    )


def _splits(rows: pd.DataFrame) -> pd.DataFrame:
    """One row a split, its count in the column of its name."""
    count = rows["split"].value_counts()
    return pd.DataFrame(
        [{"split": split, f"{split}_rows": float(count.get(split, 0))} for split in SPLITS],
        columns=["split", *(f"{split}_rows" for split in SPLITS)],
    )


def _balance(rows: pd.DataFrame, labels: Sequence[str]) -> pd.DataFrame:
    """One row a split and class, the count in the column of its use."""
    count = rows.groupby(["split", "class"]).size()
    return pd.DataFrame(
        [
            {
                "split": split,
                "label": label,
                "train_rows" if split == "train" else "held_out_rows": float(count.get((split, label), 0)),
            }
            for split in SPLITS
            for label in labels
        ],
        columns=["split", "label", "train_rows", "held_out_rows"],
    )


def _codes(labels: pd.DataFrame, dictionary: Dictionary) -> pd.DataFrame:
    """One row a coded label. A PT by name stands for the LLT of the same code, which is always current."""
    pts = set(dictionary.tables["pt"]["pt_name"])
    rows = []
    for row in labels.itertuples():
        value = value_of(row)
        code, name = value.get("llt_code"), value.get("pt_name")
        there = code in dictionary if code else name in pts
        other = row.meddra_version != dictionary.version
        rows.append(
            {
                "case_id": row.case_id,
                "target": row.target,
                "version": dictionary.version,
                "other_version": str(row.meddra_version) if other else None,
                "unknown_term": None if there else (f"LLT {code}" if code else f"PT {name!r}"),
                "not_current": code if code and there and not dictionary.is_current(code) else None,
            }
        )
    return pd.DataFrame(rows, columns=list(CODE_COLUMNS), dtype=object)


def _sets(examples: Mapping[str, Sequence[Example]], dictionary: Dictionary) -> pd.DataFrame:
    """One row a PT of an example, whose label is made of codings: those are checked by its PTs."""
    known = set(dictionary.tables["pt"]["pt_code"])
    rows = [
        (e.case_id, "", dictionary.version, None, None if code in known else f"PT {code}", None)
        for split in SPLITS
        for e in examples.get(split, ())
        for code in e.label.split()
    ]
    return pd.DataFrame(rows, columns=list(CODE_COLUMNS), dtype=object)
