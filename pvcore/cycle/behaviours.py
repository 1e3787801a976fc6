"""Behaviour tests put to a model: those that come with pv, those of the workspace, and what came back."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from functools import partial
from importlib import resources
from typing import Any

from pvcore.config import Workspace
from pvcore.cycle import candidate, data, scoring
from pvcore.errors import Fault, InputError, NotFound, PvError
from pvcore.evaluation.behaviour import Behaviour, Conduct, Reply, conduct
from pvcore.problems import PROBLEMS, Problem
from pvcore.problems.behaviour import questions, read, view
from pvcore.records import Example, Prediction, Question, canonical, digest

FOLDER = "behaviour"
"""Of a workspace: one YAML a problem, whose tests count with those that come with pv."""
Ask = Callable[[Sequence[Example | Question]], list[Prediction]]
"""Questions -> a model's answers, in their order."""


def files(workspace: Workspace, problem: str) -> dict[str, bytes]:
    """The files with tests of a problem, by name. Raises InputError for a file of no problem in the workspace."""
    folder = workspace.root / FOLDER
    stray = sorted(f.name for f in folder.glob("*") if f.suffix != ".yaml" or f.stem not in PROBLEMS)
    if stray:
        known = f"expected {', '.join(f'{name}.yaml' for name in PROBLEMS)}"
        raise InputError(str(folder), [Fault(name, "is of no problem", known) for name in stray])
    shipped = resources.files("pvcore.recipes") / FOLDER / f"{problem}.yaml"
    own = folder / f"{problem}.yaml"
    found = {f"{problem}.yaml of pv": shipped.read_bytes()} if shipped.is_file() else {}
    return found | ({str(own): own.read_bytes()} if own.is_file() else {})


def digest_of(workspace: Workspace, problem: str) -> str:
    """What names a problem's tests: the digest of their files."""
    return digest([digest(text) for text in files(workspace, problem).values()])


def suite(workspace: Workspace, problem: str, terms: Any) -> list[Behaviour]:
    """All tests of a problem; those over the dictionary's terms where there are `terms`. Raises InputError."""
    return [
        test
        for name, text in files(workspace, problem).items()
        for test in read(text, name, PROBLEMS[problem], terms)
    ]


def put(
    problem: Problem, asked: Sequence[Behaviour], examples: Sequence[Example], ask: Ask
) -> tuple[list[Prediction], list[list[Reply]]]:
    """A model's answers to examples, and what it says to each text of each test: one asking for both.

    An answer depends on its own text only, so it is the same in any company. An answer that crashes is one that
    its test fails by; the examples are asked without it then.
    """
    posed = questions(problem, asked)
    put = [question for row in posed for question in row if question]
    found = _answered([*examples, *put], ask) if put else {}
    if not put or any(found[example.example_id].crash for example in examples):
        given = ask(examples)  # which says itself what is wrong
    else:
        given = [found[e.example_id].prediction for e in examples]  # type: ignore[misc]
    return given, [[found[q.example_id] if q else Reply() for q in row] for row in posed]


def _answered(asked: Sequence[Example | Question], ask: Ask) -> dict[str, Reply]:
    """Answers by id. Where some crash the others are asked again without them, half by half.

    What a user can mend (PvError) and a machine that gives out are no crash of a text.
    """
    try:
        return {prediction.example_id: Reply(prediction) for prediction in ask(asked)}
    except (PvError, OSError, MemoryError):
        raise
    except Exception as error:
        if len(asked) == 1:
            return {asked[0].example_id: Reply(crash=f"{type(error).__name__}: {str(error)[:200]}")}
        half = len(asked) // 2
        return _answered(asked[:half], ask) | _answered(asked[half:], ask)


def judged(
    problem: Problem,
    asked: Sequence[Behaviour],
    candidate: Sequence[Sequence[Reply]],
    champion: Sequence[Sequence[Reply]] | None,
    tests: str,
) -> Conduct | None:
    """How a candidate behaves beside the champion; None where the problem has no tests."""
    return conduct(asked, candidate, champion, partial(view, problem), tests) if asked else None


def kept(
    workspace: Workspace,
    problem: str,
    candidate: Sequence[Sequence[Reply]],
    champion: Sequence[Sequence[Reply]] | None,
) -> bytes:
    """The tests as they are now with what was replied to them: all that `judged` is made of."""
    texts = [text.decode() for text in files(workspace, problem).values()]
    return canonical({"texts": texts, "candidate": _rows(candidate), "champion": _rows(champion)})


def _rows(replied: Sequence[Sequence[Reply]] | None) -> Any:
    return replied and [
        [{"answer": r.prediction and asdict(r.prediction), "crash": r.crash} for r in row] for row in replied
    ]


def again(
    problem: Problem, stored: Mapping[str, Any], terms: Any, answer: Callable[[Any], Prediction]
) -> Conduct | None:
    """What `judged` made of tests and replies that were `kept`; `answer` reads a prediction's JSON."""

    def replies(rows: Any) -> list[list[Reply]]:
        return [[Reply(r["answer"] and answer(r["answer"]), r["crash"]) for r in row] for row in rows]

    tests = [t for text in stored["texts"] for t in read(text, "the tests that were kept", problem, terms)]
    named = digest([digest(text.encode()) for text in stored["texts"]])
    champion = None if stored["champion"] is None else replies(stored["champion"])
    return judged(problem, tests, replies(stored["candidate"]), champion, named)


def listed(workspace: Workspace, problem: str, terms: Any = None) -> list[dict[str, Any]]:
    """The tests of a problem as rows: test, kind, form, texts, answer. Raises InputError with every fault."""
    return [
        {"test": t.name, "kind": t.kind, "form": t.form, "texts": list(t.texts), "answer": t.answer}
        for t in suite(workspace, problem, terms)
    ]


def of_version(workspace: Workspace, name: str) -> Conduct:
    """A registered version put to the tests as they are now, in the dictionary that it was trained with.

    Raises NotFound for a version that is not there, or a problem without tests; InputError; SignatureRefused.
    """
    version = scoring.trusted(workspace, name)
    problem = PROBLEMS[version.problem]
    asked = candidate.load_specification(workspace, version.manifest.specification)
    terms = data.terms(workspace, asked)
    policy = workspace.policy(workspace.recipe(version.problem).policy).guardrails
    tests = suite(workspace, version.problem, terms)
    if not tests:
        own = workspace.root / FOLDER / f"{version.problem}.yaml"
        raise NotFound(f"there are no behaviour tests of {version.problem}. Write some: {own}")

    def ask(questions: Sequence[Example | Question]) -> list[Prediction]:
        files, base = version.manifest.adapter["files"], asked.settings["base"]
        return candidate.predict(workspace, files, base, questions, terms, policy)

    _, replied = put(problem, tests, [], ask)
    return conduct(tests, replied, None, partial(view, problem), digest_of(workspace, version.problem))
