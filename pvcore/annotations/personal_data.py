"""Likely direct identifiers in free texts: names with titles, dates of birth, phones, e-mails, numbers, addresses.

A search by written rules, not a proof of absence: it finds what is written as people usually write it,
and says nothing of a name without a title. What counts as a direct identifier: the list of 45 CFR
164.514(b)(2)(i) (HIPAA Safe Harbor). Neither a flag nor anything made of it holds the identifier itself.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, get_args

from pydantic import BaseModel, ConfigDict, Field

from pvcore.records import Annotation, Case

Action = Literal["quarantine", "warn", "ignore"]
"""The strictest first."""
Kind = Literal["email", "phone", "record_number", "date_of_birth", "titled_name", "address"]
KINDS: tuple[Kind, ...] = get_args(Kind)
DRUG = "drug"


class PersonalDataPolicy(BaseModel):
    """Section `personal_data` of the policy: what is done with a batch for each kind that its texts hold,
    and how much of a text leaves the dataset."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    email: Action = Field(default="quarantine", description="an e-mail address")
    phone: Action = Field(default="quarantine", description="a phone or fax number")
    record_number: Action = Field(
        default="quarantine", description="social-security, passport, insurance or medical record number"
    )
    date_of_birth: Action = Field(default="warn", description="a day, said to be that of the birth")
    titled_name: Action = Field(default="quarantine", description="Mr, Mrs, Dr ... with a name")
    address: Action = Field(default="quarantine", description="a street and number with a postcode")
    excerpts: int = Field(
        default=0,
        ge=0,
        description="characters of a text that a dossier shows of a wrong answer, what looks like an identifier "
        "blotted out; 0: none",
    )

    def action(self, kind: Kind) -> Action:
        """What is done with a batch that holds this kind."""
        found: Action = getattr(self, kind)
        return found


def strictest(policies: Sequence[PersonalDataPolicy]) -> PersonalDataPolicy:
    """For each kind the strictest action of one policy or more, and the shortest excerpts."""
    actions = get_args(Action)
    chosen = {kind: min((p.action(kind) for p in policies), key=actions.index) for kind in KINDS}
    return PersonalDataPolicy.model_validate({**chosen, "excerpts": min(p.excerpts for p in policies)})


@dataclass(frozen=True, slots=True)
class Flag:
    """One likely identifier: characters `start` to `end` of a field of a case, which is named as `texts` does.

    `excerpt` shows its cue and its shape, never itself: letters are x, digits are 9, each run as one.
    """

    case_id: str
    field: str
    kind: Kind
    start: int
    end: int
    excerpt: str


_MONTH = r"(?:jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec)[a-z]*"
_DAY = (
    rf"(?:\d{{1,2}}[-/. ]\d{{1,2}}[-/. ](?:\d{{4}}|\d{{2}})\b|\d{{4}}-\d{{2}}-\d{{2}}\b|"
    rf"\d{{1,2}}[- ]?{_MONTH}[- ,.]{{0,2}}(?:\d{{4}}|\d{{2}})\b|"
    rf"{_MONTH}[ .]{{0,2}}\d{{1,2}}(?:st|nd|rd|th)?,? ?\d{{4}}\b)"
)
_TOLL_FREE = r"(?!(?:\+?1[-. ])?\(?8(?:00|33|44|55|66|77|88)\b)"
"""A company's line, as in every US label, is no person's."""
_NOT_A_NAME = (
    # the reporter's role and other people
    "Office|Clinic|Hospital|Nurse|Physician|Doctor|Pharmacist|Consumer|Reporter|Patient|Pt|Client|Name|Unknown|"
    r"Mother|Father|Mom|Dad|Parents?|Grand\w+|Child|Infant|Ambulance|Dermatology|She|He|They|Her|His|It|Who|There|All|"
    # what a doctor does, or what a sentence after "seen by Dr." begins with
    r"\w{3,}ed|\w{3,}ing|Has|Had|Is|Was|Were|And|Or|The|That|This|To|For|At|On|In|Of|By|Not|No|Yes|If|As|With|From|Re|"
    "Said|Says|States?|Feels?|Felt|Thinks?|Thought|Believes?|Reports?|Told|Saw|Seen|Gave|Given|Took|Taken|Take|Put|"
    "Sent|Spoke|Continues|Will|Would|Did|Does|Cannot|Unable|Dx|Rx|Visits?|Appt|Appointment|Notes?|Orders?|Exam|"
    "Diagnosis|Treatment|Follow|Followup|Additional|Objective|Digital|Symptoms?|After|Before|When|Then|But|About|Also|"
    "Again|Approx|Per|Due|Next|Same|Temp|Fever|Rash|Cold|Labs?|Vax|Vaccine|Vaccination|Immunization|Dose|SIDS|Benadryl|"
    "Tylenol|One|Two|Three|Four|Five|Six|"
    r"Today|Yesterday|Tomorrow|Mon|Tues?|Wed|Thur?s?|Fri|Sat|Sun|\w+day|Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sept?|Oct|Nov|Dec|"
    "January|February|March|April|June|July|August|September|October|November|December"
)
"""Words that follow a title, or a sentence that ends on "Dr.", in reports; collected on VAERS 1990 to 2003."""


def _rule(pattern: str, flags: int = re.IGNORECASE) -> re.Pattern[str]:
    return re.compile(pattern, flags)


RULES: tuple[tuple[Kind, re.Pattern[str]], ...] = (
    ("email", _rule(r"(?P<id>[\w.+-]{1,64}@[\w-]{1,63}(?:\.[\w-]{2,63}){1,4})")),
    ("record_number", _rule(
        r"(?P<cue>\b(?:mrn|ssn|social security|medical record|hospital record|chart|passport|nhs|medicare|medicaid|"
        r"insurance|policy|patient id|hospital id|driver'?s licen[cs]e)\b\W{0,3}"
        r"(?:(?:no|nr|num|number|id|is|was)\b\W{0,3}){0,3})(?P<id>[a-z]{0,3}\d(?:[ -]?\d){4,14})(?![\w/-])")),
    ("phone", _rule(
        rf"(?<![\w/-])(?P<id>{_TOLL_FREE}(?:\+?1[-. ])?(?:\(\d{{3}}\) ?|\d{{3}}[-. ])\d{{3}}[-. ]\d{{4}})(?![\w/-])")),
    ("phone", _rule(r"(?<![\w+])(?P<id>\+\d{1,3}(?:[ .-]?\(?\d{2,5}\)?){2,5})(?![\w/-])")),
    ("phone", _rule(
        r"(?P<cue>\b(?:tel|telephone|phone|fax|mobile|cell|call(?:back)?|reached)\b\W{0,3}(?:(?:no|number|is|at)\b\W{0,3}){0,2})"
        rf"(?P<id>{_TOLL_FREE}(?:\+?1[-. ])?\(?\d(?:[ ().-]{{0,2}}\d){{6,14}})(?![\w/-])")),
    ("record_number", _rule(r"(?<![\w/-])(?P<id>\d{3}-\d{2}-\d{4})(?![\w/-])")),
    ("date_of_birth", _rule(
        r"(?P<cue>\b(?:dob|d\.o\.b\.?|date of birth|birth ?date|birthday|born)\b\W{0,3}(?:(?:on|is|was)\b\W{0,3})?)"
        rf"(?P<id>{_DAY})")),
    # case matters here: "MR vax" is measles and rubella, "ms" multiple sclerosis, "saw dr today" nobody's name
    ("titled_name", _rule(
        rf"(?P<cue>\b(?:Mr|Mrs|Ms|Miss|Dr|Prof|Doctor|Professor|MRS|DR)\b\.? ?)"
        rf"(?P<id>(?!(?i:{_NOT_A_NAME})\b)[A-Z](?:\. ?[A-Z])?['a-zA-Z-]{{2,20}}(?: [A-Z][a-z'-]{{2,20}})?)(?!\w)", 0)),
    ("titled_name", _rule(
        rf"(?P<cue>\b(?:mr\.|mrs\b\.?) ?)(?P<id>(?!(?i:{_NOT_A_NAME})\b)[a-z][a-z'-]{{2,20}})(?!\w)", 0)),
    ("address", _rule(
        r"(?P<id>\b\d{1,5} (?:[a-z.]{1,20} ){1,4}(?:street|st|avenue|ave|road|rd|lane|ln|drive|dr|boulevard|blvd|court|"
        r"ct|way|place|pl)\b\.?[^\n;]{0,40}?(?:\b[a-z]{2},? \d{5}(?:-\d{4})?|\b[a-z]{1,2}\d[a-z\d]? ?\d[a-z]{2}\b))")),
)  # fmt: skip


def find(text: str) -> list[tuple[Kind, int, int, str]]:
    """(kind, start, end, cue) of every likely identifier, in order; of two that overlap the first one stays."""
    found = [
        (match.start("id"), place, match.end("id"), kind, match.groupdict().get("cue") or "")
        for place, (kind, rule) in enumerate(RULES)
        for match in rule.finditer(text)
    ]
    kept: list[tuple[Kind, int, int, str]] = []
    for start, _, end, kind, cue in sorted(found):
        if not kept or start >= kept[-1][2]:
            kept.append((kind, start, end, cue))
    return kept


def texts(case: Case, annotations: Iterable[Annotation] = ()) -> dict[str, str]:
    """Field -> text of all that people wrote freely of a case: its narrative, its reactions and drugs as reported,
    its source, and what `annotations` of it say, unless the case says the same.

    Names that a program made or that have a form of their own are none: codes, dates, the annotator.
    """
    found = {"narrative": case.narrative, "source": case.source}
    found |= {f"reaction {number}": r.verbatim for number, r in enumerate(case.reactions, 1)}
    found |= {f"{DRUG} {number}": drug.name for number, drug in enumerate(case.drugs, 1)}
    said = set(found.values())
    for number, a in enumerate(annotations, 1):
        at = f"annotation {number} ({a.problem})"
        more = {f"{at}, target": a.target} | {
            f"{at}, {path}": text for path, text in _strings(a.value, "value")
        }
        found |= {name: text for name, text in more.items() if text not in said}
        said |= set(more.values())
    return {name: text for name, text in found.items() if text}


def _strings(value: Any, path: str) -> Iterator[tuple[str, str]]:
    if isinstance(value, str):
        yield path, value
    elif isinstance(value, Mapping):
        for name, inner in value.items():
            yield from _strings(inner, f"{path}.{name}")
    elif isinstance(value, list | tuple):
        for number, inner in enumerate(value):
            yield from _strings(inner, f"{path}[{number}]")


def flags(case: Case, annotations: Iterable[Annotation] = ()) -> Iterator[Flag]:
    """The likely identifiers of a case and its annotations, in the order of `texts`.

    Of a drug no name with a title: there "DR" is delayed release, and Dr. Scholl's is a maker.
    """
    for field, text in texts(case, annotations).items():
        for kind, start, end, cue in find(text):
            if kind != "titled_name" or not field.startswith(DRUG):
                yield Flag(
                    case.case_id, field, kind, start, end, f"{cue.strip()} {shape(text[start:end])}".strip()
                )


def shape(text: str) -> str:
    """What a text looks like without what it says: "Jane Roe, 555-0100" is "x x, 9-9"."""
    return re.sub(r"[^\W\d_]+", "x", re.sub(r"\d+", "9", text))
