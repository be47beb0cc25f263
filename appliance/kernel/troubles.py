"""What a disk said, by what was tried: logged once per reason, shown by health until it works again.

Owns: the list. Must not know: disks, who tries again and when.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import structlog

log = structlog.get_logger("troubles")


@dataclass(slots=True)
class Troubles:
    """`where` names the actor in the log."""

    where: str
    _said: dict[str, str] = field(default_factory=dict)

    def fail(self, what: str, error: OSError, **about: Any) -> None:
        said = f"{what}: {error.strerror or error}"
        if self._said.get(what) != said:
            log.error("disk refuses", where=self.where, reason=said, **about)
        self._said[what] = said

    def worked(self, what: str) -> None:
        if self._said.pop(what, None) is not None:
            log.info("disk works again", where=self.where, what=what)

    def __bool__(self) -> bool:
        return bool(self._said)

    def __str__(self) -> str:
        return "; ".join(self._said.values())
