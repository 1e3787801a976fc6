"""A pair of drugs as a case: its narrative describes both, in an order that does not depend on who came first.

    >>> a = Described("Zelafib", genes=("CYP3A4",))
    >>> b = Described("abacol", smiles="CCO", organisms=("Humans",))
    >>> print(pair_text(a, b))
    Drug 1: abacol
    Organisms: Humans
    SMILES: CCO
    <BLANKLINE>
    Drug 2: Zelafib
    Genes: CYP3A4
    >>> drugs_of(pair_text(a, b)) == (b, a)
    True

What is known of a drug: its name, its structure as SMILES, and the organisms and genes that it targets
(the columns of arXiv 2502.06890).
"""

from __future__ import annotations

from dataclasses import dataclass

from pvcore.records import Annotation, Case, Drug, digest

DDI = "ddi"
"""The problem whose cases these are."""
SOURCE = "drug pair"
FIRST, SECOND = "Drug 1: ", "Drug 2: "
_LISTS = {"Organisms: ": "organisms", "Genes: ": "genes"}
_SMILES = "SMILES: "


@dataclass(frozen=True, slots=True)
class Described:
    """A drug with what is known of it; what is not known is empty."""

    name: str
    smiles: str = ""
    organisms: tuple[str, ...] = ()
    genes: tuple[str, ...] = ()


def drug_key(name: str) -> str:
    """How names of drugs are compared: case and spaces aside."""
    return " ".join(name.casefold().split())


def ordered(a: Described, b: Described) -> tuple[Described, Described]:
    """The two in the order of their names."""
    return (a, b) if drug_key(a.name) <= drug_key(b.name) else (b, a)


def pair_text(a: Described, b: Described) -> str:
    """The two as text, in the order of their names: swapped drugs are the same text."""
    first, second = ordered(a, b)
    return f"{FIRST}{_lines(first)}\n\n{SECOND}{_lines(second)}"


def _lines(drug: Described) -> str:
    # The structure last: it is by far the longest, and a model's window may end before it does.
    lists = [
        f"{head}{'; '.join(getattr(drug, name))}" for head, name in _LISTS.items() if getattr(drug, name)
    ]
    return "\n".join([" ".join(drug.name.split()), *lists, *([_SMILES + drug.smiles] if drug.smiles else [])])


def drugs_of(text: str) -> tuple[Described, Described] | None:
    """The two drugs that a text describes, in the order of their names; None for any other text."""
    if not text.startswith(FIRST):
        return None
    first, found, second = text.removeprefix(FIRST).partition(f"\n\n{SECOND}")
    drugs = [_described(part) for part in (first, second)] if found else []
    return ordered(*drugs) if len(drugs) == 2 and all(drugs) else None  # type: ignore[arg-type]


def _described(text: str) -> Described | None:
    name, *lines = text.strip().split("\n")
    fields: dict[str, str | tuple[str, ...]] = {}
    for line in lines:
        head = next((h for h in (*_LISTS, _SMILES) if line.startswith(h)), None)
        if head is None:
            return None
        said = line.removeprefix(head).strip()
        fields[_LISTS.get(head, "smiles")] = said if head == _SMILES else tuple(said.split("; "))
    return Described(name.strip(), **fields) if name.strip() else None  # type: ignore[arg-type]


def pair_key(pair: tuple[Described, Described]) -> str:
    """What names a pair: 16 hex digits of the digest of both names, whichever comes first."""
    return digest(sorted(drug_key(drug.name) for drug in pair))[:16]


def pair_case(a: Described, b: Described) -> Case:
    """The case of a pair: its id, narrative and drugs are the same for swapped drugs."""
    pair = ordered(a, b)
    drugs = tuple(Drug(drug.name, "interacting") for drug in pair)
    return Case(f"pair-{pair_key(pair)}", pair_text(*pair), SOURCE, drugs=drugs)


def pair_annotation(
    a: Described, b: Described, interaction: bool, annotator: str, *, time: str | None = None
) -> Annotation:
    """What `annotator` says of a pair; the target names both drugs, the same way for swapped ones."""
    target = " + ".join(drug.name for drug in ordered(a, b))
    case = pair_case(a, b)
    return Annotation(case.case_id, DDI, {"interaction": interaction}, annotator, target, time)
