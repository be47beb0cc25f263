"""The users in MediaMTX's settings file: who may send, and what of the file stays as it is."""

from __future__ import annotations

import base64
import hashlib
import re
from pathlib import Path

import pytest

from appliance.box.mediamtx.users import (
    CannotWrite,
    camera_url,
    hashed,
    hashes_of,
    new_password,
    rewritten,
    srt_port,
)

yaml = pytest.importorskip("yaml")  # of the OpenAPI validator: reads the result as MediaMTX does
SHIPPED = (Path(__file__).parents[3] / "config" / "mediamtx.yml").read_text()
BOX = hashed("box")
CAMERAS = {"cam1": hashed("one"), "cam2": hashed("two")}

# the one that MediaMTX itself ships
EVERYBODY = """authMethod: http
authInternalUsers:
# Default unprivileged user.
- user: any
  pass:
  ips: []
  permissions:
  - action: publish
    path:
  - action: read
- user: any
  pass:
  ips: ['127.0.0.1', '::1']
  permissions:
  - action: api

# Authentication over HTTP
authHTTPAddress: ""
paths:
  all_others:
"""


def users_of(text: str) -> dict[str, list[object]]:
    """Each user's password, addresses and permissions."""
    return {
        each["user"]: [
            each.get("pass", ""),
            each.get("ips", []),
            [(one["action"], one.get("path", "")) for one in each["permissions"]],
        ]
        for each in yaml.safe_load(text)["authInternalUsers"]
    }


@pytest.mark.parametrize(
    "text", [SHIPPED, EVERYBODY, "logLevel: info\n", ""], ids=["ours", "theirs", "bare", "none"]
)
def test_each_camera_may_publish_its_path_and_the_box_alone_reads(text: str) -> None:
    done = rewritten(text, CAMERAS, "appliance", BOX).text
    loopback = ["127.0.0.1", "::1"]
    assert users_of(done) == {
        "cam1": [CAMERAS["cam1"], [], [("publish", "cam1")]],
        "cam2": [CAMERAS["cam2"], [], [("publish", "cam2")]],
        "appliance": [BOX, loopback, [("read", ""), ("api", "")]],
    }
    tree = yaml.safe_load(done)
    assert tree["authMethod"] == "internal", "by HTTP no camera could reconnect while the daemon is down"
    assert set(tree["paths"]) == {"cam1", "cam2"}
    again = rewritten(done, CAMERAS, "appliance", BOX)
    assert again.text == done and again.removed == ()


def test_every_other_line_stays() -> None:
    done = rewritten(SHIPPED, CAMERAS, "appliance", BOX).text
    ours = re.compile(r"authMethod|authInternalUsers|paths:")
    for line in SHIPPED.splitlines():
        assert ours.match(line) or line in done.splitlines(), line
    before, after = yaml.safe_load(SHIPPED), yaml.safe_load(done)
    written = ("authMethod", "authInternalUsers", "paths")
    assert {k: v for k, v in before.items() if k not in written} == {
        k: v for k, v in after.items() if k not in written
    }


def test_a_channel_that_is_gone_loses_its_user_and_its_path() -> None:
    both = rewritten(SHIPPED, CAMERAS, "appliance", BOX).text
    one = rewritten(both, {"cam2": CAMERAS["cam2"]}, "appliance", BOX)
    assert one.removed == ("cam1",) and one.removed_paths == ("cam1",)
    assert set(users_of(one.text)) == {"cam2", "appliance"}
    assert yaml.safe_load(one.text)["paths"] == {"cam2": {}}
    none = rewritten(both, {}, "appliance", BOX)
    assert yaml.safe_load(none.text)["paths"] == {}


def test_a_user_added_by_hand_stays_unless_it_admits_everybody() -> None:
    text = EVERYBODY.replace(
        "# Authentication",
        """- user: truck
  pass: sha256:abc=  # the broadcaster
  permissions:
  - action: read
    path: cam1
- user: any
  ips: ["192.168.20.0/24"]
  permissions:
  - action: publish
    path: cam2
- user: guest
  permissions:
  - action: read
# Authentication""",
    ).replace("  all_others:", "  cam1:\n    overridePublisher: true\n    # why\n  gone: {}")
    done = rewritten(text, CAMERAS, "appliance", BOX)
    assert done.removed == ("any", "any", "guest")
    users = users_of(done.text)
    assert users["truck"] == ["sha256:abc=", [], [("read", "cam1")]]
    entries = yaml.safe_load(done.text)["authInternalUsers"]
    assert [each["ips"] for each in entries if each["user"] == "any"] == [["192.168.20.0/24"]]
    assert yaml.safe_load(done.text)["paths"] == {"cam1": {"overridePublisher": True}, "cam2": {}}
    assert "# Authentication over HTTP" in done.text


@pytest.mark.parametrize(
    ("permissions", "stay", "go"),
    [
        ("\n  - action: publish\n    path: cam5  # roof", {"cam5"}, ("cam6", "old")),
        (" [{action: publish, path: 'cam5'}, {action: read, path: cam6}]", {"cam5", "cam6"}, ("old",)),
        ("\n  - path: cam6\n    action: publish", {"cam6"}, ("cam5", "old")),
        ("\n  - action: publish\n    path: ~^cam", {"cam5", "cam6"}, ("old",)),
        ("\n  - action: publish", {"cam5", "cam6", "old"}, ()),
        ("\n  - action: publish\n    path:", {"cam5", "cam6", "old"}, ()),
        ("\n  - action: read\n    path: cam5", set(), ("cam5", "cam6", "old")),
    ],
)
def test_the_path_of_a_camera_that_is_no_channel_of_the_settings_stays(
    permissions: str, stay: set[str], go: tuple[str, ...]
) -> None:
    """Channels made by POST /channels are in the database; their users are added to the file by hand."""
    text = f"""authInternalUsers:
- user: cam5
  pass: sha256:abc=
  permissions:{permissions}
paths:
  cam5: {{}}
  cam6:
  cam1: {{}}
  old: {{}}
"""
    done = rewritten(text, CAMERAS, "appliance", BOX)
    assert set(yaml.safe_load(done.text)["paths"]) == {"cam1", "cam2"} | stay
    assert done.removed_paths == go and "cam5" in users_of(done.text)
    again = rewritten(done.text, CAMERAS, "appliance", BOX)
    assert again.removed_paths == () and again.text == done.text


@pytest.mark.parametrize(
    "limits",
    ["", "  ips: []\n", "  ips:\n", "  ips: [ ]\n"],
)
def test_a_user_without_a_password_must_be_limited_to_addresses(limits: str) -> None:
    text = f"authInternalUsers:\n- user: any\n{limits}  permissions:\n  - action: publish\n    path: cam1\n"
    assert rewritten(text, CAMERAS, "appliance", BOX).removed == ("any",)


def test_addresses_do_not_open_the_recordings_or_the_api() -> None:
    for action in ("read", "playback", "api", "metrics"):
        text = f"""authInternalUsers:
- user: any
  ips:
    - 192.168.20.0/24
  permissions:
  - action: publish
  - action: {action}
"""
        assert rewritten(text, CAMERAS, "appliance", BOX).removed == ("any",)


def test_passwords_that_cameras_have_are_known_again() -> None:
    done = rewritten(SHIPPED, CAMERAS, "appliance", BOX).text
    assert hashes_of(done) == {**CAMERAS, "appliance": BOX}
    by_hand = """authInternalUsers:
  - pass: plain
    user: cam1
  - user: "cam2"   # upper stand
    pass: 'argon2:$argon2id$v=19$m=4096,t=3,p=1$c2FsdA$aGFzaA'
  - user: cam3
    pass: sha256:ReplaceThisByTheHashOfThePasswordOfCam3=
"""
    assert hashes_of(by_hand) == {
        "cam1": hashed("plain"),
        "cam2": "argon2:$argon2id$v=19$m=4096,t=3,p=1$c2FsdA$aGFzaA",
    }
    assert rewritten(by_hand, CAMERAS, "appliance", BOX).removed == (), "a placeholder lets nobody in"


@pytest.mark.parametrize(
    "text",
    [
        "authInternalUsers: [{user: any, permissions: [{action: read}]}]\n",
        "authInternalUsers:\n  - {user: any, permissions: [{action: read}]}\n",
        "paths: {cam1: {record: false}}\n",
    ],
)
def test_a_form_that_cannot_be_changed_safely_is_refused(text: str) -> None:
    with pytest.raises(CannotWrite, match="write"):
        rewritten(text, CAMERAS, "appliance", BOX)


def test_a_channel_with_the_name_of_the_boxs_user_is_refused() -> None:
    with pytest.raises(CannotWrite, match=r"mediamtx\.read_user"):
        rewritten(SHIPPED, {"appliance": BOX}, "appliance", BOX)


def test_a_password_fits_into_a_stream_id_and_is_hashed_as_mediamtx_does() -> None:
    passwords = {new_password() for _ in range(50)}
    assert len(passwords) == 50 and all(re.fullmatch("[0-9a-z]{20}", each) for each in passwords)
    digest = hashlib.sha256(b"secret").digest()
    assert hashed("secret") == f"sha256:{base64.b64encode(digest).decode()}"
    url = camera_url("10.0.0.5", 8890, "cam1", "secret")
    assert url == "srt://10.0.0.5:8890?streamid=publish:cam1:cam1:secret"


@pytest.mark.parametrize(
    ("line", "port"),
    [("srtAddress: :9000  # x", 9000), ("srtAddress: 10.0.0.1:9001", 9001), ("srt: true", 8890)],
)
def test_cameras_are_given_the_port_of_the_file(line: str, port: int) -> None:
    assert srt_port(f"logLevel: info\n{line}\n") == port
