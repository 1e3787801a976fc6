"""A store that dies, or lies, at the write that it is told: what kill -9 and a network do to a registry."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from pvcore.errors import RegistryError


class Killed(BaseException):
    """Nothing catches it, as nothing catches kill -9."""


class Dying:
    """Passes everything on to `store`; at its write number `at` it does `what`, before or after the write.

    `what` is called "before" and "after" the write; it may raise, or end the process.
    """

    def __init__(self, store: Any, at: int = 0, what: Callable[[str], None] = lambda when: None) -> None:
        self.store, self.at, self.what = store, at, what
        self.writes = 0

    def __getattr__(self, name: str) -> Any:
        return getattr(self.store, name)

    def put_if_absent(self, key: str, data: Any) -> bool:
        return bool(self._write(lambda: self.store.put_if_absent(key, data)))

    def delete(self, key: str) -> None:
        self._write(lambda: self.store.delete(key))

    def _write(self, write: Callable[[], Any]) -> Any:
        self.writes += 1
        doomed = self.writes == self.at
        if doomed:
            self.what("before")
        done = write()
        if doomed:
            self.what("after")
        return done


class Lying(Dying):
    """Carries every write out and then says that it failed: by an error, or (412) that the key was taken."""

    def __init__(self, store: Any, how: str) -> None:
        super().__init__(store)
        self.how = how

    def put_if_absent(self, key: str, data: Any) -> bool:
        self.store.put_if_absent(key, data)
        if self.how == "error" and key.startswith("ledger/"):
            raise RegistryError("the server did not answer")
        return False


def dies(when: str) -> Callable[[str], None]:
    def what(moment: str) -> None:
        if moment == when:
            raise Killed

    return what
