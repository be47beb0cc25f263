"""Who a real MediaMTX lets in with the users that `appliance mediamtx-config` wrote."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import httpx
import pytest
import trio

from appliance.box.mediamtx.configure import configure
from appliance.box.settings import check_settings
from tests.box.live.mediamtx.rig import MediaMTX, Rig, rig
from tests.kit.waiting import eventually


@asynccontextmanager
async def api(mediamtx: MediaMTX, *login: str) -> AsyncIterator[httpx.AsyncClient]:
    auth = httpx.BasicAuth(*login) if login else None
    base_url = f"http://127.0.0.1:{mediamtx.api_port}"
    async with httpx.AsyncClient(base_url=base_url, auth=auth, trust_env=False, timeout=20) as client:
        yield client


async def refused(setup: Rig, streamid: str) -> None:
    """A camera with this stream id is turned away."""
    count = setup.mediamtx.log.count("authentication failed")
    camera = setup.mediamtx.camera("cam1", name="OTHER", streamid=streamid)
    with camera:
        await eventually(
            lambda: setup.mediamtx.log.count("authentication failed") > count,
            within_s=15,
            what=f"{streamid} is refused",
        )


@pytest.mark.parametrize("path", ["/v3/paths/list", "/v3/config/global/get", "/v3/recordings/list"])
async def test_the_box_alone_may_ask_the_api(tmp_path: Path, path: str) -> None:
    async with rig(tmp_path, cameras=["cam1"]) as setup:
        for login, status in (
            ((), 401),
            (("cam1", "cam1secret"), 401),
            (("appliance", "wrong"), 401),
            (("any", ""), 401),
            (("appliance", "daemonsecret"), 200),
        ):
            async with api(setup.mediamtx, *login) as client:
                assert (await client.get(path)).status_code == status, login


async def test_a_camera_sends_with_what_it_was_given_and_with_nothing_else(tmp_path: Path) -> None:
    async with rig(tmp_path) as setup:
        for streamid in (
            "publish:cam1",
            "publish:cam1:cam1:wrong",
            "publish:cam1:cam2:cam2secret",
            "publish:cam9:cam1:cam1secret",
            "read:cam1:cam1:cam1secret",
        ):
            await refused(setup, streamid)
        assert (await setup.http.get("/channels/cam1/timeline"))["runs"] == []
        with setup.mediamtx.camera("cam1"):
            await setup.recorded(1.0)


async def test_a_camera_connects_again_while_the_daemon_is_down(tmp_path: Path) -> None:
    """MediaMTX asks nobody who may send."""
    async with rig(tmp_path, cameras=["cam1"]) as setup:
        camera = setup.mediamtx.camera("cam1")
        try:
            camera.start()
            await setup.recorded(1.0)
            await setup.box.kill()
            camera.drop()
            known = len(list((setup.mediamtx.recordings / "cam1").iterdir()))
            with trio.fail_after(30):
                while len(list((setup.mediamtx.recordings / "cam1").iterdir())) == known:
                    camera.start()
                    await trio.sleep(2.0)  # an encoder's pause between two attempts
                    if len(list((setup.mediamtx.recordings / "cam1").iterdir())) == known:
                        camera.drop()
            await setup.box.start()
            async with setup.box.http() as http:
                await Rig(setup.mediamtx, setup.box, http).recorded(1.0)
        finally:
            camera.stop()


async def test_a_new_password_interrupts_no_camera_and_ends_the_old_one(tmp_path: Path) -> None:
    """The command as it is, on the file of a running MediaMTX."""
    async with rig(tmp_path) as setup:
        settings = check_settings(
            {
                "storage": {"state_dir": tmp_path / "state", "recordings_dir": tmp_path / "recordings"},
                "mediamtx": {"read_user": "appliance", "read_password": "daemonsecret"},
                "channels": [{"id": "cam1"}, {"id": "cam2"}, {"id": "cam3"}],
            }
        )
        with setup.mediamtx.camera("cam1"), setup.mediamtx.camera("cam2"):
            await setup.recorded(1.0)
            await setup.recorded(1.0, "cam2")
            done = configure(settings, tmp_path / "mediamtx.yml", ["cam1"], "127.0.0.1")
            assert set(done.urls) == {"cam1", "cam3"}
            await eventually(
                lambda: "reloading configuration" in setup.mediamtx.log, within_s=10, what="it is read again"
            )
            await setup.recorded(2.0)
            await setup.recorded(0.5, "cam2")
            for name in ("cam1", "cam2"):
                assert len((await setup.http.get(f"/channels/{name}/timeline"))["runs"]) == 1
        await refused(setup, "publish:cam1:cam1:cam1secret")
        streamid = done.urls["cam1"].partition("streamid=")[2]
        async with api(setup.mediamtx, "appliance", "daemonsecret") as client:
            paths = (await client.get("/v3/paths/list")).json()["items"]
            assert {each["name"] for each in paths} == {"cam1", "cam2", "cam3"}
            again = setup.mediamtx.camera("cam1", streamid=streamid)
            with again:
                await setup.recorded(0.5)
