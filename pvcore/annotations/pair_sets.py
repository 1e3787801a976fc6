"""Reference sets of drug pairs that a user has: a folder with one file a set, in any layout of `pair_files`."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

from pvcore.annotations import pair_files
from pvcore.annotations.batch import Batch, make_batch
from pvcore.annotations.reading import Content, Findings, Source, refuse
from pvcore.errors import NotFound

SETS = {
    "crediblemeds": "CredibleMeds",
    "ddicorpus2011": "DDI Corpus 2011",
    "ddicorpus2013": "DDI Corpus 2013",
    "frenchdb": "French DDI Referrals",
    "hep": "HEP",
    "hiv": "HIV",
    "kegg": "KEGG",
    "ndfrt-mapped": "NDF-RT",
    "nlmcorpus": "NLM Corpus",
    "onchighpriority": "ONC High Priority",
    "oncnoninteruptive": "ONC Non-Interuptive",
    "oscar": "OSCAR EMR",
    "pkcorpus": "PK DDI Corpus",
    "worldvista": "WorldVista",
}
"""The beginning of a file's name, after `ds_` -> the set, as the study names them."""
SUFFIXES = (".csv", ".parquet", ".jsonl", ".pickle", ".pkl")


def read_sets(folder: Path) -> dict[str, Batch]:
    """Set -> its pairs, in the order of the names. Raises NotFound without a file, BatchError with a file's faults."""
    files = sorted(file for file in folder.iterdir() if file.suffix in SUFFIXES) if folder.is_dir() else []
    if not files:
        raise NotFound(
            f"{folder} holds no set of pairs: {', '.join(SUFFIXES)}. See docs/reference/labels.md."
        )
    return dict(sorted((set_name(file), _read(file)) for file in files))


def set_name(file: Path) -> str:
    """The study's name of a set, by its file's name; the file's own name for any other."""
    stem = file.stem.removeprefix("ds_").casefold()
    return next((name for start, name in SETS.items() if stem.startswith(f"{start}-ddis")), file.stem)


def _read(file: Path) -> Batch:
    source = Source.of(file)
    found = _pickle(source) if file.suffix in (".pickle", ".pkl") else pair_files.read(source)
    return make_batch(file.name, pair_files.NAME, found.cases, found.annotations, found.dropped)


class _Plain(pickle.Unpickler):
    """Lists, tuples, texts and numbers. A pickle that asks for anything else would run code, and is refused."""

    def find_class(self, module_name: str, global_name: str) -> Any:
        raise pickle.UnpicklingError(f"asks for {module_name}.{global_name}; only plain values are read")


def _pickle(source: Source) -> Content:
    found = Findings(source.name)
    try:
        with source.open() as file:
            rows = _Plain(file).load()
    except (
        pickle.UnpicklingError,
        EOFError,
        ValueError,
        IndexError,
        KeyError,
        AttributeError,
        TypeError,
    ) as error:
        raise refuse(source.name, "pickle", f"cannot be read: {error}", "copy the file again") from error
    if not isinstance(rows, list):
        raise refuse(source.name, "pickle", f"holds a {type(rows).__name__}, expected a list of rows")
    return pair_files.content(pair_files.unpickled(rows, found), found)
