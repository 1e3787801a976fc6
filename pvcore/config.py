"""A recipe and the settings of a workspace, composed from what each area declares of its own.

A workspace is a folder with `pv.yaml`, `recipes/`, `intended_use/`, `allowed_signers` and the ignored folder
`.pv/` that holds all state. Settings come from flags, then the environment (`PV_...`), then `pv.yaml`,
then the defaults below. Secrets come from the environment only: a secret in `pv.yaml` is refused.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from functools import cached_property, partial
from importlib import resources
from pathlib import Path
from typing import Annotated, Any, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, SecretStr, ValidationError, field_validator
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict, SettingsError

from pvcore import yaml_text
from pvcore.annotations.consistency import AnnotationPolicy
from pvcore.annotations.leakage import SplitSettings
from pvcore.annotations.personal_data import PersonalDataPolicy, strictest
from pvcore.errors import ConfigError, NotFound
from pvcore.evaluation.gate import Policy
from pvcore.inference.guardrails import GuardrailPolicy
from pvcore.records import canonical, digest
from pvcore.registry.approvers import ApprovalPolicy, approval_policy
from pvcore.registry.ledger import Ledger
from pvcore.registry.loading import LoadedPolicy
from pvcore.registry.objects import ObjectSettings
from pvcore.registry.retention import RetentionPolicy
from pvcore.registry.signing import Keys
from pvcore.registry.store import Store, open_store
from pvcore.training.settings import (
    BaseModelSettings,
    Lora,
    MixtureSettings,
    Quantisation,
    TextSettings,
    TrainingSettings,
)

STATE = ".pv"
SETTINGS_FILE = "pv.yaml"
SECTIONS: Mapping[str, type[BaseModel]] = {
    "annotations": AnnotationPolicy,
    "personal_data": PersonalDataPolicy,
    "guardrails": GuardrailPolicy,
    "loaded": LoadedPolicy,
    "retention": RetentionPolicy,
}
"""Sections of a policy that are read as they stand."""
POLICY_SECTIONS = {"problems", "evaluation", "approval", "signers", "designated_events", *SECTIONS}
DEFAULT_POLICY = "policy.yaml"
"""The policy of a recipe that names none."""


class Recipe(BaseModel):
    """One complete YAML a problem: base, quantisation, LoRA, text, training, mixture, policy, seed."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    problem: str
    family: Literal["encoder", "causal"]
    base: BaseModelSettings
    quantisation: Quantisation = Quantisation()
    lora: Lora = Lora()
    text: TextSettings = TextSettings()
    training: TrainingSettings = TrainingSettings()
    mixture: MixtureSettings = MixtureSettings()
    table: tuple[dict[str, Any], ...] = ()
    policy: str = DEFAULT_POLICY
    seed: int = 17

    def trained_by(self) -> dict[str, Any]:
        """The sections that decide the adapter's bytes, as a specification holds them."""
        from pvcore.problems.extraction import EXTRACTION, WHOLE_WORDS

        said = self.model_dump(mode="json", exclude={"policy", "seed", "problem", "family"})
        marks = {"marks": WHOLE_WORDS} if self.problem == EXTRACTION.name else {}
        return {name: value for name, value in said.items() if name != "table" or value} | marks


@dataclass(frozen=True)
class PolicyDocument:
    """policy.yaml, composed: what is asked of data and candidates, and who may approve.

    Its digest is what a signature names.
    """

    gate: Policy
    approval: ApprovalPolicy
    annotations: AnnotationPolicy
    personal_data: PersonalDataPolicy
    guardrails: GuardrailPolicy
    loaded: LoadedPolicy
    retention: RetentionPolicy
    raw: Mapping[str, Any]

    @property
    def digest(self) -> str:
        return digest(canonical(dict(self.raw)))


def _no_user(url: str | None) -> str | None:
    if url and "://" in url and "@" in url.partition("://")[2].partition("/")[0]:
        raise ValueError(
            "a URL with a user or password in it; credentials come from the environment (AWS_...)"
        )
    return url


class Settings(BaseSettings):
    """What `pv.yaml` and the environment (`PV_STORE`, `PV_S3_ENDPOINT`, ...) may say."""

    model_config = SettingsConfigDict(env_prefix="PV_", env_ignore_empty=True, extra="forbid", frozen=True)

    store: str = Field(
        default=f"{STATE}/store",
        min_length=1,
        description="folder (relative to the workspace) or s3://bucket/prefix",
    )
    s3_endpoint: str | None = Field(default=None, description="URL of an S3 server that is not AWS")
    s3: ObjectSettings = Field(
        default=ObjectSettings(), description="how S3 keeps every object: encryption, KMS key, object lock"
    )
    language: str = Field(default="English", description="language of the MedDRA release that is trained on")
    meddra_policy: int = Field(default=3, ge=1, le=4, description="migration policy, ICH options 1 to 4")
    settle_seconds: float = Field(
        default=5.0, ge=0, description="an inbox file must be unchanged this long before it is read"
    )
    split: SplitSettings = Field(
        default=SplitSettings(), description="which cases are held out; a case held out once stays held out"
    )
    seed: int = Field(default=17, description="of the split")
    approval_days: float = Field(default=14.0, gt=0, description="how long a request for approval waits")
    ui_port: Annotated[int, Field(ge=1, le=65535)] | None = Field(
        default=None, description="port of the Prefect server; null = 4200 or the next free one"
    )
    threads: int | None = Field(default=None, ge=1, description="threads of a training run; null = all cores")
    processes: Annotated[int, Field(ge=1)] | Literal["auto"] = Field(
        default=1, description="that a worker trains with, each on a GPU of its own; auto = one a GPU"
    )
    exact: bool = Field(
        default=False, description="score one text at a time: for devices where rows of a batch can meet"
    )
    max_rows_per_batch: int | None = Field(
        default=None, ge=1, description="cases taken of one batch, sampled by digest; null = all"
    )
    meddra_password: SecretStr | None = Field(
        default=None,
        description="of the releases' zips, one a version, a space between two; environment only",
    )

    _plain = field_validator("store", "s3_endpoint")(_no_user)


SECRETS = ("meddra_password",)
NEARLY = 0.75
"""Likeness (difflib) from which on a variable's name is a misspelled setting, and not another program's own."""


def load_settings(root: Path, **flags: Any) -> Settings:
    """Settings of the workspace at `root`. Raises ConfigError that names the key, the place and the choices."""
    _require_spelling(os.environ)
    file = root / SETTINGS_FILE
    written = read_yaml(file) if file.exists() else {}
    for secret in SECRETS:
        if any(key.lower().replace("-", "_").removeprefix("pv_") == secret for key in written):
            raise ConfigError(
                f"{file}: {secret} must not stand in a file. Remove it and set PV_{secret.upper()} instead."
            )

    class FromFile(Settings):
        @classmethod
        def settings_customise_sources(
            cls,
            settings_cls: type[BaseSettings],
            init_settings: PydanticBaseSettingsSource,
            env_settings: PydanticBaseSettingsSource,
            dotenv_settings: PydanticBaseSettingsSource,
            file_secret_settings: PydanticBaseSettingsSource,
        ) -> tuple[Any, ...]:
            return init_settings, env_settings, lambda: written

    try:
        return FromFile(**{key: value for key, value in flags.items() if value is not None})
    except ValidationError as error:
        raise ConfigError(explain(f"{file} or PV_...", error)) from None
    except SettingsError as error:  # a value in the environment that should be JSON
        raise ConfigError(f"the environment: {error}. Write JSON, or set it in {file}.") from None


def _require_spelling(environment: Mapping[str, str]) -> None:
    """Raises ConfigError for a variable that is nearly called as a setting is: with PV_STROE the store was another one.

    Other names that begin with PV_ are left alone: Kubernetes sets some for a service called `pv`.
    """
    known = [*Settings.model_fields, "workspace"]
    said = {
        name: name[3:].lower() for name, value in environment.items() if value and name[:3].upper() == "PV_"
    }
    nearest = {n: get_close_matches(word, known, 1, NEARLY) for n, word in said.items() if word not in known}
    wrong = [f"{name} (is PV_{found[0].upper()} meant?)" for name, found in sorted(nearest.items()) if found]
    if wrong:
        raise ConfigError(f"the environment: no setting is called {', '.join(wrong)}. Rename or unset it.")


def set_by_flag(assignments: Sequence[str]) -> None:
    """Take settings from flags ("store=s3://bucket/prefix"), which win over environment and file.

    They are written into the environment, so that whatever this command starts has them too.
    Raises ConfigError for an unknown name, a secret (a command line can be read by others) or no `=`.
    """
    for assignment in assignments:
        name, equals, value = assignment.partition("=")
        if name in SECRETS:
            raise ConfigError(f"--set {name}: a secret is no flag. Set PV_{name.upper()} in the environment.")
        if not equals or not value or name not in Settings.model_fields:
            known = ", ".join(n for n in Settings.model_fields if n not in SECRETS)
            raise ConfigError(f"--set {assignment}: expected NAME=VALUE with one of {known}.")
        os.environ[f"PV_{name.upper()}"] = value


@dataclass(frozen=True)
class Workspace:
    """One team's folder: settings, recipes, policy, keys, and the state under `.pv/`."""

    root: Path
    settings: Settings

    @property
    def state(self) -> Path:
        return self.root / STATE

    @property
    def keys(self) -> Keys:
        revoked = self.root / "revoked_keys"
        return Keys(self.root / "allowed_signers", revoked if revoked.exists() else None)

    @property
    def checkpoints(self) -> Path:
        return self.state / "checkpoints"

    @cached_property
    def store(self) -> Store:
        url = self.settings.store
        if "://" not in url:
            url = (self.root / url).resolve().as_uri()
        return open_store(url, endpoint=self.settings.s3_endpoint, objects=self.settings.s3)

    @cached_property
    def ledger(self) -> Ledger:
        return Ledger(self.store)

    def recipe(self, problem: str) -> Recipe:
        """The recipe `recipes/<problem>.yaml`. Raises ConfigError."""
        file = self.recipe_file(problem)
        recipe = read_recipe(file)
        if recipe.problem != problem:
            raise ConfigError(f"{file} is a recipe for {recipe.problem!r}. Rename it or mend `problem:`.")
        return recipe

    def recipe_file(self, problem: str) -> Path:
        """Where the recipe of a problem stands. Raises ConfigError where there is none."""
        if not problem.isidentifier():  # a problem is also what somebody typed into a form
            raise ConfigError(f"{problem!r} is no name of a problem.")
        file = self.root / "recipes" / f"{problem}.yaml"
        if not file.exists():
            raise ConfigError(f"{file} does not exist. Run `pv init` or copy a recipe there.")
        return file

    def recipes(self) -> dict[str, Recipe]:
        """All recipes of the workspace, by problem. Raises ConfigError, also for a file that is no problem's."""
        from pvcore.problems import PROBLEMS

        written = {p: read_yaml(p) for p in sorted((self.root / "recipes").glob("*.yaml"))}
        policies = {DEFAULT_POLICY, *(str(raw.get("policy")) for raw in written.values())}
        files = [p for p, raw in written.items() if p.name not in policies or "problem" in raw]
        if strange := [str(file) for file in files if file.stem not in PROBLEMS]:
            raise ConfigError(
                f"{', '.join(strange)}: a recipe is called as its problem is, and there are {', '.join(PROBLEMS)}. "
                "Rename it, or move it out of the folder."
            )
        return {file.stem: self.recipe(file.stem) for file in files}

    def policies(self) -> dict[str, PolicyDocument]:
        """The policy that each recipe names, by problem."""
        return {problem: self.policy(recipe.policy) for problem, recipe in self.recipes().items()}

    def personal_data(self) -> PersonalDataPolicy:
        """What is done with likely identifiers: the strictest that a recipe's policy says, as a batch is for all."""
        found = [policy.personal_data for policy in self.policies().values()]
        return strictest(found or [self.policy().personal_data])

    def policy(self, name: str = DEFAULT_POLICY, stored: Mapping[str, Any] | None = None) -> PolicyDocument:
        """The gate's policy, the approvers, what is asked of annotations and free texts, and the guardrails.

        `stored` is a policy as it was kept when it judged; `name` only names it then. Raises ConfigError.
        """
        file = self.root / "recipes" / name
        raw = _with_events(file, read_yaml(file)) if stored is None else dict(stored)
        unknown = set(raw) - POLICY_SECTIONS
        if unknown:
            known = ", ".join(sorted(POLICY_SECTIONS))
            raise ConfigError(f"{file}: unknown sections {sorted(unknown)}. There are {known}.")
        asked = raw.get("approval") or {}
        if not isinstance(asked, dict):
            raise ConfigError(f"{file}: approval is a mapping with signatures and roles, not {asked!r}.")
        read = _sections(file, raw)
        if stored is None:
            _require_problems(file, read["annotations"].minimum_kappa)
        return PolicyDocument(raw=raw, **read)


def _sections(file: Path, raw: Mapping[str, Any]) -> dict[str, Any]:
    """The sections of a policy as fields of a PolicyDocument. Raises ConfigError with the faults of all of them."""
    readers: dict[str, Callable[[], Any]] = {
        "gate": lambda: Policy.model_validate({key: raw[key] for key in Policy.model_fields if key in raw}),
        "approval": lambda: approval_policy(raw),
    } | {name: partial(model.model_validate, raw.get(name) or {}) for name, model in SECTIONS.items()}
    read, faults = dict[str, Any](), list[str]()
    for name, reader in readers.items():
        try:
            read[name] = reader()
        except ValidationError as error:
            faults += _faults(error, "" if name == "gate" else name)
    if faults:
        raise ConfigError(_cannot_be_used(str(file), faults))
    return read


def _require_problems(file: Path, named: Iterable[str]) -> None:
    """Raises ConfigError for a misspelled problem, for which no batch would ever be held."""
    from pvcore.problems import PROBLEMS

    if strange := sorted(set(named) - set(PROBLEMS)):
        known = ", ".join(PROBLEMS)
        raise ConfigError(
            f"{file}: annotations.minimum_kappa knows no {', '.join(strange)}. There are {known}."
        )


def open_workspace(root: str | Path | None = None, **flags: Any) -> Workspace:
    """The workspace at `root`, else at PV_WORKSPACE, else the nearest folder upwards with a `pv.yaml`."""
    chosen = root or os.environ.get("PV_WORKSPACE")
    if chosen:
        folder = Path(chosen).resolve()
    else:
        here = Path.cwd()
        folder = next((p for p in (here, *here.parents) if (p / SETTINGS_FILE).exists()), here)
    if not (folder / SETTINGS_FILE).exists():
        raise NotFound(f"{folder} is no workspace (it has no {SETTINGS_FILE}). Run `pv init {folder}` first.")
    return Workspace(folder, load_settings(folder, **flags))


def bases() -> dict[str, str]:
    """Recipes for other bases than the embedded one: their YAML, by name."""
    folder = resources.files("pvcore.recipes") / "bases"
    files = sorted((f for f in folder.iterdir() if f.name.endswith(".yaml")), key=lambda f: f.name)
    return {file.name.removesuffix(".yaml"): file.read_text("utf-8") for file in files}


def init_workspace(root: Path, base: str | None = None) -> list[Path]:
    """Write a workspace: settings with comments, recipes, policy, intended uses, no keys. What is there stays.

    `base` is one of `bases()`; its recipe takes the place of the default one for its problem. Raises
    ConfigError for a place where no folder can be made, for a base that is not known, and where another
    recipe stands already in the place of this base's.
    """
    chosen = _recipe_of(root, base) if base else {}
    try:
        (root / "recipes").mkdir(parents=True, exist_ok=True)
        (root / "intended_use").mkdir(exist_ok=True)
        (root / STATE).mkdir(exist_ok=True)
    except OSError as error:
        raise ConfigError(f"{root} cannot be a workspace: {error.strerror}.") from None
    source = resources.files("pvcore.recipes")
    recipes = sorted((file for file in source.iterdir() if file.name.endswith(".yaml")), key=lambda f: f.name)
    texts = {root / "recipes" / file.name: file.read_text("utf-8") for file in recipes}
    texts |= chosen
    meant = (source / "intended_use").iterdir()
    texts |= {root / "intended_use" / file.name: file.read_text("utf-8") for file in meant}
    texts[root / SETTINGS_FILE] = _settings_text()
    texts[root / "allowed_signers"] = (
        "# One line a key: principal options key-type key. Example (see ssh-keygen(1), ALLOWED SIGNERS):\n"
        '# jane@example.org namespaces="pv-approval,pv-checkpoint,pv-retention" ssh-ed25519 AAAA...\n'
    )
    texts[root / ".gitignore"] = f"{STATE}/\n"
    written = []
    for path, text in texts.items():
        if not path.exists():
            path.write_text(text, "utf-8")
            written.append(path)
    return written


def _recipe_of(root: Path, base: str) -> dict[Path, str]:
    known = bases()
    if base not in known:
        raise ConfigError(f"no recipe for the base {base!r}: there are {', '.join(known)}.")
    file = root / "recipes" / f"{yaml_text.load(known[base])['problem']}.yaml"
    if file.exists() and file.read_text("utf-8") != known[base]:
        raise ConfigError(f"{file} is there already. Move it away, then write the one for {base}.")
    return {file: known[base]}


def _settings_text() -> str:
    lines = [
        "# Settings of this workspace. Each can also be set in the environment as PV_<NAME>, which wins.",
        "# A line that is commented out shows the default.",
        "",
    ]
    for name, field in Settings.model_fields.items():
        lines.append(f"# {field.description}")
        default = (
            field.default.model_dump(mode="json") if isinstance(field.default, BaseModel) else field.default
        )
        # In block style, so that any of the lines can be uncommented together.
        shown = yaml.safe_dump({name: default}, sort_keys=False).strip()
        lines += (
            [f"# PV_{name.upper()} in the environment, never here"]
            if name in SECRETS
            else [f"# {line}" for line in shown.splitlines()]
        )
        lines.append("")
    return "\n".join(lines)


def read_recipe(file: Path) -> Recipe:
    """The recipe in a YAML file. Raises ConfigError that lists every fault."""
    try:
        return Recipe.model_validate(read_yaml(file))
    except ValidationError as error:
        raise ConfigError(explain(str(file), error)) from None


def read_yaml(file: Path) -> dict[str, Any]:
    """The mapping in a YAML file. Raises ConfigError for none, and for keys that stand twice."""
    try:
        value = yaml_text.load(file.read_text("utf-8"))
    except FileNotFoundError:
        raise ConfigError(f"{file} does not exist. Run `pv init {file.parent}`.") from None
    except yaml_text.RepeatedKeys as error:
        raise ConfigError(f"{file}: {error}. Which one is meant? Remove the other.") from None
    except yaml.MarkedYAMLError as error:  # its own words quote the line, which may be a secret's
        where = f" in line {error.problem_mark.line + 1}" if error.problem_mark else ""
        raise ConfigError(
            f"{file} is not readable as YAML{where}: {error.problem or error.context}."
        ) from None
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise ConfigError(f"{file} is not readable as YAML: {error}") from None
    except OSError as error:
        raise ConfigError(f"{file} cannot be read: {error.strerror}.") from None
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise ConfigError(f"{file}: expected a mapping of settings, found {type(value).__name__}.")
    odd = [key for key in value if not isinstance(key, str)]
    if odd:
        raise ConfigError(f"{file}: {odd[0]!r} is no name of a setting.")
    return value


def _with_events(policy: Path, raw: dict[str, Any]) -> dict[str, Any]:
    """A policy with the lines of the file that `designated_events` names, so that its digest covers them."""
    named = raw.get("designated_events")
    if not isinstance(named, str):
        return raw
    try:
        lines = (policy.parent / named).read_text("utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(
            f"{policy}: designated_events: {policy.parent / named} cannot be read: {error}."
        ) from None
    events = [line.partition("#")[0].strip() for line in lines]
    return {**raw, "designated_events": [event for event in events if event]}


def explain(where: str, error: ValidationError) -> str:
    """All faults of a file in one text, without values that may be secrets."""
    return _cannot_be_used(where, _faults(error))


def _cannot_be_used(where: str, faults: Sequence[str]) -> str:
    return f"{where}: {len(faults)} setting(s) cannot be used\n" + "\n".join(faults)


def _faults(error: ValidationError, section: str = "") -> list[str]:
    """A line a fault, without values that may be secrets. `section` is where in the file the checked part stands."""
    return [
        f"  {_place(fault['loc'], section)}: {fault['msg']}"
        # A value under a name that is not known, or a URL with a password in it, may be a secret.
        + (
            ""
            if fault["type"] in ("extra_forbidden", "value_error") or isinstance(fault.get("input"), dict)
            else f" (found {fault.get('input')!r})"
        )
        for fault in error.errors()
    ]


def _place(parts: Sequence[int | str], section: str) -> str:
    # The signers are read with `approval`, and stand in a section of their own.
    above = [section] if section and parts[:1] != ("signers",) else []
    return ".".join(map(str, [*above, *parts]))
