"""`pv init`, `up`, `down`, `status`, `ingest`, `demo`: a workspace and the platform that works on it."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Annotated

import typer

from pvcore.cli.output import VERSIONS, console, emit, emit_json
from pvcore.errors import ConfigError

Where = Annotated[
    Path | None,
    typer.Option("--workspace", "-w", help="folder with pv.yaml; default: PV_WORKSPACE, or found upwards"),
]
Json = Annotated[bool, typer.Option("--json", help="print JSON in place of tables")]


def add_to(app: typer.Typer) -> None:
    """Register this room's commands."""
    app.command()(init)
    app.command()(up)
    app.command()(down)
    app.command()(status)
    app.command()(ingest)
    app.command()(run)
    app.command()(demo)


def init(
    folder: Annotated[Path, typer.Argument(help="the folder to make a workspace of")] = Path(),
    base: Annotated[
        str | None, typer.Option(help="recipe of another base: `pv base list` names them; default: MiniLM")
    ] = None,
) -> None:
    """Write a workspace: settings, recipes and the gate's policy, each with comments. Overwrites nothing."""
    from pvcore.config import init_workspace

    written = init_workspace(folder.resolve(), base)
    for path in written:
        console.print(f"wrote {path}", markup=False)
    if not written:
        console.print(f"{folder.resolve()} was a workspace already; nothing was changed", markup=False)
    console.print(
        "Next: name your approvers in recipes/policy.yaml and their keys in allowed_signers, then `pv up`."
    )


def up(workspace: Where = None, as_json: Json = False) -> None:
    """Start the platform (server, workers, deployments) and leave it running. Twice starts it once."""
    from pvcore.config import init_workspace, open_workspace
    from pvcore.errors import NotFound
    from pvcore.platform import embedded

    try:
        opened = open_workspace(workspace)
    except NotFound:
        # `make up` in a fresh clone: own work starts in a workspace under the ignored folder.
        if workspace:
            raise
        folder = Path(".pv/workspace").resolve()
        init_workspace(folder)
        opened = open_workspace(folder)
    console.print(f"starting the platform for {opened.root} ...", markup=False) if not as_json else None
    platform = embedded.up(
        opened.root,
        project_root(),
        port=opened.settings.ui_port,
        env={"PV_WORKSPACE": str(opened.root)},
        store=opened.store.url,
    )
    if as_json:
        emit_json({"workspace": str(opened.root), "ui": platform.ui_url, "api": platform.api_url})
        return
    console.print(f"{'started' if platform.started else 'was running'}: {platform.ui_url}", markup=False)
    for note in platform.notes:
        console.print(f"  {note}", markup=False)
    here = shlex.quote(str(opened.root))
    console.print(
        f"  put releases and batches into the inbox: pv ingest FILE -w {here}\n  stop it: pv down -w {here}",
        markup=False,
    )


def down(workspace: Where = None) -> None:
    """Stop the platform of a workspace, with everything that it started. Runs go on at the next `pv up`."""
    from pvcore.config import open_workspace
    from pvcore.errors import NotFound
    from pvcore.platform import embedded

    roots = []
    try:
        roots.append(open_workspace(workspace).root)
    except NotFound:
        if workspace:
            raise
        roots += [p for p in (Path(".pv/workspace").resolve(), Path(".pv/demo").resolve()) if p.exists()]
    for root in roots:
        stopped = embedded.down(root)
        console.print(f"{root}: stopped {', '.join(stopped) or 'nothing, it was down'}", markup=False)
    if not roots:
        console.print("no platform here")


def status(workspace: Where = None, as_json: Json = False) -> None:
    """Champions, what waits for an approval or a MedDRA update, batches that are held, files in quarantine."""
    from pvcore.config import open_workspace
    from pvcore.cycle.overview import overview

    found = overview(open_workspace(workspace))
    if as_json:
        emit_json(found)
        return
    for title, rows in found.items():
        columns = VERSIONS if title == "champions" else ()
        emit(rows, as_json=False, title=title.replace("_", " "), columns=columns)


def ingest(
    files: Annotated[
        list[Path],
        typer.Argument(
            help="MedDRA releases (zip), or batches: cases with labels, any format",
            exists=True,
            dir_okay=False,
        ),
    ],
    meddra_version: Annotated[
        str | None,
        typer.Option(help="what the codes are in, such as 29.0, if the file does not say (Label Studio)"),
    ] = None,
    workspace: Where = None,
    as_json: Json = False,
) -> None:
    """Put MedDRA releases or batches of cases into the inbox; a running platform looks at once."""
    from pvcore.config import open_workspace
    from pvcore.cycle import inbox
    from pvcore.errors import NotFound
    from pvcore.platform import embedded

    opened = open_workspace(workspace)
    try:
        platform = embedded.attach(opened.root, opened.store.url)
    except NotFound:
        platform = None
    rows = []
    for name, chosen in (
        ("meddra", [f for f in files if inbox.looks_like_release(f)]),
        ("annotations", [f for f in files if not inbox.looks_like_release(f)]),
    ):
        keys = inbox.put(opened, name, chosen, meddra_version)  # type: ignore[arg-type]
        run = platform.run(f"watch/{name}") if platform and keys else None
        rows += [{"file": f.name, "object": k, "watch_run": run} for f, k in zip(chosen, keys, strict=True)]
    emit(rows, as_json=as_json, title="in the inbox")
    if not platform and not as_json:
        console.print("The platform is not running: `pv up` starts it, and its watchers look into the inbox.")


def run(
    deployment: Annotated[
        str,
        typer.Argument(
            help="retrain, meddra-update, promote, rollback, override, rebuild, score, curve, bases, phases, "
            "drift, watch/..."
        ),
    ],
    parameters: Annotated[
        list[str] | None, typer.Argument(help="NAME=VALUE, those of the form in the Prefect UI")
    ] = None,
    workspace: Where = None,
    as_json: Json = False,
) -> None:
    """Start a run on the running platform, with what its form in the Prefect UI asks for."""
    from pvcore.config import open_workspace
    from pvcore.platform import embedded, forms

    given = [item.partition("=") for item in parameters or ()]
    if wrong := [name + equals for name, equals, _ in given if not equals]:
        raise ConfigError(f"expected NAME=VALUE, found {', '.join(wrong)}")
    opened = open_workspace(workspace)
    platform = embedded.attach(opened.root, opened.store.url)
    form = platform.deployment(deployment)["parameter_openapi_schema"]
    # Texts stay texts (a MedDRA version is no number) where the form asks for one.
    started = platform.run(deployment, forms.typed(form, {name: value for name, _, value in given}))
    url = platform.flow_run(started).url
    if as_json:
        emit_json({"run": started, "url": url})
    else:
        console.print(url, markup=False)


def demo(
    approve: Annotated[
        str, typer.Option(help="key: a demonstration key signs; ui: wait for a person in the Prefect UI")
    ] = "key",
    data: Annotated[
        Path | None, typer.Option(help="folder of yearly VAERS zips to run on; default: invented cases")
    ] = None,
    problem: Annotated[
        list[str] | None,
        typer.Option(
            help="what to demonstrate: seriousness and coding, else as named; repeatable, or with commas"
        ),
    ] = None,
    recipe: Annotated[
        list[Path] | None,
        typer.Option(help="a recipe in place of the shipped one, as for another family or base; repeatable"),
    ] = None,
    workspace: Annotated[
        Path, typer.Option("--workspace", "-w", help="folder that is made anew each time")
    ] = Path(".pv/demo"),
) -> None:
    """Run one whole update cycle in small: release and cases in, approved and signed adapter in the registry."""
    from pvcore.cli import demonstration
    from pvcore.cli.demo_choice import chosen_problems, chosen_recipes

    if approve not in ("key", "ui"):
        raise ConfigError(f"--approve takes key or ui, not {approve!r}")
    if data is not None and not list(data.glob("*VAERSData.zip")):
        raise ConfigError(f"{data} holds no <year>VAERSData.zip. See docs/tutorial.md, 'Real reports'.")
    if data is not None and problem:
        raise ConfigError(
            "--data is about seriousness: reports of VAERS are judged for nothing else. Leave --problem out."
        )
    problems = ("seriousness",) if data else chosen_problems(problem or ())
    demonstration.run(
        workspace.resolve(),
        approve=approve,
        data=data.resolve() if data else None,
        problems=problems,
        recipes=chosen_recipes(recipe or (), problems),
    )


def project_root() -> Path:
    """The folder with prefect.yaml: the checkout that `pv` is installed from."""
    root = Path(__file__).resolve().parents[2]
    if not (root / "prefect.yaml").exists():
        raise ConfigError(f"{root} has no prefect.yaml. Install from a checkout: pip install -e .")
    return root
