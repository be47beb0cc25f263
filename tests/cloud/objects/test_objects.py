"""Objects in a folder and in a bucket behave alike: against a real file system and a real S3 server."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import trio

from appliance.cloud.objects.folder import DRAFTS, FolderObjects
from appliance.cloud.objects.model import PART_MAX, NoObject, Objects, checked_key
from appliance.cloud.objects.opened import contradictions, open_objects
from appliance.cloud.objects.settings import ObjectsSettings
from appliance.kernel.errors import Unavailable

KEYS = {"AWS_ACCESS_KEY_ID": "key", "AWS_SECRET_ACCESS_KEY": "secret"}


@pytest.fixture(scope="module")
def s3_endpoint() -> Iterator[str]:
    server_module = pytest.importorskip("moto.server", reason="moto[s3] and flask-cors are not installed")
    pytest.importorskip("obstore", reason="obstore is not installed")
    import logging

    import httpx

    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    server: Any = server_module.ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    httpx.put(f"http://{host}:{port}/bucket", timeout=60, trust_env=False).raise_for_status()
    yield f"http://{host}:{port}"
    server.stop()


@pytest.fixture(params=["file", "s3"])
def objects(request: pytest.FixtureRequest, tmp_path: Path) -> Objects:
    settings = ObjectsSettings(url="file:kept/objects")
    if request.param == "s3":
        endpoint = request.getfixturevalue("s3_endpoint")
        settings = ObjectsSettings(
            url=f"s3://bucket/of/{tmp_path.name}", endpoint=endpoint, region="eu-west-1"
        )
    return open_objects(settings, tmp_path, KEYS)


async def test_an_object_is_read_whole_and_in_ranges(objects: Objects) -> None:
    assert await objects.create("uploads/1/0", b"0123456789")
    assert await objects.size("uploads/1/0") == 10
    assert await objects.read("uploads/1/0") == b"0123456789"
    assert await objects.read("uploads/1/0", 2, 5) == b"234"
    assert await objects.read("uploads/1/0", 7) == b"789"
    assert await objects.read("uploads/1/0", 7, 100) == b"789"
    assert await objects.read("uploads/1/0", 10, 12) == b""
    assert await objects.read("uploads/1/0", 99) == b""
    assert await objects.read("uploads/1/0", 3, 3) == b""


async def test_an_object_is_never_changed(objects: Objects) -> None:
    assert await objects.create("sha256/ab", b"first")
    assert not await objects.create("sha256/ab", b"second, longer")
    assert await objects.read("sha256/ab") == b"first"


@pytest.mark.parametrize("objects", ["file"], indirect=True)  # the test's S3 server checks, then writes
async def test_of_several_simultaneous_creates_of_a_key_one_succeeds(objects: Objects) -> None:
    made: dict[int, bool] = {}

    async def create(number: int) -> None:
        made[number] = await objects.create("sha256/cd", b"%d" % number)

    async with trio.open_nursery() as nursery:
        for number in range(8):
            nursery.start_soon(create, number)
    winners = [number for number, is_new in made.items() if is_new]
    assert len(winners) == 1
    assert await objects.read("sha256/cd") == b"%d" % winners[0]


async def test_a_missing_object_is_an_error_for_size_and_read(objects: Objects) -> None:
    for call in (objects.size("no/such"), objects.read("no/such"), objects.read("no/such", 3, 4)):
        with pytest.raises(NoObject):
            await call
    await objects.delete("no/such")
    await objects.create("a", b"")
    assert (await objects.size("a"), await objects.read("a")) == (0, b"")
    await objects.delete("a")
    with pytest.raises(NoObject):
        await objects.size("a")
    assert await objects.create("a", b"again")


async def test_an_object_that_is_too_large_is_refused_before_it_is_sent(objects: Objects) -> None:
    with pytest.raises(ValueError, match="at most"):
        await objects.create("a", b"x" * (PART_MAX + 1))
    for start, end in ((0, PART_MAX + 1), (-1, 3), (5, 4)):
        with pytest.raises(ValueError, match="no range"):
            await objects.read("a", start, end)


@pytest.mark.parametrize(
    "key",
    ["", "/a", "a/", "a//b", "../a", "a/../b", ".drafts/a", "a/.b", "a b", "a\0", "a\nb", "é", "x" * 513],
)
def test_no_key_leads_out_of_the_store(key: str) -> None:
    with pytest.raises(ValueError, match="no key"):
        checked_key(key)


# -- a folder -----------------------------------------------------------------------------------------------


async def test_a_create_is_synced_before_and_after_it_has_its_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The draft before the link, the folder after it; also each folder that was made, and when it existed."""
    objects = FolderObjects(tmp_path / "objects")
    objects.open()
    events: list[str] = []
    fsync, link = os.fsync, os.link

    def synced(descriptor: int) -> None:
        path = Path(os.readlink(f"/proc/self/fd/{descriptor}"))
        events.append("sync draft" if path.parent.name == DRAFTS else f"sync {path.name}")
        fsync(descriptor)

    def linked(source: Path, target: Path) -> None:
        events.append("link")
        link(source, target)

    monkeypatch.setattr(os, "fsync", synced)
    monkeypatch.setattr(os, "link", linked)
    assert await objects.create("uploads/1/0", b"x")
    assert events == ["sync objects", "sync uploads", "sync draft", "link", "sync 1"]
    events.clear()
    assert not await objects.create("uploads/1/0", b"x")
    assert events == ["sync draft", "link", "sync 1"]


@pytest.mark.parametrize("failing", ["fsync", "link"])
async def test_a_create_that_fails_leaves_nothing(
    failing: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    objects = FolderObjects(tmp_path)
    objects.open()
    (tmp_path / "a").mkdir()

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(os, failing, full)
        with pytest.raises(Unavailable, match="No space left"):
            await objects.create("a/b", b"x")
    assert [*(tmp_path / DRAFTS).iterdir(), *(tmp_path / "a").iterdir()] == []
    assert await objects.create("a/b", b"x")


def test_drafts_of_a_crash_are_removed_once_they_are_old(tmp_path: Path) -> None:
    drafts = tmp_path / DRAFTS
    drafts.mkdir()
    for name in ("old", "young"):
        (drafts / name).write_bytes(b"x")
    os.utime(drafts / "old", (1, 1))
    FolderObjects(tmp_path).open()
    assert [path.name for path in drafts.iterdir()] == ["young"]


# -- a bucket -----------------------------------------------------------------------------------------------


async def test_the_error_of_a_store_that_does_not_answer_is_one_line() -> None:
    pytest.importorskip("obstore", reason="obstore is not installed")
    from appliance.cloud.objects.s3 import S3Objects

    credentials = {"access_key_id": "a", "secret_access_key": "b"}
    objects = S3Objects("bucket", "", credentials, endpoint="http://127.0.0.1:1", retries={"max_retries": 0})
    with pytest.raises(Unavailable) as failed:
        await objects.create("a", b"x")
    assert failed.value.code == "objects_unavailable"
    assert "\n" not in failed.value.detail and "secret" not in failed.value.detail


@pytest.mark.parametrize("missing", sorted(KEYS))
def test_a_bucket_without_a_key_in_the_environment_is_not_opened(missing: str, tmp_path: Path) -> None:
    settings = ObjectsSettings(url="s3://bucket")
    environment = {name: value for name, value in KEYS.items() if name != missing}
    assert [line.partition(":")[0] for line in contradictions(settings, environment)] == [missing]
    with pytest.raises(ValueError, match=missing):
        open_objects(settings, tmp_path, environment)
    assert contradictions(ObjectsSettings(), {}) == []


@pytest.mark.parametrize(
    "url", ["", "objects", "file:", "file:/", "s3:bucket", "s3://", "gs://bucket", "http://x"]
)
def test_a_url_of_another_kind_is_refused(url: str) -> None:
    with pytest.raises(ValueError, match="must be"):
        ObjectsSettings(url=url)
