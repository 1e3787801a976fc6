"""The command line from outside: exit codes that mean something, JSON that is JSON, no traceback."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pytest
import typer

from pvcore.cli import app

REFERENCE = Path(__file__).resolve().parents[3] / "docs" / "reference" / "commands.md"
GROUPS = {"meddra", "dataset", "base", "registry", "ledger", "audit"}


def pv(*arguments: str, env: dict[str, str] | None = None) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "pvcore.cli", *arguments],
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
        env=env,
    )


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("workspace")
    assert pv("init", str(folder)).returncode == 0
    return folder


def test_help_names_every_command() -> None:
    done = pv("--help")
    assert done.returncode == 0
    commands = (
        "init demo up down status ingest meddra consistency release registry predict sign approve reject "
        "verify history ledger"
    )
    assert all(name in done.stdout for name in commands.split())


def test_what_is_installed() -> None:
    done = pv("--version")
    assert done.returncode == 0 and done.stdout.strip() == f"pv {version('pv-retrain')}"


def test_the_reference_has_every_command_and_which_take_json() -> None:
    """docs/reference/commands.md, against the program itself."""
    rows = [
        line.split(" | ") for line in REFERENCE.read_text("utf-8").splitlines() if line.startswith("| `pv ")
    ]
    said = {name: row[-1].strip(" |") for row in rows for name in _commands(row[0])}
    found = dict(_options(typer.main.get_command(app)))
    assert set(said) == set(found)
    for name, column in said.items():
        takes = column == "yes" or name.split()[-1] in column.split(", ")
        prints = name in ("ledger prove", "ledger consistency")
        assert takes == ("--json" in found[name] or prints), name


def _options(command: Any, name: str = "") -> Iterator[tuple[str, set[str]]]:
    """Each command by its name, with its options."""
    inside = getattr(command, "commands", None)
    if inside is None:
        yield name.strip(), {option for parameter in command.params for option in parameter.opts}
    for word, inner in (inside or {}).items():
        yield from _options(inner, f"{name} {word}")


def _commands(cell: str) -> list[str]:
    """`pv meddra check / diff OLD` -> meddra check, meddra diff; `pv up`, `pv down` -> up, down."""
    names = []
    for words in re.findall(r"`pv ([^`]*)`", cell):
        small = [w for w in re.split(r"[ /]+", words) if re.fullmatch(r"[a-z][a-z-]*", w)]
        group = small[0] if small[0] in GROUPS else ""
        names += [f"{group} {word}".strip() for word in (small[1:] if group else small)]
    return names


def test_a_row_that_is_piped_is_one_line() -> None:
    environment = {name: value for name, value in os.environ.items() if name != "COLUMNS"}
    done = pv("base", "list", env=environment)
    rows = json.loads(pv("base", "list", "--json").stdout)
    assert done.stdout.count("│\n") == len(rows)
    assert all(any(row["source"] in line for line in done.stdout.splitlines()) for row in rows)


@pytest.mark.parametrize(
    ("arguments", "code", "says"),
    [
        (("history", "seriousness"), 3, "knows no problem"),
        (("verify", "seriousness@champion"), 3, "no version"),
        (("registry", "show", "nothing@1"), 3, "no version"),
        (("meddra", "show", "Headache"), 3, "pv ingest"),
        (("approve", "a@1", "--name", "x", "--reason", "y", "--key", "pv.yaml"), 3, "does not wait"),
        (("nonsense",), 64, "No such command"),
        (("predict", "seriousness@champion", "absent.xml"), 64, "does not exist"),
    ],
)
def test_what_a_user_can_cause_has_its_code_and_no_traceback(
    root: Path, arguments: tuple[str, ...], code: int, says: str
) -> None:
    where = [str(root / a) if a == "pv.yaml" else a for a in arguments]
    tail = [] if code == 64 else ["-w", str(root)]
    done = pv(*where, *tail)
    assert done.returncode == code, done.stderr
    assert says in done.stderr.replace("\n", " ") and "Traceback" not in done.stderr


def test_a_release_that_is_none_lists_its_faults(tmp_path: Path) -> None:
    (tmp_path / "llt.asc").write_text("1$Headache$\n")
    done = pv("meddra", "check", str(tmp_path))
    assert done.returncode == 2 and "Traceback" not in done.stderr
    assert done.stderr.count("\n") > 2


@pytest.fixture(scope="module")
def releases(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, str]:
    """Two releases of a few hundred terms, as files."""
    from pvcore.meddra.generate import Size, generate

    folder, size = tmp_path_factory.mktemp("releases"), Size(4, 8, 24, 120, 400, 3)
    one = generate(folder, version="28.1", seed=1, size=size)
    two = generate(folder, version="29.0", seed=1, size=size, previous=one.dictionary)
    return str(one.archive), str(two.archive)


def test_what_changed_as_json_and_as_a_page(releases: tuple[str, str], tmp_path: Path) -> None:
    page = tmp_path / "report.html"
    done = pv("meddra", "diff", *releases, "--json", "--html", str(page))
    value = json.loads(done.stdout)
    assert value["counts"]["promotions"] == 4 and value["tables"]["llt"]["added"]
    assert "28.1 to 29.0" in page.read_text(encoding="utf-8")
    table = pv("meddra", "diff", *releases)
    assert table.returncode == 0 and "Promotions (LLT becomes PT)" in table.stdout


def test_a_stored_difference_makes_either_release_of_the_other(
    releases: tuple[str, str], tmp_path: Path
) -> None:
    old, new = releases
    stored = tmp_path / "change.json"
    assert f"wrote {stored}" in pv("meddra", "diff", old, new, "--save", str(stored)).stdout
    for given, wanted, out, flags in ((old, new, "made.zip", ()), (new, old, "made", ("--reverse",))):
        place = str(tmp_path / out)
        said = json.loads(pv("meddra", "apply", given, str(stored), "--out", place, *flags, "--json").stdout)
        checked = pv("meddra", "check", place, "--json").stdout
        assert json.loads(checked) == json.loads(pv("meddra", "check", wanted, "--json").stdout)
        assert said == json.loads(checked) | {"wrote": place}
    for given, out, says in (
        (new, "other", "take it back: --reverse"),
        (old, "made", "is not overwritten"),
        (old, "MedDRA_28_1.zip", "the file name says 28.1"),
    ):
        done = pv("meddra", "apply", given, str(stored), "--out", str(tmp_path / out))
        assert done.returncode == 2 and says in done.stderr and "Traceback" not in done.stderr
    assert {file.name for file in tmp_path.iterdir()} == {"change.json", "made.zip", "made"}


def test_a_term_by_code_and_name_with_its_history(releases: tuple[str, str]) -> None:
    from pvcore.meddra.release import read

    old = read(releases[0])
    code, name = old.tables["pt"][["pt_code", "pt_name"]].iloc[0]
    for term in (code, name.upper()):
        (found,) = json.loads(pv("meddra", "show", term, *releases, "--json").stdout)
        assert found["term"]["code"] == code and found["term"]["paths"][0]["primary"]
        assert [step["version"] for step in found["history"]] == ["28.1", "29.0"]
    for arguments, says in (
        (("no such term",), "written out in full"),
        ((code, "--version", "8.1"), "At hand"),
    ):
        done = pv("meddra", "show", *arguments[:1], *releases, *arguments[1:])
        assert done.returncode == 3 and says in done.stderr and "Traceback" not in done.stderr


def test_a_term_by_its_name_in_another_language(releases: tuple[str, str], tmp_path: Path) -> None:
    from pvcore.meddra.generate import Size, generate

    german = generate(tmp_path, version="28.1", seed=1, size=Size(4, 8, 24, 120, 400, 3), language="German")
    code, name = german.dictionary.tables["llt"][["llt_code", "llt_name"]].iloc[5]
    done = pv("meddra", "show", name, releases[0], str(german.archive), "--json")
    (found,) = json.loads(done.stdout)
    assert found["term"]["code"] == code and found["names"]["German"] == name != found["names"]["English"]
    done = pv("meddra", "show", "none such", releases[0], str(german.archive))
    assert "28.1 English, 28.1 German" in done.stderr


def test_a_case_that_states_another_version_is_an_input_error(
    releases: tuple[str, str], tmp_path: Path
) -> None:
    from pvcore.meddra.release import read

    code = read(releases[0]).tables["llt"]["llt_code"].iloc[0]
    rows = [("1", code, "28.1"), ("2", code, "27.0")]
    lines = [f"{case},It was some event.,words,{code},{version},coder" for case, code, version in rows]
    table = tmp_path / "table.csv"
    table.write_text("\n".join(["case_id,narrative,verbatim,llt_code,meddra_version,annotator", *lines]))
    value = json.loads(pv("meddra", "impact", *releases, "--cases", str(table), "--json").stdout)
    assert (value["rows_loaded"], value["rows_valid"]) == (2, 1)
    assert [(e["error"], e["said"]) for e in value["input_errors"]] == [("other_version", "27.0")]


def test_the_impact_on_cases(releases: tuple[str, str], town_module: Any, tmp_path: Path) -> None:
    from pvcore.meddra.release import read

    files = town_module.write_batch(tmp_path, read(releases[0]), name="cases", n=30, seed=1)
    done = pv("meddra", "impact", *releases, "--cases", *map(str, files), "--json")
    value = json.loads(done.stdout)
    assert value["rows_loaded"] == value["rows_valid"] > 30 and value["input_errors"] == []
    assert 0 < value["rows_impacted"] == len({row["row_id"] for row in value["impacted"]})
    table = pv("meddra", "impact", *releases, "--cases", str(files[0]))
    assert table.returncode == 0 and "impacted, % of valid" in table.stdout
    assert pv("meddra", "impact", *releases).returncode == 64


def test_languages_are_joined_or_refused(releases: tuple[str, str], tmp_path: Path) -> None:
    from pvcore.meddra.generate import Size, generate

    size = Size(4, 8, 24, 120, 400, 3)
    german = generate(tmp_path, version="28.1", seed=1, size=size, language="German")
    joined = pv("meddra", "languages", releases[0], str(german.archive), "--json")
    rows = {row["level"]: row for row in json.loads(joined.stdout)}
    assert list(rows) == ["LLT", "PT", "HLT", "HLGT", "SOC", "SMQ"]
    assert rows["SMQ"] == {"level": "SMQ", "terms": 3, "English": 3, "German": 3}
    done = pv("meddra", "languages", *releases)
    assert done.returncode == 2 and "is of version 29.0" in done.stderr and "Traceback" not in done.stderr


def test_status_and_probe_of_an_empty_workspace(root: Path) -> None:
    found = json.loads(pv("status", "--json", "-w", str(root)).stdout)
    assert set(found) == {"champions", "waits_for_approval", "waits_for_its_update", "held", "quarantine"}
    assert not any(found.values())
    assert pv("registry", "probe", "-w", str(root)).returncode == 0


def test_a_flag_wins_over_environment_and_file(root: Path, tmp_path: Path) -> None:
    done = pv("--set", f"store={tmp_path}/elsewhere", "registry", "probe", "-w", str(root))
    assert done.returncode == 0 and f"{tmp_path}/elsewhere" in done.stdout
    for flag, says in (
        ("store", "NAME=VALUE"),
        ("colour=red", "NAME=VALUE"),
        ("meddra_password=x", "PV_MEDDRA_PASSWORD"),
        ("meddra_policy=9", "less than or equal to 4"),
        ("ui_port=70000", "less than or equal to 65535"),
        ("ui_port=-5", "greater than or equal to 1"),
    ):
        done = pv("--set", flag, "status", "-w", str(root))
        assert done.returncode == 2 and says in done.stderr and "Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("file", "text", "says"),
    [
        ("pv.yaml", "s3_secret_key: HUNTER2", "s3_secret_key"),
        ("pv.yaml", "MedDRA-Password: HUNTER2", "PV_MEDDRA_PASSWORD"),
        ("pv.yaml", "store: s3://AKIA:HUNTER2@bucket/p", "credentials"),
        ("pv.yaml", "s3_endpoint: http://user:HUNTER2@127.0.0.1:9", "credentials"),
        ("pv.yaml", "1: 2", "no name"),
        ("recipes/policy.yaml", "approval: [a]", "approval"),
        ("recipes/policy.yaml", "approval:", "roles"),
        ("recipes/policy.yaml", "1: a", "no name"),
    ],
)
def test_a_file_of_settings_that_cannot_be_used(tmp_path: Path, file: str, text: str, says: str) -> None:
    """Its place and what to do, no traceback, and nothing that may be a secret."""
    pv("init", str(tmp_path))
    (tmp_path / file).write_text(text)
    if "policy" in file:
        code = "import sys; from pvcore.config import open_workspace; open_workspace(sys.argv[1]).policy()"
        done = subprocess.run(
            [sys.executable, "-c", code, str(tmp_path)], capture_output=True, text=True, check=False
        )
        assert "ConfigError" in done.stderr
    else:
        done = pv("status", "-w", str(tmp_path))
        assert done.returncode == 2 and "Traceback" not in done.stderr
    assert says in done.stderr and "HUNTER2" not in done.stderr


def test_the_demonstration_destroys_nothing(tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("years of work")
    done = pv("demo", "-w", str(tmp_path))
    assert done.returncode == 2 and "choose another folder" in done.stderr
    assert (tmp_path / "thesis.txt").read_text() == "years of work"


def test_places_that_cannot_be_written_end_in_a_line(root: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    for arguments in (("init", str(tmp_path / "file")), ("init", str(tmp_path / "file" / "sub"))):
        done = pv(*arguments)
        assert done.returncode == 2 and "Traceback" not in done.stderr
    assert pv("run", "retrain", "problem", "-w", str(root)).returncode == 2
    assert pv("run", "retrain", "problem=coding", "-w", str(root)).returncode == 3


def test_ingest_keeps_every_file_under_its_own_name(root: Path, tmp_path: Path) -> None:
    file = tmp_path / "cases.json"
    file.write_text("[]")
    other = tmp_path / "other"
    other.mkdir()
    (other / "cases.json").write_text("[1]")
    rows = json.loads(pv("ingest", str(file), str(other / "cases.json"), "--json", "-w", str(root)).stdout)
    assert [row["object"] for row in rows] == [
        "inbox/annotations/cases.json",
        "inbox/annotations/cases-1.json",
    ]


def test_importing_the_domain_is_cheap_and_brings_no_torch() -> None:
    code = "import pvcore, sys; sys.exit(any(m in sys.modules for m in ('torch', 'prefect', 'pandas')))"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
