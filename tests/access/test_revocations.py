"""A database restored from a copy does not restore access that was revoked since."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from appliance.access.console import leave_code, leave_token
from appliance.access.revocations import NAME
from appliance.kernel.rescue import install
from appliance.kernel.sqlite.connection import backup_file
from tests.access.kit import running_side
from tests.kit.waiting import eventually


def put_back(folder: Path, copy: Path) -> None:
    install(folder / "box.db", copy, 1_900_000_000_000_000)


async def test_a_device_revoked_since_the_copy_stays_revoked(tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    async with running_side(tmp_path) as side:
        lost_id, lost = await side.paired("coach", "Lost")
        _, kept = await side.paired("coach", "Kept")
        _, admin = await side.paired("admin")
        backup_file(tmp_path / "box.db", copy)
        assert (await admin.delete(f"/devices/{lost_id}")).status == 200
    put_back(tmp_path, copy)
    for _ in range(2):  # at this start and at the next one
        async with running_side(tmp_path) as side:
            assert (await side.device(bearer(lost)).post("/plays")).status == 401
            assert (await side.device(bearer(kept)).post("/plays")).status == 201
            names = [
                each["name"] for each in (await side.device(bearer(admin)).get("/devices")).json["items"]
            ]
            assert names == ["Kept", "admin"]
            assert (await side.device(bearer(admin)).delete(f"/devices/{lost_id}")).status == 410


async def test_a_role_changed_since_the_copy_stays_changed(tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    async with running_side(tmp_path) as side:
        device_id, other = await side.paired("admin", "Assistant's iPad")
        _, admin = await side.paired("admin")
        backup_file(tmp_path / "box.db", copy)
        side.clock.advance(1)
        await admin.patch(f"/devices/{device_id}", {"role": "coach"})
    put_back(tmp_path, copy)
    async with running_side(tmp_path) as side:
        assert (await side.device(bearer(other)).get("/devices")).status == 403
        shown = (await side.device(bearer(admin)).get(f"/devices/{device_id}")).json
        assert (shown["role"], shown["name"]) == ("coach", "Assistant's iPad")
        side.clock.advance(10)
        await side.device(bearer(admin)).patch(f"/devices/{device_id}", {"role": "analyst"})
    async with running_side(tmp_path) as side:
        assert (await side.device(bearer(admin)).get(f"/devices/{device_id}")).json["role"] == "analyst"


async def test_a_used_code_stays_used_in_a_restored_copy(tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    async with running_side(tmp_path) as side:
        _, admin = await side.paired("admin")
        made = await admin.post("/devices/codes", {"role": "admin"})
        backup_file(tmp_path / "box.db", copy)
        assert (await side.client.post("/pair", {"code": made.json["code"]})).status == 201
    put_back(tmp_path, copy)
    async with running_side(tmp_path) as side:
        assert (await side.client.post("/pair", {"code": made.json["code"]})).status == 403


@pytest.mark.parametrize("content", [None, b"", b"{}", b"[]", b'{"devices": {"x": ["king", 1]}}', b"\xff"])
async def test_a_lost_or_damaged_file_of_revocations_is_made_again_from_the_database(
    tmp_path: Path, content: bytes | None
) -> None:
    file = tmp_path / NAME
    async with running_side(tmp_path) as side:
        lost_id, lost = await side.paired("coach", "Lost")
        _, admin = await side.paired("admin")
        await admin.delete(f"/devices/{lost_id}")
        assert lost_id in file.read_text() and os.stat(file).st_mode & 0o777 == 0o600
    file.unlink() if content is None else file.write_bytes(content)
    async with running_side(tmp_path) as side:
        assert (await side.device(bearer(lost)).post("/plays")).status == 401
        await eventually(lambda: file.exists() and lost_id.encode() in file.read_bytes())


async def test_on_a_full_disk_a_device_is_revoked_too(tmp_path: Path) -> None:
    async with running_side(tmp_path) as side:
        lost_id, lost = await side.paired("coach", "Lost")
        _, admin = await side.paired("admin")
        (tmp_path / f"{NAME}.tmp").mkdir()  # as if the disk accepted no file
        assert (await admin.delete(f"/devices/{lost_id}")).status == 200
        assert (await lost.post("/plays")).status == 401
        (tmp_path / f"{NAME}.tmp").rmdir()
    async with running_side(tmp_path):
        await eventually((tmp_path / NAME).exists)


async def test_a_token_from_the_console_is_taken_over_when_its_device_calls(tmp_path: Path) -> None:
    before = leave_token(tmp_path, "capture", "North camera")
    async with running_side(tmp_path) as side:
        await eventually(lambda: not any((tmp_path / "pairing").iterdir()))
        assert (await side.device(before).post("/plays")).status == 403, "known from the start, by its role"
        later = leave_token(tmp_path, "coach", "Bench")
        device = side.device(later)
        assert (await device.post("/plays")).status == 401
        await eventually(lambda: not any((tmp_path / "pairing").iterdir()))
        mark = await device.post("/plays")
        assert mark.json["created_by"] == "Bench"
        _, admin = await side.paired("admin")
        await admin.delete(f"/devices/{mark.json['identity']}")
        assert (await device.post("/plays")).status == 401


async def test_a_restored_token_file_does_not_restore_access(tmp_path: Path) -> None:
    token = leave_token(tmp_path, "coach", "Bench")
    (file,) = (tmp_path / "pairing").iterdir()
    content = file.read_bytes()
    async with running_side(tmp_path) as side:
        await eventually(lambda: not file.exists())
        _, admin = await side.paired("admin")
        device_id = (await side.device(token).post("/plays")).json["identity"]
        await admin.delete(f"/devices/{device_id}")
    file.write_bytes(content)
    async with running_side(tmp_path) as side:
        code = leave_code(tmp_path, "coach", None, 10)
        assert (await side.client.post("/pair", {"code": code})).status == 201, "the folder was looked at"
        assert not file.exists()
        assert (await side.device(token).post("/plays")).status == 401


def bearer(client: object) -> str:
    return str(client.headers["authorization"]).split()[1]  # type: ignore[attr-defined]
