"""Which problems the demonstration shows, and the files of all of them together."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from pvcore import yaml_text
from pvcore.cli.demo_data import Drop, Invented, Say, Source, keep_recipes
from pvcore.cli.demo_sources import Marked, Pairs, Triage
from pvcore.config import read_recipe
from pvcore.errors import ConfigError

SOURCES: Mapping[str, Callable[[Path], Source]] = {
    "seriousness": Invented,
    "coding": Invented,
    "pts": Invented,
    "extraction": Marked,
    "triage": Triage,
    "ddi": Pairs,
}
"""Problem -> what its demonstration drops into the inbox."""
DEFAULT = ("seriousness", "coding")


def chosen_problems(named: Sequence[str]) -> tuple[str, ...]:
    """The problems named, each once and some perhaps with commas between; DEFAULT for none. Raises ConfigError."""
    names = [part.strip() for text in named for part in text.split(",") if part.strip()]
    unknown = sorted(set(names) - set(SOURCES))
    if unknown:
        raise ConfigError(f"no demonstration of {', '.join(unknown)}: there are {', '.join(SOURCES)}")
    return tuple(dict.fromkeys(names)) or DEFAULT


def chosen_recipes(files: Sequence[Path], problems: Sequence[str]) -> dict[str, str]:
    """Problem -> the text of its recipe. Raises ConfigError for a file that is no recipe of one of `problems`.

    The workspace is made anew, so a base's relative folder is one below the current folder.
    """
    found: dict[str, str] = {}
    for file in files:
        recipe = read_recipe(file)
        problem, source = recipe.problem, recipe.base.source
        if problem not in problems:
            raise ConfigError(
                f"{file} is for {problem}; shown is {', '.join(problems)}. Add --problem {problem}."
            )
        if problem in found:
            raise ConfigError(f"{file} is a second recipe for {problem}: name one.")
        found[problem] = file.read_text("utf-8")
        if ":" not in source:
            folder = Path(source).expanduser().resolve()
            if not folder.is_dir():
                raise ConfigError(f"{file}: base.source {source} is no folder ({folder}).")
            found[problem] = yaml_text.replace(found[problem], ("base", "source"), json.dumps(str(folder)))
    return found


def invented(workspace: Path, problems: Sequence[str]) -> Source:
    """The files of `problems` in a new workspace, which keeps the recipes of these alone."""
    keep_recipes(workspace, problems)
    return Several(problems, [make(workspace) for make in dict.fromkeys(SOURCES[name] for name in problems)])


class Several:
    """The files of several sources at once."""

    def __init__(self, problems: Sequence[str], parts: Sequence[Source]) -> None:
        self.problems, self.parts = tuple(problems), parts
        self.describe = "; ".join(part.describe for part in parts)
        self.arrivals = "; ".join(part.arrivals for part in parts)
        self.update = "\n  ".join(part.update for part in parts)

    def first(self, say: Say) -> Drop:
        return _together([part.first(say) for part in self.parts])

    def second(self, say: Say) -> Drop:
        return _together([part.second(say) for part in self.parts])

    def to_score(self) -> Path:
        """For the first of the problems."""
        return self.parts[0].to_score()


def _together(drops: Sequence[Drop]) -> Drop:
    return Drop(
        [file for drop in drops for file in drop.files], [line for drop in drops for line in drop.lines]
    )
