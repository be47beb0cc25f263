"""The part of /readyz about files that go to the cloud, and their figures.

Owns: the texts.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from appliance.box.sync.media.uploader import MediaLink
from appliance.ops.health import HealthPart

if TYPE_CHECKING:
    from appliance.ops.metrics import Metrics


def media_part(link: MediaLink) -> HealthPart:
    backlog = link.backlog
    figures = {
        "files": float(backlog.files),
        "bytes": float(backlog.bytes),
        "kept": float(backlog.kept),
        "lost": float(backlog.lost),
        "failed": float(backlog.failed),
    }
    detail = (
        f"{backlog.files} files to send, {backlog.bytes / 1e9:.1f} GB" if backlog.files else "nothing to send"
    )
    if backlog.lost:
        hint = "its recordings were deleted for space before it was sent: see GET /media-uploads?state=lost"
        return HealthPart("warn", f"{detail}; {backlog.lost} lost in a week", hint, figures)
    if backlog.failed:
        hint = "see GET /media-uploads?state=failed; POST /media-uploads sends it again"
        return HealthPart("warn", f"{detail}; the cloud could not use {backlog.failed}", hint, figures)
    if link.error and backlog.files:
        return HealthPart("warn", f"{detail}; {link.error}", "nothing now: it is tried again", figures)
    if link.waits:
        return HealthPart("ok", f"{detail}; waits: {link.waits}", None, figures)
    return HealthPart("ok", detail, None, figures)


def add_media_figures(metrics: Metrics, link: MediaLink) -> None:
    metrics.gauge("media_files", "Files to be sent to the cloud", lambda: float(link.backlog.files))
    metrics.gauge("media_backlog_bytes", "Bytes of them that are not sent", lambda: float(link.backlog.bytes))
    metrics.gauge("media_sent_bytes", "Bytes sent since the start", lambda: float(link.sent_bytes))
