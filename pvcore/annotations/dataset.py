"""An immutable, content-addressed dataset: its digest names exactly these cases, labels and splits.

A dataset is made of another one (`base`), batches that are new, and stored migrations. Its manifest is
a blob of canonical JSON that names the blobs of the tables, so one digest stands for all of it:

    cases.parquet   every field of a Case (drugs and reactions as JSON; PT names that reactions are coded
                    by alone are carried over), cluster, split, batch
    labels.parquet  case_id, problem, target, value (JSON), annotators, meddra_version, time
    annotations.parquet  everything that was said, one row each, codes carried over where they could be
    aside.parquet   cases that the split has no place for now; a dataset with another split may have one
    open            annotations that made no label (disagreement, review, no mapping, narrative, aside),
                    with the reason; they wait in this and every following dataset, so nothing is dropped
    nullified       cases that their sender took back, with the batch that did: neither they nor what was said of
                    them is in any table of this and every following dataset (absent where there is none)
"""

from __future__ import annotations

import io
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from pvcore.annotations.batch import Batch, read_stored
from pvcore.annotations.leakage import SplitSettings
from pvcore.annotations.merge import Merged, Open, Pool, case_of
from pvcore.annotations.passage import row_id as row_id
from pvcore.errors import BatchError, ConfigError, Fault
from pvcore.records import Annotation, Case, canonical, digest

FORMAT = 1
CASE_COLUMNS = pa.schema(
    [(name, pa.string()) for name in ("case_id", "narrative", "source", "received")]
    + [("age_years", pa.float64())]
    + [(name, pa.string()) for name in ("sex", "country", "language", "drugs", "reactions")]
    + [(name, pa.string()) for name in ("cluster", "split", "batch")]
)  # fmt: skip
ANNOTATION_COLUMNS = pa.schema([(name, pa.string()) for name in Annotation.__dataclass_fields__])
LABEL_COLUMNS = pa.schema(
    [(name, pa.string()) for name in ("case_id", "problem", "target", "value")]
    + [("annotators", pa.list_(pa.string())), ("meddra_version", pa.string()), ("time", pa.string())]
)


class Blobs(Protocol):
    """What is asked of a store (`pvcore.registry.store.Store`)."""

    def put_if_absent(self, key: str, data: bytes) -> bool: ...
    def get(self, key: str) -> bytes: ...


@dataclass(frozen=True)
class DatasetInfo:
    """The manifest. `digest` is that of its canonical JSON without itself; cases ... open, nullified are blobs."""

    digest: str
    meddra_version: str | None
    parent: str | None
    batches: tuple[str, ...]
    mappings: tuple[str, ...]
    split: Mapping[str, Any]
    seed: int
    cases: str
    annotations: str
    labels: str
    aside: str
    open: str
    counts: Mapping[str, Any]
    excluded: Mapping[str, int] = field(default_factory=dict)
    nullified: str = ""

    @property
    def migrated_by(self) -> tuple[str, ...]:
        """The mappings, each once: `mappings` names those of the parent again. The last one that has a row counts."""
        return tuple(reversed(dict.fromkeys(reversed(self.mappings))))

    def manifest(self) -> dict[str, Any]:
        """What the digest covers; `nullified` only where there is any, as a dataset of before has no such field."""
        absent = {"digest"} if self.nullified else {"digest", "nullified"}
        names = [name for name in self.__dataclass_fields__ if name not in absent]
        values = {name: getattr(self, name) for name in names}
        return {"format": FORMAT, **values}


@dataclass(frozen=True)
class Dataset:
    """A dataset as loaded; the tables have the columns named above, `value` still as JSON text."""

    info: DatasetInfo
    cases: pd.DataFrame = field(repr=False)
    annotations: pd.DataFrame = field(repr=False)
    labels: pd.DataFrame = field(repr=False)


def build(
    store: Blobs,
    *,
    batches: Sequence[Batch | str],
    mappings: Sequence[str] = (),
    meddra_version: str | None,
    base: str | None = None,
    split: SplitSettings,
    seed: int,
) -> DatasetInfo:
    """Build and store a dataset. The same arguments give the same digest.

    `batches` are batches or digests of stored ones; `mappings` are digests of stored migrations, used for
    codes in another version than `meddra_version`. Raises ConfigError if there is nothing to build,
    BatchError for a blob that is not what it should be.
    """
    if not batches and base is None:
        raise ConfigError("a dataset needs a batch or a dataset to start from: put a batch into the inbox")
    loaded = [b if isinstance(b, Batch) else read_stored(io.BytesIO(_get(store, b))) for b in batches]
    pool = Pool(meddra_version, [_get(store, name) for name in mappings])
    if base is not None:
        before = load(store, base)
        cases = pd.concat([before.cases, set_aside(store, before.info)])
        waiting, taken_back = open_items(store, before.info), nullified(store, before.info)
        pool.start(cases, before.annotations, waiting, taken_back)
        pool.hold_out(once_held_out(store, before))
    for batch in loaded:
        pool.add(batch.digest, batch.cases, batch.annotations, batch.nullified)
    merged = pool.finish(split, seed)
    parent = before.info if base is not None else None
    info = DatasetInfo(
        digest="",
        meddra_version=meddra_version,
        parent=base,
        batches=(*(parent.batches if parent else ()), *(b.digest for b in loaded)),
        mappings=(*(parent.mappings if parent else ()), *mappings),
        split=split.model_dump(mode="json"),
        seed=seed,
        cases=_put(store, to_parquet(merged.cases, CASE_COLUMNS)),
        annotations=_put(store, to_parquet(merged.annotations, ANNOTATION_COLUMNS)),
        labels=_put(store, to_parquet(merged.labels, LABEL_COLUMNS)),
        aside=_put(store, to_parquet(merged.aside, CASE_COLUMNS)),
        open=_put(store, canonical([_item(o) for o in merged.open])),
        counts=_counts(merged),
        excluded=dict(merged.excluded),
        nullified=_put(store, canonical(merged.nullified)) if merged.nullified else "",
    )
    name = _put(store, canonical(info.manifest()))  # last: that it exists means that all it names exists
    return _info(name, info.manifest())


def load_info(store: Blobs, name: str) -> DatasetInfo:
    """The manifest of the dataset of that digest. Raises BatchError for another blob."""
    try:
        return _info(name, json.loads(_get(store, name)))
    except (ValueError, KeyError, TypeError) as error:
        raise BatchError(f"dataset {name[:12]}", [Fault("manifest", f"is none: {error}")]) from error


def load(store: Blobs, name: str) -> Dataset:
    """The dataset of that digest, every blob checked against its own. Raises BatchError for another blob."""
    info = load_info(store, name)
    tables = (_table(_get(store, blob)) for blob in (info.cases, info.annotations, info.labels))
    return Dataset(info, *tables)


def set_aside(store: Blobs, info: DatasetInfo) -> pd.DataFrame:
    """The cases that the split has no place for now, with the columns of `Dataset.cases`."""
    return _table(_get(store, info.aside))


def cases_of(store: Blobs, dataset: Dataset) -> Iterator[Case]:
    """Every case of a dataset, those set aside too."""
    for table in (dataset.cases, set_aside(store, dataset.info)):
        yield from map(case_of, table.to_dict("records"))


def migrations(store: Blobs, info: DatasetInfo) -> list[bytes]:
    """The stored migrations that codes were carried over by, each once, in order."""
    return [_get(store, name) for name in info.migrated_by]


def once_held_out(store: Blobs, dataset: Dataset) -> list[tuple[str, str, str]]:
    """(case id, narrative, split) of every text that the dataset or one before it held out, each once, newest first.

    A follow-up replaces a narrative; whoever was judged on the old one must not be trained on its like.
    """
    found: dict[tuple[str, str, str], None] = {}
    at: Dataset | None = dataset
    while at is not None:
        held = at.cases[at.cases["split"].isin(["tune", "test"])]
        rows = zip(held["case_id"], held["narrative"], held["split"], strict=True)
        found |= dict.fromkeys(rows)
        at = load(store, at.info.parent) if at.info.parent else None
    return list(found)


def open_items(store: Blobs, info: DatasetInfo) -> list[Open]:
    """What waits for a person: annotations that made no label, with the reason."""
    return [
        Open(Annotation(**item["annotation"]), item["reason"]) for item in json.loads(_get(store, info.open))
    ]


def nullified(store: Blobs, info: DatasetInfo) -> dict[str, str]:
    """Case id -> digest of the batch that took it back, of every case that was nullified until this dataset."""
    return dict(json.loads(_get(store, info.nullified))) if info.nullified else {}


def _item(item: Open) -> dict[str, Any]:
    said = {name: getattr(item.annotation, name) for name in item.annotation.__dataclass_fields__}
    return {"annotation": said, "reason": item.reason}


def _info(name: str, value: Mapping[str, Any]) -> DatasetInfo:
    if value["format"] != FORMAT:
        raise ValueError(f"format {value['format']!r}, expected {FORMAT}")
    fields = {key: item for key, item in value.items() if key != "format"}
    return DatasetInfo(
        digest=name, **{**fields, "batches": tuple(value["batches"]), "mappings": tuple(value["mappings"])}
    )


def _counts(merged: Merged) -> dict[str, Any]:
    splits = merged.cases["split"].value_counts()
    problems = merged.labels["problem"].value_counts()
    return {
        "cases": len(merged.cases),
        "clusters": int(merged.cases["cluster"].nunique()),
        "splits": {name: int(splits.get(name, 0)) for name in ("train", "tune", "test")},
        "labels": {name: int(problems[name]) for name in sorted(problems.index)},
        "aside": len(merged.aside),
        "open": len(merged.open),
        **dict(merged.counts),
    }


def to_parquet(frame: pd.DataFrame, schema: pa.Schema) -> bytes:
    """Bytes that depend on the contents alone (with one version of pyarrow, which is pinned)."""
    buffer = io.BytesIO()
    table = pa.Table.from_pandas(frame, schema=schema, preserve_index=False).replace_schema_metadata(None)
    pq.write_table(table, buffer, compression="zstd")
    return buffer.getvalue()


def _table(data: bytes) -> pd.DataFrame:
    frame = pq.read_table(io.BytesIO(data)).to_pandas()
    # missing texts are None, also where a column has no text at all and pandas would say NaN
    for column in frame.columns:
        if frame[column].dtype != "float64":
            frame[column] = frame[column].astype("object").where(frame[column].notna(), None)
    return frame


def _put(store: Blobs, data: bytes) -> str:
    name = digest(data)
    store.put_if_absent(f"blobs/sha256/{name}", data)
    return name


def _get(store: Blobs, name: str) -> bytes:
    data = store.get(f"blobs/sha256/{name}")
    if digest(data) != name:
        raise BatchError(
            f"blob {name[:12]}", [Fault("digest", f"its contents have the digest {digest(data)[:12]}")]
        )
    return data
