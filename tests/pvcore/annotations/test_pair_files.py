"""Files of pairs: the study's field names as a table, its chats and its pickles."""

from __future__ import annotations

import json
import pickle
from pathlib import Path

import pandas as pd
import pytest

from pvcore.annotations import pair_files
from pvcore.annotations.batch import make_batch, read
from pvcore.annotations.generate_pairs import generate_pairs
from pvcore.annotations.pair_sets import read_sets, set_name
from pvcore.annotations.pairs import Described, drugs_of, pair_case
from pvcore.errors import BatchError, NotFound

ROW = {
    "drug_name1": "Zelafib", "smiles1": "CCO", "org1": "Humans", "genes1": "CYP3A4, ABCB1",
    "drug_name2": "abacol", "smiles2": "", "org2": "HIV-1", "genes2": "pol",
    "target": "1", "annotator": "x",
}  # fmt: skip
PAIR = (
    Described("Zelafib", "CCO", ("Humans",), ("CYP3A4", "ABCB1")),
    Described("abacol", "", ("HIV-1",), ("pol",)),
)
ASKED = (
    "Drug1: Zelafib\nSMILES for drug1: CCO\nOrganism targeted by drug1: Humans\n"
    "Genes targeted by drug1: CYP3A4, ABCB1\n\nDrug2: abacol\nSMILES for drug2: \n"
    "Organism targeted by drug2: HIV-1\nGenes targeted by drug2: pol\n\nCLASSIFICATION:"
)


def csv(*rows: dict[str, str]) -> bytes:
    return pd.DataFrame(list(rows)).to_csv(index=False).encode()


def swapped(row: dict[str, str], **changes: str) -> dict[str, str]:
    return {
        **{n[:-1] + {"1": "2", "2": "1"}[n[-1]] if n[-1] in "12" else n: v for n, v in row.items()},
        **changes,
    }


def chat(roles: tuple[str, str, str], key: str, answer: str = "interaction") -> bytes:
    texts = ("You are an expert.", ASKED, answer)
    turns = [{"role": role, "content": text} for role, text in zip(roles, texts, strict=True)]
    return json.dumps({key: turns}).encode() + b"\n"


def test_a_table_and_its_mirror_image_are_one_batch(tmp_path: Path) -> None:
    found = read(csv(ROW))
    assert found.format == "pairs" and found.cases == (pair_case(*PAIR),)
    assert found.annotations[0].value == {"interaction": True}
    assert read(csv(swapped(ROW))).digest == found.digest
    pd.DataFrame([ROW | {"genes1": ["CYP3A4", "ABCB1"], "target": 1}]).to_parquet(tmp_path / "pairs.parquet")
    assert read(tmp_path / "pairs.parquet").digest == found.digest


@pytest.mark.parametrize(
    ("roles", "key"),
    [(("system", "human", "gpt"), "conversations"), (("system", "user", "assistant"), "messages")],
)
def test_chats_of_the_study(roles, key) -> None:
    found = read(chat(roles, key) + chat(roles, key))
    assert found.cases == (pair_case(*PAIR),) and found.dropped == {"pair that stands there already": 1}
    assert found.annotations[0].annotator == pair_files.STUDY
    assert read(chat(roles, key, "no interaction")).annotations[0].value == {"interaction": False}
    with pytest.raises(BatchError, match="neither interaction nor no interaction"):
        read(chat(roles, key, "perhaps"))


def test_every_fault_is_named_with_its_line() -> None:
    rows = [
        ROW, swapped(ROW, target="0"), ROW | {"target": "maybe"}, ROW | {"annotator": ""},
        ROW | {"drug_name2": "ZELAFIB"}, ROW | {"smiles1": "CCC"},
    ]  # fmt: skip
    with pytest.raises(BatchError) as caught:
        read(csv(*rows))
    said = {fault.where: fault.what for fault in caught.value.faults}
    assert list(sorted(said)) == [f"line {n}" for n in range(3, 8)]
    assert "opposite" in said["line 3"] and "otherwise" in said["line 7"]


def test_a_pair_may_stand_there_unjudged() -> None:
    assert read(csv(ROW | {"target": "", "annotator": ""})).annotations == ()


def test_what_is_written_is_read(tmp_path: Path) -> None:
    cases, said = generate_pairs(n=60, seed=1, drugs=20, annotators=("a", "b"))
    pair_files.write(cases, said, tmp_path / "pairs.csv")
    assert read(tmp_path / "pairs.csv").digest == make_batch("", "", cases, said).digest


def test_reference_sets_by_their_names(tmp_path: Path) -> None:
    row = ("DB00001", "DB00002", "CCO", float("nan"), "Humans", "", 1, 0, 1, 0, 1, 0, 0, 1, 1)
    (tmp_path / "ds_kegg-ddis.pickle").write_bytes(
        pickle.dumps([row, (*row[:-1][:1], "DB00003", *row[2:-1], 0)])
    )
    (tmp_path / "ours.csv").write_bytes(csv(ROW))
    found = read_sets(tmp_path)
    assert list(found) == ["KEGG", "ours"]
    first = found["KEGG"].cases[0].narrative
    assert "Genes: gene 1; gene 3" in first and "Genes: gene 3" in first and "SMILES: CCO" in first
    assert sorted(a.value["interaction"] for a in found["KEGG"].annotations) == [False, True]
    assert set_name(Path("ds_ddicorpus2013-ddis-inchi-and.pickle")) == "DDI Corpus 2013"
    with pytest.raises(NotFound, match="holds no set"):
        read_sets(tmp_path / "nowhere")


class Evil:
    def __reduce__(self):
        return (print, ("this would have run",))


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (pickle.dumps([Evil()]), "only plain values"),
        (pickle.dumps([("DB1", "DB2", 1)]), "is no row of ids"),
        (pickle.dumps({"a": 1}), "expected a list"),
        (b"\x80\x04]", "cannot be read"),
        (b"nothing of the kind", "cannot be read"),
    ],
)
def test_a_pickle_that_is_no_set_is_refused(tmp_path: Path, capsys, data: bytes, why: str) -> None:
    (tmp_path / "ds_hiv-ddis.pickle").write_bytes(data)
    with pytest.raises(BatchError, match=why):
        read_sets(tmp_path)
    assert capsys.readouterr().out == ""


def test_an_inbox_never_unpickles() -> None:
    with pytest.raises(BatchError, match="no known format"):
        read(pickle.dumps([("DB1",)]))


def test_cells_of_several_lines() -> None:
    rows = "drug_name1,genes1,org1,smiles1,drug_name2\n"
    split = read((rows + 'abacol,"CYP3A4\nCYP2D6","Humans\r\nMice","CC\nO",zelafib\n').encode())
    assert split.digest == read((rows + "abacol,CYP3A4; CYP2D6,Humans; Mice,CCO,zelafib\n").encode()).digest
    pair = drugs_of(split.cases[0].narrative)
    assert pair and pair[0] == Described("abacol", "CCO", ("Humans", "Mice"), ("CYP3A4", "CYP2D6"))


@pytest.mark.parametrize("delimiter", [";", "\t"])
def test_a_table_as_a_spreadsheet_of_another_country_saves_it(delimiter: str) -> None:
    cells = [["drug_name1", "genes1", "drug_name2"], ["abacol", '"CYP3A4; CYP2D6"', "zelafib"]]
    files = ["\n".join(d.join(row) for row in cells).encode() for d in (",", delimiter)]
    assert len({read(file).digest for file in files}) == 1
