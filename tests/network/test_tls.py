"""The certificate in use: loaded, replaced while the box runs, and kept when a newer one is unusable."""

from __future__ import annotations

import os
from functools import partial
from pathlib import Path

import pytest
import trio
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    PrivateFormat,
    load_pem_private_key,
)

from appliance.network import tls as tested
from appliance.network.certificates import LEAF_NAME, open_authority, renew_leaf
from appliance.network.tls import CannotUse, GivenCertificate, OwnCertificate, Tls, now, run_tls
from tests.kit.waiting import LIMIT_S

NAME = "stadium.local"


def own(folder: Path, *addresses: str) -> OwnCertificate:
    return OwnCertificate(folder, open_authority(folder, NAME, "Stadium"), NAME, lambda: addresses)


def given(folder: Path) -> GivenCertificate:
    return GivenCertificate(folder / LEAF_NAME, folder / LEAF_NAME)


def test_a_certificate_is_made_and_loaded(tmp_path: Path) -> None:
    tls = Tls(own(tmp_path))
    tls.load()
    assert tls.days_left() == pytest.approx(396, abs=0.1)


@pytest.mark.parametrize("damage", ["missing", "empty", "text", "another key"])
def test_an_unusable_file_is_named_and_the_one_in_use_stays(tmp_path: Path, damage: str) -> None:
    Tls(own(tmp_path)).load()
    tls = Tls(GivenCertificate(tmp_path / LEAF_NAME, tmp_path / "key.pem"))
    (tmp_path / "key.pem").write_bytes((tmp_path / LEAF_NAME).read_bytes())
    tls.load()
    ends = tls.ends
    if damage == "missing":
        (tmp_path / LEAF_NAME).unlink()
    elif damage == "another key":
        other = open_authority(tmp_path / "other", NAME, "Other")
        renew_leaf(tmp_path / "other", other, NAME, [], now())
        os.replace(tmp_path / "other" / LEAF_NAME, tmp_path / "key.pem")
    else:
        (tmp_path / LEAF_NAME).write_text("" if damage == "empty" else "not a certificate")
    with pytest.raises(CannotUse, match=str(tmp_path / LEAF_NAME)):
        tls.load()
    assert tls.ends == ends


async def test_a_file_that_changes_is_used_and_a_bad_one_is_reported(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tested, "LOOK_S", 0.02)
    source = own(tmp_path)
    tls = Tls(given(tmp_path))
    source.renew()
    tls.load()
    good = (tmp_path / LEAF_NAME).read_bytes()
    async with trio.open_nursery() as nursery:
        await nursery.start(partial(run_tls, tls=tls))
        with trio.fail_after(LIMIT_S):
            (tmp_path / LEAF_NAME).write_text("damaged")
            while not tls.trouble:  # noqa: ASYNC110
                await trio.sleep(0.01)
            assert str(tmp_path / LEAF_NAME) in tls.trouble and tls.ends is not None
            (tmp_path / LEAF_NAME).write_bytes(good)
            while tls.trouble:  # noqa: ASYNC110
                await trio.sleep(0.01)
        nursery.cancel_scope.cancel()


def test_on_a_full_disk_the_existing_certificate_stays_in_use(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    Tls(own(tmp_path)).load()

    def full(*given: object, **options: object) -> int:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("appliance.network.certificates.os.open", full)
    tls = Tls(own(tmp_path, "10.0.0.7"))
    tls.load()
    assert tls.days_left() == pytest.approx(396, abs=0.1)


def test_a_key_with_a_passphrase_is_refused_without_a_prompt(tmp_path: Path) -> None:
    Tls(own(tmp_path)).load()
    pem = (tmp_path / LEAF_NAME).read_bytes()
    locked = load_pem_private_key(pem, None).private_bytes(
        Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(b"secret")
    )
    (tmp_path / "key.pem").write_bytes(locked)
    with pytest.raises(CannotUse, match=r"key\.pem"):
        Tls(GivenCertificate(tmp_path / LEAF_NAME, tmp_path / "key.pem")).load()
