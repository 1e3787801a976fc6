"""What of batches is coded in MedDRA, as rows: the reactions of cases and the annotations for coding."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import pandas as pd

from pvcore.annotations.batch import Batch

COLUMNS = ("row_id", "case_id", "verbatim", "llt_code", "pt_name", "meddra_version")


def coded_rows(batches: Iterable[Batch]) -> pd.DataFrame:
    """Every coding of every case once, in order of the cases; "" for what is not known.

    `row_id` is the case's id and a number. What a reporter coded and an annotator confirmed is one row.
    """
    said = list(dict.fromkeys(coding for batch in batches for coding in _codings(batch)))
    said.sort(key=lambda coding: coding[0])
    numbers: dict[str, int] = {}
    rows = []
    for case_id, *coding in said:
        numbers[case_id] = numbers.get(case_id, 0) + 1
        rows.append((f"{case_id}/{numbers[case_id]}", case_id, *coding))
    return pd.DataFrame(rows, columns=list(COLUMNS), dtype="str")


def _codings(batch: Batch) -> Iterator[tuple[str, str, str, str, str]]:
    for case in batch.cases:
        for r in case.reactions:
            if r.llt_code or r.pt_name:
                yield case.case_id, r.verbatim, r.llt_code or "", r.pt_name or "", r.meddra_version or ""
    for a in batch.annotations:
        if a.problem == "coding":
            code, name = str(a.value.get("llt_code") or ""), str(a.value.get("pt_name") or "")
            yield a.case_id, a.target, code, name, a.meddra_version or ""
