"""`pv meddra show` and `languages`: look up a term, and join a release with its translations."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from pvcore.cli.output import console, emit, emit_json
from pvcore.cli.platform import Json, Where

if TYPE_CHECKING:
    from pvcore.meddra.release import Dictionary

At = Annotated[
    list[Path] | None,
    typer.Argument(help="releases, also in other languages; default: those admitted", exists=True),
]


def add_to(app: typer.Typer) -> None:
    """Register this file's commands."""
    app.command()(show)
    app.command()(languages)


def show(
    term: Annotated[str, typer.Argument(help="code or name of an LLT or PT")],
    releases: At = None,
    version: Annotated[
        str, typer.Option(help="the release to show it in; default: the adopted or newest one")
    ] = "",
    workspace: Where = None,
    as_json: Json = False,
) -> None:
    """Look up a term: its paths, synonyms, names in other languages, and history over releases."""
    from pvcore.errors import NotFound
    from pvcore.meddra.lookup import codes, history, place

    at_hand, others, chosen = _releases(releases, workspace, version)
    found = codes(term, [*others, *at_hand])
    if not found:
        versions = ", ".join(f"{d.version} {d.language}" for d in (*at_hand, *others))
        raise NotFound(f"no LLT or PT {term!r} in MedDRA {versions}. A name must be written out in full.")
    shown = next(d for d in at_hand if d.version == chosen)
    terms = [
        {
            "term": place(code, shown).to_value() if code in shown else None,
            "names": _names(code, shown, others),
            "history": [dataclasses.asdict(step) for step in history(code, at_hand)],
        }
        for code in found
    ]
    if as_json:
        emit_json(terms)
        return
    for code, value in zip(found, terms, strict=True):
        _print(code, chosen, value)


def languages(
    english: Annotated[Path, typer.Argument(help="the English release", exists=True)],
    others: Annotated[list[Path], typer.Argument(help="the same version in other languages", exists=True)],
    as_json: Json = False,
) -> None:
    """Join translations to the English release by code, LLT to SOC and SMQ; every code that differs is listed."""
    from pvcore.cli.data import read_release
    from pvcore.meddra.languages import join

    joined = join(read_release(english), [read_release(path) for path in others])
    rows = [
        {
            "level": level,
            "terms": len(names),
            **{name: int(names[name].nunique()) for name in joined.languages},
        }
        for level, names in joined.names.groupby(level="level", sort=False)
    ]
    emit(
        rows, as_json=as_json, title=f"MedDRA {joined.english.version}: terms, and distinct names by language"
    )


def _releases(
    paths: list[Path] | None, workspace: Path | None, version: str
) -> tuple[list[Dictionary], list[Dictionary], str]:
    """Releases oldest first, those in other languages, and the version to show. Raises NotFound."""
    from pvcore.cli.data import read_release
    from pvcore.config import open_workspace
    from pvcore.cycle.dictionaries import known_releases, load_dictionary, version_order
    from pvcore.cycle.releases import adopted_version
    from pvcore.errors import NotFound

    if paths:
        given = [read_release(path) for path in paths]
        english = [d for d in given if d.language.casefold() == "english"]
        # without an English release, those of the first one's language are what is looked into
        main = english or [d for d in given if d.language == given[0].language]
        main.sort(key=lambda d: version_order(d.version))
        others = [d for d in given if d not in main]
        chosen = version or main[-1].version
    else:
        opened = open_workspace(workspace)
        known = sorted(known_releases(opened), key=version_order)
        if not known:
            raise NotFound("no MedDRA release was admitted yet; put one into the inbox: pv ingest FILE")
        main, others = [load_dictionary(opened, v) for v in known], []
        chosen = version or adopted_version(opened) or known[-1]
    versions = [d.version for d in main]
    if chosen not in versions:
        raise NotFound(f"MedDRA {chosen} is not at hand. At hand: {', '.join(versions)}")
    return main, others, chosen


def _names(code: str, shown: Dictionary, others: list[Dictionary]) -> dict[str, str]:
    """Language -> name of the LLT, of the releases of the version that is shown."""
    from pvcore.meddra.languages import join

    same = [d for d in others if d.version == shown.version]
    if not same or code not in shown:
        return {}
    return dict(join(shown, same).name("LLT", code))


def _print(code: str, version: str, value: Mapping[str, Any]) -> None:
    term = value["term"]
    if term is None:
        console.print(f"{code} is not in MedDRA {version}", markup=False)
    else:
        current = "" if term["current"] else ", not current"
        console.print(
            f"{term['name']} ({term['level']} {code}{current}) of PT {term['pt_name']} ({term['pt_code']})",
            markup=False, style="bold",
        )  # fmt: skip
        paths = [{**path, "primary": "yes" if path["primary"] else ""} for path in term["paths"]]
        emit(paths, as_json=False, title=f"Paths in MedDRA {version}")
        synonyms = [{**s, "current": "yes" if s["current"] else "no"} for s in term["synonyms"]]
        emit(synonyms, as_json=False, title=f"LLTs of {term['pt_name']}")
    if value["names"]:
        emit([dict(value["names"])], as_json=False, title="Names")
    columns = ("version", "name", "level", "current", "pt_name", "soc_name", "changes")
    steps = [{**step, "current": "yes" if step["current"] else "no"} for step in value["history"]]
    emit(steps, as_json=False, title="History", columns=columns)
