"""How far two coders agree at each level of the dictionary: other LLTs are often still one PT."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from pvcore.annotations.agreement import Thing, by_pair
from pvcore.annotations.coefficients import cohen, observed
from pvcore.meddra.release import Dictionary
from pvcore.records import Annotation

LEVELS = ("LLT", "PT", "HLT", "SOC")


@dataclass(frozen=True, slots=True)
class LevelAgreement:
    """Two coders at one level, through the primary path, over the verbatims that both coded in one version."""

    annotators: tuple[str, str]
    level: str
    verbatims: int
    observed: float | None
    kappa: float | None


def level_agreement(
    things: Mapping[Thing, Mapping[str, Annotation]], dictionary: Dictionary
) -> list[LevelAgreement]:
    """One row a pair of coders and level. `things` are the judgements of the problem `coding`.

    What is coded in another version than the dictionary's, or to a code that it does not have, is left out.
    """
    coded = {
        thing: {name: path for name, a in said.items() if (path := _path(a, dictionary))}
        for thing, said in things.items()
        if thing[3] == dictionary.version
    }
    rows = []
    for pair in by_pair(things):
        both = [paths for paths in coded.values() if set(pair) <= set(paths)]
        for level in LEVELS if both else ():
            answers = [{name: paths[name][level] for name in pair} for paths in both]
            kappa = cohen([a[pair[0]] for a in answers], [a[pair[1]] for a in answers])
            rows.append(LevelAgreement(pair, level, len(both), observed(answers), kappa))
    return rows


def _path(a: Annotation, dictionary: Dictionary) -> dict[str, str] | None:
    code = a.value.get("llt_code")
    if not isinstance(code, str) or code not in dictionary:
        return None
    path = dictionary.primary_path(dictionary.pt_of(code))
    return {"LLT": code, "PT": path["pt_code"], "HLT": path["hlt_code"], "SOC": path["soc_code"]}
