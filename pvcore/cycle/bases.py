"""The base of a recipe: pinned, checked, and kept in the workspace's object store."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pvcore import yaml_text
from pvcore.annotations import batch
from pvcore.config import Recipe, Workspace, bases, read_recipe
from pvcore.errors import ConfigError, Fault
from pvcore.records import canonical
from pvcore.registry.blobs import get_blob, put_blob

if TYPE_CHECKING:
    from pvcore.training.loop import Progress
    from pvcore.training.pretraining import Pretrained, Pretraining

RECIPE_SUFFIXES = (".yaml", ".yml")
PRETRAINED = "Pretrained"


@dataclass(frozen=True)
class Pinned:
    """A recipe's text with the digest that its base has; `before` is what was written there."""

    file: Path
    text: str
    source: str
    before: str
    digest: str


def known() -> list[dict[str, Any]]:
    """The recipes that `pv init --base` can write, one row each."""
    rows = []
    for name, text in bases().items():
        recipe = Recipe.model_validate(yaml_text.load(text))
        rows.append({"name": name, "family": recipe.family, "source": recipe.base.source})
    return rows


def recipe_file(workspace: Workspace, recipe: str) -> Path:
    """The file of a recipe that is given as a problem of the workspace or as a YAML file."""
    return Path(recipe) if recipe.endswith(RECIPE_SUFFIXES) else workspace.recipe_file(recipe)


def pin(workspace: Workspace, recipe: str, *, change: bool = False) -> Pinned:
    """Fetch the base of a recipe and put its digest into the recipe's text, whose comments stay.

    Writes nothing. Raises ConfigError where another digest is pinned already and `change` does not
    say that the base is meant to change; TrainingError where the base cannot be fetched.
    """
    from pvcore.inference.base import UNPINNED, fetch_base

    file = recipe_file(workspace, recipe)
    base = read_recipe(file).base
    _, digest = fetch_base(source_of(workspace, base.source), **places(workspace))
    if base.digest not in (UNPINNED, digest) and not change:
        raise ConfigError(
            f"{file} pins {base.digest}, but {base.source} has {digest}. Other weights than those that were "
            "reviewed: find out why. If the base is meant to change: pv base pin --change"
        )
    text = yaml_text.replace(file.read_bytes().decode("utf-8"), ("base", "digest"), digest)
    return Pinned(file, text, base.source, base.digest, digest)


def check(workspace: Workspace, recipe: str) -> tuple[Mapping[str, Any], tuple[Fault, ...]]:
    """What the base of a recipe is, and every reason to refuse it. Raises TrainingError if it cannot be fetched."""
    from pvcore.inference.base import UNPINNED

    read = read_recipe(recipe_file(workspace, recipe))
    page, faults = looked_at(workspace, read)
    if page["digest"] and read.base.digest == UNPINNED:
        unpinned = Fault("base.digest", "unpinned", f"pv base pin {recipe} writes {page['digest']}")
        faults = (unpinned, *faults)
    return page, faults


def looked_at(workspace: Workspace, read: Recipe) -> tuple[Mapping[str, Any], tuple[Fault, ...]]:
    """As `check`, of a recipe as read; a base that is not pinned is no fault here."""
    from pvcore.inference.base import UNPINNED, fetch_base
    from pvcore.inference.check import check_base
    from pvcore.inference.heads import head_for
    from pvcore.problems import problem

    head = head_for(read.family, problem(read.problem)).name
    folder, digest, faults = _fetched(workspace, read.base.source, fetch_base)
    if digest and read.base.digest not in (UNPINNED, digest):
        faults += (Fault("base.digest", f"the weights have {digest}, the recipe pins {read.base.digest}"),)
    lora = read.lora
    found = check_base(
        folder,
        head=head,
        targets=lora.targets if lora else (),
        rank=lora.rank if lora else 0,
        max_tokens=read.text.max_tokens,
        bits=read.quantisation.bits,
        compute=read.quantisation.compute,
    )
    page = {
        "source": read.base.source,
        "digest": digest,
        "folder": str(folder),
        "architecture": found.architecture,
        "parameters": found.parameters,
        "trained by LoRA, %": round(100 * found.trained, 2),
        "positions": found.positions,
        "linear layers": list(found.layers),
        "memory of weights, GB": round(found.weights / 1e9, 2),
        "memory of adapter, GB": round(found.adapter / 1e9, 2),
        "notes": list(found.notes),
    }
    return page, (*faults, *found.faults)


def put(workspace: Workspace, folder: Path, prefix: str) -> str:
    """Keep a base in the workspace's object store; returns its digest. Raises as `put_base`."""
    from pvcore.inference.base import put_base

    return put_base(folder, workspace.store, prefix)


def pretrain(
    workspace: Workspace,
    recipe: str,
    files: Sequence[Path],
    output: Path,
    settings: Pretraining,
    progress: Progress | None = None,
) -> Pretrained:
    """Train a recipe's base further on the narratives of batch files; `output` becomes the new base.

    What annotations the files hold is not looked at. Raises TrainingError, BatchError, and ConfigError
    for a base that is no encoder or an output that is there.
    """
    from pvcore.inference.base import resolve_base
    from pvcore.training.pretraining import pretrain

    read = read_recipe(recipe_file(workspace, recipe))
    if read.family != "encoder":
        raise ConfigError(f"{recipe}: only an encoder is pretrained further, and its family is {read.family}")
    if output.exists():
        raise ConfigError(f"{output} is there already: choose another folder for the new base")
    base = resolve_base(source_of(workspace, read.base.source), read.base.digest, **places(workspace))
    narratives = _narratives(files)
    found = pretrain(
        narratives,
        settings,
        base=base,
        workdir=workspace.state / "pretraining",
        output=output,
        progress=progress,
        threads=workspace.settings.threads,
    )
    # The folder says the same of itself, but its file can be lost on the way; the weights' digest cannot.
    cases = put_blob(workspace.store, canonical(sorted(narratives)))
    body = {"base": found.digest, "origin": read.base.digest, "cases": cases}
    workspace.ledger.append(PRETRAINED, body, actor="pretrain", key=f"{found.digest} {cases}")
    return found


def _narratives(files: Sequence[Path]) -> dict[str, str]:
    """Case id -> narrative of all files, without the cases that one of them takes back."""
    narratives: dict[str, str] = {}
    nullified: set[str] = set()
    for file in files:
        read = batch.read(file)
        narratives |= {case.case_id: case.narrative for case in read.cases}
        nullified |= set(read.nullified)
    return {name: text for name, text in narratives.items() if name not in nullified}


def read_before(workspace: Workspace, folder: Path, base: str) -> list[str]:
    """Ids of the cases that the base in `folder`, with the digest `base`, read in further pretraining, sorted.

    What its folder says and what the ledger does, of it and of the bases that it was made from.
    """
    from pvcore.training.pretraining import RECORD

    found: set[str] = set()
    record = json.loads((folder / RECORD).read_bytes()) if (folder / RECORD).is_file() else None
    origins = {base}
    while record:
        found.update(record["cases"])
        origins.add(record["base"])
        record = record["before"]
    for entry in reversed(workspace.ledger.entries()):
        if entry.kind == PRETRAINED and entry.body["base"] in origins:
            found.update(json.loads(get_blob(workspace.store, entry.body["cases"])))
            origins.add(entry.body["origin"])
    return sorted(found)


def source_of(workspace: Workspace, source: str) -> str:
    """A base's source with a relative folder made the workspace's."""
    plain = ":" not in source and not Path(source).expanduser().is_absolute()
    return str(workspace.root / source) if plain else source


def places(workspace: Workspace) -> dict[str, Any]:
    """Where bases are kept and fetched from, as `pvcore.inference.base` asks for it."""
    return {"cache": workspace.state / "bases", "store": workspace.store}


def _fetched(workspace: Workspace, source: str, fetch: Any) -> tuple[Path, str, tuple[Fault, ...]]:
    """Folder and digest; no digest for a local folder without weights, of which more may be wrong."""
    from pvcore.errors import TrainingError

    where = source_of(workspace, source)
    try:
        folder, digest = fetch(where, **places(workspace))
        return folder, digest, ()
    except TrainingError:
        folder = Path(where).expanduser()
        if not folder.is_dir():
            raise
        return folder, "", ()  # check_base names the weights' fault
