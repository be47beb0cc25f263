"""The join, in a folder and in a bucket: killed between any two of its steps it ends as if it never was."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from appliance.cloud.objects.model import NoObject, Objects
from appliance.cloud.objects.opened import open_objects
from appliance.cloud.objects.settings import ObjectsSettings
from appliance.cloud.uploads.actor import join_due
from appliance.cloud.uploads.join import join_upload
from appliance.cloud.uploads.leftovers import sweep
from appliance.cloud.uploads.model import UploadMetadata
from appliance.cloud.uploads.store import KIND, create_upload, read_upload
from appliance.cloud.uploads.tus.buffers import Buffers
from appliance.cloud.uploads.tus.headers import Checksum
from appliance.cloud.uploads.tus.receive import Receiving
from appliance.http.requests import ClientGone
from appliance.kernel.errors import Refused, Unavailable
from appliance.kernel.leases import release_lease, take_lease
from appliance.kernel.operation import Caller
from appliance.kernel.store import Store, open_store
from tests.cloud.objects.test_objects import KEYS, s3_endpoint
from tests.cloud.uploads.kit import content, sha256
from tests.kit.clock import HandClock

__all__ = ["s3_endpoint"]

BOX = Caller("box", role="box", scopes=("site:s1",))


class Killed(BaseException):
    """The process ends here."""


@dataclass
class Mortal:
    """Objects whose process is killed after so many steps; -1: it lives. A step is done, or not begun."""

    inside: Objects
    steps: int = -1
    calls: list[str] = field(default_factory=list)

    def _step(self, name: str) -> None:
        self.calls.append(name)
        if self.steps == 0:
            raise Killed
        self.steps -= 1

    async def create(self, key: str, data: bytes) -> bool:
        self._step("create")
        return await self.inside.create(key, data)

    async def create_long(self, key: str, parts: AsyncIterator[bytes], length: int) -> bool:
        self._step("create_long")
        made = await self.inside.create_long(key, parts, length)
        self._step("created")
        return made

    async def size(self, key: str) -> int:
        self._step("size")
        return await self.inside.size(key)

    async def read(self, key: str, start: int = 0, end: int | None = None) -> bytes:
        self._step("read")
        return await self.inside.read(key, start, end)

    async def delete(self, key: str) -> None:
        self._step("delete")
        await self.inside.delete(key)


@pytest.fixture(params=["file", "s3"])
def objects(request: pytest.FixtureRequest, tmp_path: Path) -> Objects:
    if request.param == "file":
        return open_objects(ObjectsSettings(), tmp_path, KEYS)
    endpoint = request.getfixturevalue("s3_endpoint")
    return open_objects(
        ObjectsSettings(url=f"s3://bucket/{tmp_path.name}", endpoint=endpoint), tmp_path, KEYS
    )


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[Store]:
    async with open_store(tmp_path / "cloud.db", HandClock(), in_thread=False) as store:
        yield store


async def begin(store: Store, data: bytes, **given: Any) -> str:
    make = partial(create_upload, caller=BOX, length=len(data), max_bytes=10**9)
    answer = await store.write(partial(make, metadata=UploadMetadata(**given)))
    return str(answer.resource["id"])


class body:
    """A body in chunks. No generator: one that is left in the middle would have to be closed."""

    def __init__(self, data: bytes, chunk: int = 1000, *, is_cut: bool = False) -> None:
        self._chunks = iter([data[start : start + chunk] for start in range(0, len(data), chunk)])
        self._is_cut = is_cut

    def __aiter__(self) -> body:
        return self

    async def __anext__(self) -> bytes:
        data = next(self._chunks, None)
        if data is None and self._is_cut:
            raise ClientGone
        if data is None:
            raise StopAsyncIteration
        return data


async def send(
    store: Store, objects: Objects, upload_id: str, chunks: AsyncIterator[bytes], **more: Any
) -> int:
    """One PATCH at the offset there is."""
    row, _ = await store.read(partial(read_upload, upload_id=upload_id))
    lease = await store.write(partial(take_lease, kind=KIND, subject=upload_id, owner="p"))
    assert lease is not None
    buffers = more.pop("buffers", Buffers(part_max=2500))
    receiving = Receiving(store, objects, buffers, lease, row["received"], row["length"], **more)
    try:
        return await receiving.take(chunks)
    finally:
        assert buffers.held == 0
        await store.write(partial(release_lease, lease=lease))


async def state_of(store: Store, upload_id: str) -> tuple[str, int]:
    """(state, rows of parts)"""
    row, _ = await store.read(partial(read_upload, upload_id=upload_id))
    return row["state"], await store.read(lambda tx: tx.value("SELECT count(*) FROM upload_parts"))


async def end_leases(store: Store) -> None:
    """The time of the killed process's leases is over."""
    await store.write(lambda tx: tx.run("UPDATE leases SET until_us = 0"))


@pytest.mark.parametrize("declared", [True, False])
async def test_a_join_may_be_killed_between_any_two_steps(
    store: Store, objects: Objects, declared: bool
) -> None:
    data = content(7000)
    kills = 0
    for steps in range(30):
        upload_id = await begin(store, data, sha256=sha256(data) if declared else None)
        await send(store, objects, upload_id, body(data))
        mortal = Mortal(objects, steps)
        try:
            with pytest.RaisesGroup(Killed, allow_unwrapped=True):
                await join_upload(store, mortal, upload_id, "killed")
        except BaseException as error:
            if "DID NOT RAISE" not in str(error):
                raise
            break
        kills += 1
        await end_leases(store)
        if (await state_of(store, upload_id))[0] == "joining":
            assert await join_upload(store, objects, upload_id, "next")
        await sweep(store, objects, "next")
        assert await state_of(store, upload_id) == ("complete", 0)
        assert await objects.read(f"sha256/{sha256(data)}") == data
    # the object, three reads, the row, three deletes at least
    assert kills >= 7


async def test_a_join_that_was_killed_leaves_no_second_file(store: Store, objects: Objects) -> None:
    """The object was made, the row not yet: the next join finds it, and hashes the parts all the same."""
    data = content(6000)
    upload_id = await begin(store, data, sha256=sha256(data))
    await send(store, objects, upload_id, body(data))
    await objects.create(f"sha256/{sha256(data)}", data)
    mortal = Mortal(objects)
    assert await join_upload(store, mortal, upload_id, "p")
    assert mortal.calls.count("read") == 3
    assert await state_of(store, upload_id) == ("complete", 0)


async def test_a_file_that_exists_does_not_excuse_other_bytes(store: Store, objects: Objects) -> None:
    data, other = content(6000), content(6000)
    await objects.create(f"sha256/{sha256(data)}", data)
    upload_id = await begin(store, data, sha256=sha256(data))
    await send(store, objects, upload_id, body(other))
    assert await join_upload(store, objects, upload_id, "p")
    assert await state_of(store, upload_id) == ("failed", 0)


async def test_other_bytes_than_declared_make_no_object(store: Store, objects: Objects) -> None:
    upload_id = await begin(store, b"x" * 6000, sha256="ab" * 32)
    await send(store, objects, upload_id, body(content(6000)))
    assert await join_upload(store, objects, upload_id, "p")
    assert await state_of(store, upload_id) == ("failed", 0)
    with pytest.raises(NoObject):
        await objects.size("sha256/" + "ab" * 32)


async def test_a_part_that_is_lost_fails_the_upload(store: Store, objects: Objects) -> None:
    upload_id = await begin(store, b"x" * 6000)
    await send(store, objects, upload_id, body(b"x" * 6000))
    await objects.delete(f"uploads/{upload_id}/2500")
    assert await join_upload(store, objects, upload_id, "p")
    row, _ = await store.read(partial(read_upload, upload_id=upload_id))
    assert row["state"] == "failed" and "missing" in row["reason"]


async def test_objects_that_are_away_put_the_join_off(store: Store, tmp_path: Path) -> None:
    objects = open_objects(ObjectsSettings(), tmp_path, KEYS)
    upload_id = await begin(store, b"x" * 6000)
    await send(store, objects, upload_id, body(b"x" * 6000))

    class Away(Mortal):
        async def read(self, key: str, start: int = 0, end: int | None = None) -> bytes:
            raise Unavailable("objects_unavailable", "away")

    assert not await join_due(store, Away(objects), "p")
    assert await state_of(store, upload_id) == ("joining", 3)
    assert await join_due(store, objects, "p")
    assert await state_of(store, upload_id) == ("complete", 0)


# -- the body of a PATCH -----------------------------------------------------------------------------------


async def test_a_cut_body_keeps_what_arrived(store: Store, objects: Objects) -> None:
    data = content(9000)
    upload_id = await begin(store, data)
    with pytest.raises(ClientGone):
        await send(store, objects, upload_id, body(data[:4200], is_cut=True))
    row, parts = await store.read(partial(read_upload, upload_id=upload_id))
    assert row["received"] == 4200
    assert [part.object_key.rpartition("/")[2] for part in parts] == ["0", "2500"]


async def test_a_cut_body_with_a_checksum_keeps_nothing(store: Store, objects: Objects) -> None:
    """Half a body cannot be checked."""
    data = content(9000)
    upload_id = await begin(store, data)
    checksum = Checksum("sha256", bytes.fromhex(sha256(data)))
    with pytest.raises(ClientGone):
        await send(store, objects, upload_id, body(data[:6000], is_cut=True), checksum=checksum)
    assert await state_of(store, upload_id) == ("receiving", 0)
    assert await send(store, objects, upload_id, body(data), checksum=checksum) == 9000


async def test_a_part_that_did_not_count_is_never_read(store: Store, objects: Objects) -> None:
    """Killed between the object and its row: the same place is sent again, with other cuts."""
    data = content(5000)
    upload_id = await begin(store, data)
    real = store.write

    async def killed(closure: Any) -> Any:
        if getattr(closure, "func", None).__name__ == "count_parts":  # type: ignore[union-attr]
            raise Killed
        return await real(closure)

    store.write = killed  # type: ignore[method-assign]
    with pytest.raises(Killed):
        await send(store, objects, upload_id, body(b"z" * 3000))
    store.write = real  # type: ignore[method-assign]
    await end_leases(store)
    await send(store, objects, upload_id, body(data, 700), buffers=Buffers(part_max=1700))
    assert await join_upload(store, objects, upload_id, "p")
    assert await objects.read(f"sha256/{sha256(data)}") == data
    with pytest.raises(NoObject):
        await objects.size(f"uploads/{upload_id}/0")


async def test_many_slow_clients_hold_little(store: Store, tmp_path: Path) -> None:
    """Past the bound for all, each stores what it has: smaller objects, never more memory."""
    objects = open_objects(ObjectsSettings(), tmp_path, KEYS)
    buffers = Buffers(total_max=4000, part_max=2500)
    waiting = [buffers.begin() for _ in range(3)]
    for buffer in waiting:
        buffer.add(b"x" * 1300)
    upload_id = await begin(store, b"x" * 4000)
    await send_beside(store, objects, upload_id, buffers)
    _, parts = await store.read(partial(read_upload, upload_id=upload_id))
    assert [part.size_bytes for part in parts] == [1000] * 4
    assert buffers.held == 3900


async def send_beside(store: Store, objects: Objects, upload_id: str, buffers: Buffers) -> None:
    lease = await store.write(partial(take_lease, kind=KIND, subject=upload_id, owner="p"))
    assert lease is not None
    assert await Receiving(store, objects, buffers, lease, 0, 4000).take(body(b"x" * 4000)) == 4000


SPLITS = st.lists(
    st.tuples(
        st.integers(0, 4000),  # bytes of the PATCH
        st.integers(1, 1500),  # of each chunk
        st.sampled_from(["whole", "cut", "checked", "wrong", "cut and checked"]),
    ),
    max_size=8,
)


@settings(deadline=None, max_examples=15)
@given(size=st.integers(0, 12_000), splits=SPLITS, part_max=st.integers(300, 3000))
async def test_any_split_gives_the_same_object(
    tmp_path_factory: pytest.TempPathFactory, size: int, splits: list[tuple[int, int, str]], part_max: int
) -> None:
    """Any PATCHes, cut, checked or refused; then the rest in one."""
    folder = tmp_path_factory.mktemp("split")
    data = bytes(at * 7 % 251 for at in range(size))
    objects = open_objects(ObjectsSettings(), folder, KEYS)
    async with open_store(folder / "cloud.db", HandClock(), in_thread=False) as store:
        upload_id = await begin(store, data, sha256=sha256(data))
        await send_splits(store, objects, upload_id, data, [*splits, (size, 4000, "whole")], part_max)
        assert await join_upload(store, objects, upload_id, "p")
        assert await state_of(store, upload_id) == ("complete", 0)
        key = f"sha256/{sha256(data)}"
        assert await objects.read(key) == data if size else await objects.size(key) == 0


async def send_splits(
    store: Store,
    objects: Objects,
    upload_id: str,
    data: bytes,
    splits: list[tuple[int, int, str]],
    part_max: int,
) -> None:
    """After each PATCH exactly what it must leave is there."""
    offset = 0
    for length, chunk, how in splits:
        if offset == len(data):
            return
        sent = data[offset : offset + length]
        more: dict[str, Any] = {"buffers": Buffers(part_max=part_max)}
        if "checked" in how or how == "wrong":
            right = bytes.fromhex(sha256(sent))
            more["checksum"] = Checksum("sha256", bytes(32) if how == "wrong" else right)
        with suppress(ClientGone, Refused):
            await send(store, objects, upload_id, body(sent, chunk, is_cut="cut" in how), **more)
        offset += len(sent) if how in ("whole", "cut", "checked") else 0
        row, parts = await store.read(partial(read_upload, upload_id=upload_id))
        assert row["received"] == offset == sum(part.size_bytes for part in parts)
