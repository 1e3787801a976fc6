"""Two invented releases, read once a session, and ways to write their files again with a change."""

from __future__ import annotations

import zipfile
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path

import pytest

from pvcore.meddra.generate import Size, Truth, generate
from pvcore.meddra.model import Model, Term, to_tables
from pvcore.meddra.release import Dictionary, content_digest
from pvcore.meddra.verify import verify

Files = dict[str, bytes]


@pytest.fixture(scope="session")
def first(tmp_path_factory: pytest.TempPathFactory) -> Truth:
    """MedDRA 28.1, as invented."""
    return generate(tmp_path_factory.mktemp("first"), version="28.1", seed=3, size=Size.small())


@pytest.fixture(scope="session")
def second(first: Truth, tmp_path_factory: pytest.TempPathFactory) -> Truth:
    """Its next version, 29.0, with every kind of change."""
    folder = tmp_path_factory.mktemp("second")
    return generate(folder, version="29.0", seed=3, size=Size.small(), previous=first.dictionary)


@pytest.fixture(scope="session")
def old(first: Truth) -> Dictionary:
    return first.dictionary


@pytest.fixture(scope="session")
def new(second: Truth) -> Dictionary:
    return second.dictionary


Pair = Callable[..., tuple[Truth, Truth]]


@pytest.fixture(scope="session")
def pair(tmp_path_factory: pytest.TempPathFactory) -> Pair:
    """A version of a few hundred terms and its next one: by seed, and operations by kind (None: the usual)."""
    folder = tmp_path_factory.mktemp("pairs")
    tiny = Size(socs=4, hlgts=8, hlts=24, pts=120, llts=400, smqs=3)
    firsts: dict[int, Truth] = {}

    def generated(
        seed: int, changes: Mapping[str, int] | None = None, version: str = "29.0"
    ) -> tuple[Truth, Truth]:
        if seed not in firsts:
            firsts[seed] = generate(folder, version="28.1", seed=seed, size=tiny)
        size = tiny if changes is None else replace(tiny, changes=changes)
        before = firsts[seed]
        return before, generate(folder, version=version, seed=seed, size=size, previous=before.dictionary)

    return generated


@pytest.fixture(scope="session")
def files(first: Truth) -> Mapping[str, bytes]:
    """llt.asc, pt.asc, ... of 28.1 as bytes."""
    with zipfile.ZipFile(first.archive) as archive:
        return {Path(n).name: archive.read(n) for n in archive.namelist() if n.startswith("MedAscii/")}


@pytest.fixture
def write(tmp_path: Path) -> Callable[..., Path]:
    """Write tables into a folder of their own."""

    def to_folder(files: Mapping[str, bytes], folder: str = "MedAscii") -> Path:
        target = tmp_path / "release" / folder
        target.mkdir(parents=True)
        for name, data in files.items():
            (target / name).write_bytes(data)
        return tmp_path / "release"

    return to_folder


Build = Callable[..., Dictionary]


@pytest.fixture(scope="session")
def build() -> Build:
    """A dictionary by hand: two SOCs, three HLTs, and the LLTs given as code -> (name, PT, currency).

    PTs are the LLTs that belong to themselves. `hlts` puts a PT under other HLTs than 90000031, the
    first one primary; 31 and 32 are in SOC 90000011, 33 in SOC 90000012.
    """

    def by_hand(
        llts: Mapping[str, tuple[str, str, str]],
        *,
        version: str = "28.1",
        hlts: Mapping[str, list[str]] | None = None,
        hlt_names: Mapping[str, str] | None = None,
        smqs: Mapping[str, tuple[str, str, str, str, str]] | None = None,
        smq_content: Mapping[tuple[str, str], tuple[str, str, str, str, str]] | None = None,
    ) -> Dictionary:
        model = Model()
        model.soc = {"90000011": ("Heart", "Heart"), "90000012": ("Liver", "Liver")}
        model.hlgt = {"90000021": "Heart group", "90000022": "Liver group", "90000023": "Heart, other"}
        model.soc_hlgt = [("90000011", "90000021"), ("90000012", "90000022"), ("90000011", "90000023")]
        model.hlt = {"90000031": "Heart A", "90000032": "Heart B", "90000033": "Liver A", **(hlt_names or {})}
        model.hlgt_hlt = [("90000021", "90000031"), ("90000021", "90000032"), ("90000022", "90000033")]
        model.llt = dict(llts)
        for code, (name, pt, _) in llts.items():
            if code == pt:
                model.paths[code] = (hlts or {}).get(code, ["90000031"])
                model.pt[code] = Term(name, model.soc_of_hlt(model.paths[code][0]))
        model.smq, model.smq_content = dict(smqs or {}), dict(smq_content or {})
        tables = to_tables(model, version, "English")
        dictionary = Dictionary(version, "English", content_digest(tables), "UTF-8", tables)
        assert verify(dictionary) == []
        return dictionary

    return by_hand
