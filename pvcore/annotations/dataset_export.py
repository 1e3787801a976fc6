"""A dataset as plain Parquet files by split, with a card, for `datasets.load_dataset` and everything else.

    FOLDER/cases/{train,tune,test}.parquet    what `pvcore.annotations.dataset` says of the tables
    FOLDER/labels/{train,tune,test}.parquet   in the split of their case
    FOLDER/annotations.parquet                everything that was said
    FOLDER/README.md                          a Hugging Face dataset card: counts, digests, how to load

A split without a row has no file. `FOLDER/README.md` names the files by split, so that
`load_dataset("FOLDER", "cases")` needs nothing else.
"""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import yaml

from pvcore.annotations.dataset import (
    ANNOTATION_COLUMNS,
    CASE_COLUMNS,
    LABEL_COLUMNS,
    Blobs,
    Dataset,
    load,
    to_parquet,
)
from pvcore.annotations.leakage import SPLITS
from pvcore.errors import ConfigError

TABLES = {"cases": CASE_COLUMNS, "labels": LABEL_COLUMNS}
Splits = dict[str, list[str]]
"""Table -> its splits that have a file."""


def export(store: Blobs, name: str, folder: Path) -> list[Path]:
    """Write a stored dataset to a folder that is new or empty; returns the files.

    The same dataset gives the same bytes. Raises ConfigError for a folder that holds anything,
    BatchError for a digest that is no dataset.
    """
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise ConfigError(f"{folder} exists and is not an empty folder. Choose another place.")
    dataset = load(store, name)
    files = _files(dataset)
    try:
        for path, data in files.items():
            (folder / path).parent.mkdir(parents=True, exist_ok=True)
            (folder / path).write_bytes(data)
    except OSError as error:
        raise ConfigError(f"{folder} cannot be written: {error.strerror}. Choose another place.") from error
    return [folder / path for path in files]


def _files(dataset: Dataset) -> dict[str, bytes]:
    """Relative path -> contents."""
    files: dict[str, bytes] = {}
    splits: Splits = {}
    for table, frame in _by_split(dataset).items():
        for split in SPLITS:
            rows = frame[frame["of_split"] == split].drop(columns="of_split")
            if len(rows):
                splits.setdefault(table, []).append(split)
                files[f"{table}/{split}.parquet"] = to_parquet(rows, TABLES[table])
    files["annotations.parquet"] = to_parquet(dataset.annotations, ANNOTATION_COLUMNS)
    files["README.md"] = card(dataset, splits).encode()
    return files


def _by_split(dataset: Dataset) -> dict[str, pd.DataFrame]:
    split = dataset.cases.set_index("case_id")["split"]
    return {
        "cases": dataset.cases.assign(of_split=dataset.cases["split"]),
        "labels": dataset.labels.assign(of_split=dataset.labels["case_id"].map(split)),
    }


def card(dataset: Dataset, splits: Splits) -> str:
    """The dataset card: YAML that names the files by split, then what is in it for a person."""
    info = dataset.info
    configs = [
        {
            "config_name": table,
            "data_files": [{"split": split, "path": f"{table}/{split}.parquet"} for split in found],
            **({"default": True} if table == "cases" else {}),
        }
        for table, found in splits.items()
    ]
    head = yaml.safe_dump({"configs": configs}, sort_keys=False)
    counts = "\n".join(
        f"| {name}{': ' + key if key else ''} | {number} |"
        for name, value in info.counts.items()
        for key, number in (value.items() if isinstance(value, dict) else [("", value)])
    )
    batches = "\n".join(f"- batch `{name}`" for name in info.batches)
    mappings = "\n".join(f"- migration `{name}`" for name in info.migrated_by)
    return f"""---
{head}---

# Dataset `{info.digest[:12]}`

Exported by pv-retrain; its digest names exactly this content: `{info.digest}`.
Parent: `{info.parent or "none"}`. Codes are MedDRA {info.meddra_version or "(none)"}.

| what | count |
|---|---:|
{counts}

```python
from datasets import load_dataset

cases = load_dataset("parquet", data_files={{"train": "cases/train.parquet"}})
cases = load_dataset("path/to/this/folder", "cases")  # all splits, as the head of this file names them
```

`test` decides about a candidate and `tune` chooses thresholds: train on `train` alone. `labels` joins `cases` by
`case_id`; `value`, `drugs` and `reactions` are JSON. Near-identical cases share a `cluster`, never across splits.

Case narratives are safety data and codes are licensed with MedDRA: share this folder only with who may see both.

## Made of

{batches}
{mappings}
"""
