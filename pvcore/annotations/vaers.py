"""VAERS yearly public files (US Vaccine Adverse Event Reporting System): a zip of three CSV tables.

Source: VAERS Data Use Guide. `<year>VAERSDATA.csv` (one row a report), `<year>VAERSSYMPTOMS.csv` (five
Preferred Terms a row, by name, with the MedDRA version), `<year>VAERSVAX.csv` (products), all latin-1. Files of
2025 and later hold every version of a report, numbered in the column ORDER of each table: the last one counts.

Seriousness is what the regulator derives from the form (21 CFR 600.80): serious if DIED, L_THREAT,
HOSPITAL, X_STAY, DISABLE (or, since 2017, BIRTH_DEFECT) is ticked. A box that is not ticked is taken
as "no", which is what the form means by it; a visit to an emergency department is not serious by
itself. The reports are de-identified, and nobody may try to undo that.
"""

from __future__ import annotations

import io
from collections.abc import Mapping
from typing import Any

import pandas as pd

from pvcore.annotations.reading import Content, Findings, Source, members
from pvcore.errors import BatchError
from pvcore.records import CRITERIA, Annotation, Case, Drug, Reaction

NAME = "vaers"
DESCRIPTION = "zip of the VAERS tables of a year"
ANNOTATOR = "VAERS regulatory flags"
FLAGS = {"DIED": "death", "L_THREAT": "life_threatening", "HOSPITAL": "hospitalisation",
         "X_STAY": "hospitalisation", "DISABLE": "disabling", "BIRTH_DEFECT": "congenital_anomaly"}  # fmt: skip
OUTCOMES = {"Y": "recovered", "N": "not recovered", "U": "unknown"}
SYMPTOMS = tuple((f"SYMPTOM{i}", f"SYMPTOMVERSION{i}") for i in range(1, 6))
TABLES: Mapping[str, tuple[str, ...]] = {
    "VAERSDATA.csv": ("VAERS_ID", "RECVDATE", "STATE", "AGE_YRS", "SEX", "SYMPTOM_TEXT", "DIED", "L_THREAT",
                      "HOSPITAL", "X_STAY", "DISABLE"),
    "VAERSSYMPTOMS.csv": ("VAERS_ID", *(name for pair in SYMPTOMS for name in pair)),
    "VAERSVAX.csv": ("VAERS_ID", "VAX_NAME"),
}  # fmt: skip
"""The tables with the columns that are needed."""
ORDER = "ORDER"
"""Numbers the versions of a report, in files that have more than one of it."""


def detect(source: Source) -> bool:
    """Whether the file is a zip with one of the tables in it; `read` says which is missing."""
    endings = tuple(suffix.upper() for suffix in TABLES)
    return any(name.upper().endswith(endings) for name in source.members)


def read(source: Source, meddra_version: str | None = None) -> Content:
    """All reports of a year that have a narrative. Raises BatchError with all faults."""
    found = Findings(source.name)
    tables = _tables(members(source), found)
    if found.faults:
        raise BatchError(source.name, found.faults, "Nothing of this batch was used.")
    _last_versions(tables, found)
    reports = tables["VAERSDATA.csv"]
    columns = {key: reports[key].str.strip() for key in reports.columns}
    received = _dates(columns, found)
    ages = _ages(columns, found)
    flags = _flags(columns, found)
    _ids(tables, found)
    symptoms, products = _symptoms(tables, found), _products(tables)
    outcome = columns["RECOVD"].map(OUTCOMES).tolist() if "RECOVD" in columns else [None] * len(reports)
    cases: list[Case] = []
    annotations: list[Annotation] = []
    rows = zip(
        columns["VAERS_ID"], columns["SYMPTOM_TEXT"], received, ages, columns["SEX"], columns["STATE"], flags,
        outcome, strict=True,
    )  # fmt: skip
    for number, text, day, age, sex, state, criteria, ended in rows:
        if not text:
            found.drop("report without a narrative")
            continue
        case_id = f"VAERS-{number}"
        reactions = tuple(
            Reaction(pt_name=term, meddra_version=version, outcome=ended if isinstance(ended, str) else None)
            for term, version in symptoms.get(number, ())
        )
        cases.append(
            Case(
                case_id=case_id,
                narrative=text,
                source="VAERS",
                received=day,
                age_years=age,
                sex=sex if sex in ("F", "M") else None,
                country=None if state.upper() == "FR" else "US",
                drugs=products.get(number, ()),
                reactions=reactions,
            )
        )
        value = {"serious": bool(criteria), "criteria": criteria}
        annotations.append(Annotation(case_id, "seriousness", value, ANNOTATOR, time=day))
    return found.finish(cases, annotations)


def _tables(files: Mapping[str, bytes], found: Findings) -> dict[str, pd.DataFrame]:
    tables = {}
    for suffix, needed in TABLES.items():
        matching = [name for name in files if name.upper().endswith(suffix.upper())]
        if len(matching) != 1:
            found.fault("zip", f"{len(matching)} files named <year>{suffix}, expected one",
                        "give the zip of one year as it was downloaded")  # fmt: skip
            continue
        name = matching[0]
        try:
            frame = pd.read_csv(
                io.BytesIO(files[name]), encoding="latin-1", dtype="str", keep_default_na=False
            )
        except (pd.errors.ParserError, pd.errors.EmptyDataError, ValueError) as error:
            found.fault(name, f"not a readable table: {error}", "copy or download the file again")
            continue
        missing = [column for column in needed if column not in frame.columns]
        for column in missing:
            found.fault(name, f"no column {column}")
        if not missing:
            tables[suffix] = frame
    return tables


def _last_versions(tables: dict[str, pd.DataFrame], found: Findings) -> None:
    """Leaves the last version of each report in the tables, with its own terms and products."""
    reports = tables["VAERSDATA.csv"]
    if ORDER not in reports.columns:
        return
    order = pd.to_numeric(reports[ORDER], errors="coerce")
    for index in order.index[order.isna()]:
        found.fault(_at(reports, index), f"{ORDER} {reports[ORDER][index]!r} is no number")
    last = order.groupby(reports["VAERS_ID"].str.strip()).max()
    found.drop("earlier version of a report", int((order < reports["VAERS_ID"].str.strip().map(last)).sum()))
    for name, frame in tables.items():
        if ORDER in frame.columns:
            own = frame["VAERS_ID"].str.strip().map(last)
            kept = own.isna() | (pd.to_numeric(frame[ORDER], errors="coerce") == own)
            tables[name] = frame[kept].reset_index(drop=True)


def _at(columns: Mapping[str, Any], index: int) -> str:
    return f"VAERSDATA.csv, VAERS_ID {columns['VAERS_ID'].iloc[index]}"


def _dates(columns: Mapping[str, pd.Series], found: Findings) -> list[str]:
    parsed = pd.to_datetime(columns["RECVDATE"], format="%m/%d/%Y", errors="coerce")
    for index in parsed.index[parsed.isna()]:
        found.fault(
            _at(columns, index), f"RECVDATE {columns['RECVDATE'][index]!r} is not of the form MM/DD/YYYY"
        )
    return parsed.dt.strftime("%Y-%m-%d").tolist()


def _ages(columns: Mapping[str, pd.Series], found: Findings) -> list[float | None]:
    text = columns["AGE_YRS"]
    years = pd.to_numeric(text.where(text != "", None), errors="coerce")
    wrong = (years.isna() & (text != "")) | (years < 0) | (years > 150)
    for index in text.index[wrong]:
        found.fault(_at(columns, index), f"AGE_YRS {text[index]!r} is no age in years")
    return [None if age != age else float(age) for age in years.tolist()]


def _flags(columns: Mapping[str, pd.Series], found: Findings) -> list[list[str]]:
    """The criteria of each report, in the standard's order."""
    ticked: dict[str, list[bool]] = {}
    for column, criterion in FLAGS.items():
        if column not in columns:
            continue
        values = columns[column].str.upper()
        for index in values.index[~values.isin(["", "Y", "N"])]:
            found.fault(_at(columns, index), f"{column} is {columns[column][index]!r}, expected Y or nothing")
        yes = (values == "Y").tolist()
        ticked[criterion] = [a or b for a, b in zip(ticked.get(criterion, yes), yes, strict=True)]
    order = [criterion for criterion in CRITERIA if criterion in ticked]
    return [
        [c for c, yes in zip(order, row, strict=True) if yes]
        for row in zip(*(ticked[c] for c in order), strict=True)
    ]


def _ids(tables: Mapping[str, pd.DataFrame], found: Findings) -> None:
    ids = tables["VAERSDATA.csv"]["VAERS_ID"].str.strip()
    for number in ids[~ids.str.fullmatch(r"[0-9]{1,12}")]:
        found.fault("VAERSDATA.csv", f"VAERS_ID {number!r} is not a number")
    known = set(ids)
    for table in ("VAERSSYMPTOMS.csv", "VAERSVAX.csv"):
        found.drop(
            f"row of {table} without its report",
            int((~tables[table]["VAERS_ID"].str.strip().isin(known)).sum()),
        )


def _symptoms(tables: Mapping[str, pd.DataFrame], found: Findings) -> dict[str, list[tuple[str, str | None]]]:
    """Terms of each report with their MedDRA version, in the table's order, each once."""
    frame = tables["VAERSSYMPTOMS.csv"]
    terms: dict[str, dict[str, str | None]] = {}
    versions: dict[str, str | None] = {}
    pairs = [(frame[a].str.strip().tolist(), frame[b].str.strip().tolist()) for a, b in SYMPTOMS]
    for row, number in enumerate(frame["VAERS_ID"].str.strip().tolist()):
        for names, stated in pairs:
            if names[row]:
                version = stated[row]
                if version not in versions:
                    versions[version] = _version(version, found)
                terms.setdefault(number, {}).setdefault(names[row], versions[version])
    return {number: list(found_terms.items()) for number, found_terms in terms.items()}


def _version(text: str, found: Findings) -> str | None:
    """'8.10' and '13.00', as VAERS writes them, are MedDRA 8.1 and 13.0."""
    if not text:
        return None
    try:
        return f"{float(text):.1f}"
    except ValueError:
        found.fault("VAERSSYMPTOMS.csv", f"SYMPTOMVERSION {text!r} is no MedDRA version")
        return None


def _products(tables: Mapping[str, pd.DataFrame]) -> dict[str, tuple[Drug, ...]]:
    frame = tables["VAERSVAX.csv"]
    names: dict[str, dict[str, None]] = {}
    for number, name in zip(frame["VAERS_ID"].str.strip(), frame["VAX_NAME"].str.strip(), strict=True):
        if name:
            names.setdefault(number, {})[name] = None
    return {number: tuple(Drug(name, "suspect") for name in found) for number, found in names.items()}
