"""A large batch file goes into the inbox and to quarantine without ever being held."""

from __future__ import annotations

import tracemalloc
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from pvcore.config import init_workspace, open_workspace
from pvcore.cycle import admission, inbox
from pvcore.errors import InputError

LARGE = 64 * 2**20


def peak(call: Callable[[], Any]) -> tuple[Any, int]:
    """What a call returned, and the most bytes that it held."""
    tracemalloc.start()
    try:
        return call(), tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def test_a_large_file_is_put_and_quarantined_in_little_memory(tmp_path: Path) -> None:
    init_workspace(tmp_path / "ws")
    (tmp_path / "ws" / "pv.yaml").write_text("settle_seconds: 0\n")
    workspace = open_workspace(tmp_path / "ws")
    file = tmp_path / "large.xml"
    with file.open("wb") as opened:
        opened.write(b'<MCCI_IN200100UV01 xmlns="urn:hl7-org:v3">\n')
        for _ in range(LARGE // 2**20):
            opened.write(b"\n" * 2**20)
    inbox.look(workspace, "annotations")
    for keys in (["inbox/annotations/large.xml"],) * 2:  # the second time it is compared
        assert peak(lambda: inbox.put(workspace, "annotations", [file]))[0] == keys
    _, held = peak(lambda: inbox.put(workspace, "annotations", [file]))
    assert held < LARGE // 8
    (found,) = inbox.look(workspace, "annotations")

    def read() -> InputError:
        with pytest.raises(InputError) as raised:
            inbox.read_batch(workspace, found)
        return raised.value

    error, held = peak(read)
    assert held < LARGE // 8
    outcome, held = peak(lambda: admission.quarantine(workspace, found, error))
    assert outcome.kind == "Quarantined" and held < LARGE // 8
    (kept,) = (item for item in workspace.store.list("quarantine/") if "/object/" in item.key)
    assert kept.size == file.stat().st_size
    (again,) = inbox.put(workspace, "annotations", [file])
    assert again == "inbox/annotations/large-1.xml", "what was quarantined may be put again"
