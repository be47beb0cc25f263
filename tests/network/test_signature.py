"""Signatures of Standard Webhooks, against the published example."""

from __future__ import annotations

import pytest

from appliance.network.signature import BadSignature, key_of, new_secret, sign, verify

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
ID, STAMP, BODY = "msg_p5jXN8AQM9LWM0D4loKWxJek", 1614265330, b'{"test": 2432232314}'
SIGNATURE = "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="


def test_the_published_example() -> None:
    assert sign([SECRET], ID, STAMP, BODY) == {
        "webhook-id": ID,
        "webhook-timestamp": str(STAMP),
        "webhook-signature": SIGNATURE,
    }
    assert verify([SECRET], sign([SECRET], ID, STAMP, BODY), BODY, STAMP) == ID


def test_while_a_secret_is_replaced_a_receiver_may_hold_either() -> None:
    old, new = new_secret(), new_secret()
    assert old != new
    headers = sign([new, old], ID, STAMP, BODY)
    for held in ([old], [new], [SECRET, old], [new, old]):
        assert verify(held, headers, BODY, STAMP) == ID
    with pytest.raises(BadSignature):
        verify([SECRET], headers, BODY, STAMP)


@pytest.mark.parametrize(
    "change",
    [
        {"webhook-id": "msg_other"},
        {"webhook-id": ""},
        {"webhook-timestamp": str(STAMP + 1)},
        {"webhook-timestamp": "now"},
        {"webhook-timestamp": "٣"},
        {"webhook-signature": ""},
        {"webhook-signature": SIGNATURE.removeprefix("v1,")},
        {"webhook-signature": "v1a" + SIGNATURE.removeprefix("v1")},
        {"webhook-signature": "v1,é"},
    ],
)
def test_a_message_that_was_changed_is_refused(change: dict[str, str]) -> None:
    with pytest.raises(BadSignature):
        verify([SECRET], {**sign([SECRET], ID, STAMP, BODY), **change}, BODY, STAMP)
    with pytest.raises(BadSignature):
        verify([SECRET], sign([SECRET], ID, STAMP, BODY), BODY + b" ", STAMP)


@pytest.mark.parametrize(("off_s", "is_now"), [(-300, True), (300, True), (301, False), (-301, False)])
def test_a_message_of_another_time_is_refused(off_s: int, is_now: bool) -> None:
    headers = sign([SECRET], ID, STAMP, BODY)
    if is_now:
        verify([SECRET], headers, BODY, STAMP + off_s)
    else:
        with pytest.raises(BadSignature, match="300 s"):
            verify([SECRET], headers, BODY, STAMP + off_s)


@pytest.mark.parametrize(
    "secret", ["", "whsec_", "whsec_AAAA", "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "whsec_!" + "A" * 40]
)
def test_a_text_that_is_not_a_secret_is_refused(secret: str) -> None:
    with pytest.raises(ValueError, match="whsec_"):
        key_of(secret)
