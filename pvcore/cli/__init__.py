"""The command `pv`. Exit codes: 0 done, 1 to 9 as errors.py says, 64 wrong usage, 130 interrupted."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from pvcore.cli import (
    advice,
    annotating,
    approval,
    audit,
    base,
    conduct,
    consistency,
    data,
    dataset,
    ledger,
    platform,
    registry,
    trials,
    trust,
)
from pvcore.cli.output import errors
from pvcore.errors import PvError

app = typer.Typer(
    name="pv",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
    help="Keeps fine-tuned small language models for drug safety up to date, and can prove what it did.",
    epilog="The workspace is --workspace, else PV_WORKSPACE, else the nearest folder upwards with a pv.yaml.",
)


def _version(asked: bool) -> None:
    if asked:
        from importlib.metadata import version

        print(f"pv {version('pv-retrain')}")
        raise typer.Exit


@app.callback()
def settings(
    set_: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="NAME=VALUE", help="a setting of pv.yaml for this command; repeatable"),
    ] = None,
    _: Annotated[
        bool, typer.Option("--version", is_eager=True, callback=_version, help="what is installed, and exit")
    ] = False,
) -> None:
    """Settings that are given by flag."""
    if set_:
        from pvcore.config import set_by_flag

        set_by_flag(set_)


for room in (
    platform,
    data,
    dataset,
    base,
    consistency,
    approval,
    registry,
    conduct,
    ledger,
    audit,
    trust,
    advice,
    annotating,
    trials,
):
    room.add_to(app)


def main() -> None:
    """Run `pv`. A PvError becomes its message and exit code; anything else is a defect and shows where."""
    try:
        app(standalone_mode=False)
    except PvError as error:
        errors.print(f"pv: {error}", markup=False, style="red")
        sys.exit(error.exit_code)
    except typer.Exit as done:
        sys.exit(done.exit_code)
    except (OSError, UnicodeError) as error:
        # Of files and names that the user gave: a folder that cannot be written, a disk that is full.
        errors.print(f"pv: {error}", markup=False, style="red")
        sys.exit(1)
    except (KeyboardInterrupt, typer.Abort):
        errors.print("pv: interrupted")
        sys.exit(130)
    except Exception as error:
        show = getattr(error, "show", None)
        if show is None:
            raise
        show()
        sys.exit(64)
