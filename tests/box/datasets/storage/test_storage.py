"""A folder and a bucket behave alike: against a real file system and a real S3 server."""

from __future__ import annotations

import errno
from collections.abc import Iterator
from pathlib import Path

import pytest

from appliance.box.datasets.storage.folder import FolderStorage
from appliance.box.datasets.storage.model import ChangedMeanwhile, Expected, Storage
from appliance.box.datasets.storage.opened import BadRoot, open_storage
from tests.box.datasets.s3_server import s3_options


@pytest.fixture(scope="module")
def s3() -> Iterator[dict[str, str]]:
    with s3_options() as environment:
        yield environment


@pytest.fixture(params=["folder", "s3"])
def storage(request: pytest.FixtureRequest, tmp_path: Path) -> Storage:
    if request.param == "folder":
        return open_storage(str(tmp_path / "root"), {})
    return open_storage(f"s3://bucket/{tmp_path.name}/", request.getfixturevalue("s3"))


def test_an_object_is_found_read_listed_copied_and_deleted(storage: Storage, tmp_path: Path) -> None:
    assert storage.find("games/g1/a.json") is None
    stored = storage.put("games/g1/a.json", b"one")
    assert storage.find("games/g1/a.json") == stored and storage.read("games/g1/a.json") == b"one"
    storage.copy("games/g1/a.json", "games/g1/hf/b.json")
    storage.put("games/g2/c.json", b"")
    assert [each.key for each in storage.keys("games/g1/")] == ["games/g1/a.json", "games/g1/hf/b.json"]
    storage.delete("games/g1/hf/b.json")
    storage.delete("games/g1/hf/b.json")
    assert [each.key for each in storage.keys("games/")] == ["games/g1/a.json", "games/g2/c.json"]
    assert list(storage.keys("nothing/")) == []
    with pytest.raises(FileNotFoundError):
        storage.read("games/g1/hf/b.json")


def test_a_file_is_moved_in_and_fetched(storage: Storage, tmp_path: Path) -> None:
    source, target = tmp_path / "clip", tmp_path / "fetched"
    source.write_bytes(b"video" * 2_000_000)  # more than one part
    stored = storage.put_file("games/g1/clips/p.mp4", source)
    assert stored.size == 10_000_000 and not source.exists()
    assert storage.fetch("games/g1/clips/p.mp4", target) == stored.size
    assert target.read_bytes() == b"video" * 2_000_000
    place = storage.place("games/g1/clips/p.mp4")
    assert place is None or place.read_bytes() == target.read_bytes()
    with pytest.raises(FileNotFoundError):
        storage.fetch("games/g1/clips/q.mp4", target)


def test_a_put_replaces_only_what_was_read(storage: Storage) -> None:  # T21
    first = storage.put("manifest.json", b"1", Expected.NOTHING)
    with pytest.raises(ChangedMeanwhile):
        storage.put("manifest.json", b"2", Expected.NOTHING)
    second = storage.put("manifest.json", b"22", first.version)
    with pytest.raises(ChangedMeanwhile, match=r"manifest\.json"):
        storage.put("manifest.json", b"3", first.version)
    assert storage.read("manifest.json") == b"22" and second.version != first.version
    storage.delete("manifest.json")
    with pytest.raises((ChangedMeanwhile, FileNotFoundError)):
        storage.put("manifest.json", b"4", second.version)


def test_a_bucket_that_cannot_be_reached_is_an_error_with_a_reason() -> None:
    pytest.importorskip("obstore")
    from appliance.box.datasets.storage.bucket import BucketStorage

    options = {"access_key_id": "k", "secret_access_key": "s", "endpoint": "http://127.0.0.1:1"}
    bucket = BucketStorage("s3://bucket", {**options, "region": "r"}, {"max_retries": 0})
    with pytest.raises(OSError, match="the bucket cannot be used"):
        bucket.find("a")
    with pytest.raises(OSError, match="the bucket cannot be used"):
        list(bucket.keys("a/"))


@pytest.mark.parametrize("address", ["", "ftp://host/a", "s3://", "s3://bucket", "gs://bucket"])
def test_an_address_without_credentials_or_of_another_kind_is_refused(address: str) -> None:  # T29
    with pytest.raises(BadRoot):
        open_storage(address, {"AWS_ACCESS_KEY_ID": "key"})


@pytest.mark.parametrize("key", ["", "/a", "../a", "a/../b", "a//b", "."])
def test_no_key_leads_out_of_the_folder(key: str, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="no key"):
        FolderStorage(tmp_path).read(key)


def test_a_folder_is_named_by_a_path_or_an_address(tmp_path: Path) -> None:
    assert (
        open_storage(tmp_path.as_uri(), {}).uri == open_storage(f"{tmp_path}/", {}).uri == tmp_path.as_uri()
    )


def test_a_failed_write_leaves_nothing_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    storage = FolderStorage(tmp_path)

    def full(descriptor: int) -> None:
        raise OSError(errno.ENOSPC, "no space left")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(OSError, match="no space left"):
        storage.put("games/a", b"1")
    assert list((tmp_path / "games").iterdir()) == []


def test_an_empty_folder_goes_with_its_last_file(tmp_path: Path) -> None:
    storage = FolderStorage(tmp_path)
    storage.put("games/g1/clips/a", b"1")
    storage.delete("games/g1/clips/a")
    assert list(tmp_path.iterdir()) == []


def test_a_file_of_another_disk_is_copied(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source, storage = tmp_path / "clip", FolderStorage(tmp_path / "root")
    source.write_bytes(b"1")

    def other_disk(self: Path, target: Path) -> Path:
        raise OSError(errno.EXDEV, "another disk")

    monkeypatch.setattr(Path, "rename", other_disk)
    assert storage.put_file("a", source).size == 1 and not source.exists()
    assert storage.read("a") == b"1"
