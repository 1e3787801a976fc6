"""Does a store that nobody has used yet keep put-if-absent?"""

from __future__ import annotations

import secrets
from concurrent.futures import ThreadPoolExecutor

from pvcore.errors import NotFound, StoreRefused
from pvcore.registry.store import Store


def probe(store: Store, *, writers: int = 16, rounds: int = 3) -> None:
    """Try out on a new store whether put-if-absent holds. Raises StoreRefused with what went wrong.

    Some S3 servers accept `If-None-Match: *` and overwrite all the same; on those two promotions
    could both succeed. Tried one after the other, and `rounds` times with `writers` at once (which
    finds a race that is often lost; it cannot prove that none exists). Leaves a few small objects
    under probe/, since a store deletes blobs only.
    """
    folder = f"probe/{secrets.token_hex(8)}"

    def require(holds: bool, what: str) -> None:
        if not holds:
            raise StoreRefused(
                f"{store.url} does not keep the contract of the registry: {what}. "
                "Use one that honours If-None-Match: * on PutObject (AWS S3, MinIO, ...), or a local folder."
            )

    def absent(key: str) -> bool:
        try:
            store.get(key)
        except NotFound:
            return not store.exists(key)
        return False

    key = f"{folder}/sequential"
    require(absent(key), "it returned an object that was never written")
    require(store.put_if_absent(key, b"first"), "it refused to create an object that did not exist")
    require(not store.put_if_absent(key, b"second"), "it created an object that existed already")
    require(store.get(key) == b"first", "a second writer replaced an object that existed already")
    for number in range(rounds):
        key = f"{folder}/concurrent-{number}"
        contents = [f"{key} writer {writer}".encode() for writer in range(writers)]
        with ThreadPoolExecutor(writers) as pool:
            created = list(pool.map(lambda data, key=key: store.put_if_absent(key, data), contents))
        require(
            sum(created) == 1,
            f"{sum(created)} of {writers} concurrent writers were told that they created it",
        )
        require(store.get(key) == contents[created.index(True)], "it kept another object than the winner's")
    listed = [item.key for item in store.list(f"{folder}/")]
    expected = sorted([f"{folder}/sequential", *(f"{folder}/concurrent-{n}" for n in range(rounds))])
    require(listed == expected, "a listing does not show what was written")
