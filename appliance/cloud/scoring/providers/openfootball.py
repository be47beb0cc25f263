"""openfootball: files of whole seasons, JSON or Football.TXT, from its repository or from a folder.

A tournament's reference is a path below the configured address: 2014-15/en.1.json. The address alone says
whether files of this machine are read: a reference cannot leave it, or name another server.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from urllib.parse import quote

from appliance.cloud.scoring.providers.calls import get
from appliance.cloud.scoring.providers.model import ProviderFailed, Wanted
from appliance.kernel.threads import in_thread
from appliance.network.outbound import MAX_BYTES, Outbound

URL: Final = "https://raw.githubusercontent.com/openfootball/football.json/master"
FILE: Final = "file:"
_REFERENCE: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._ -]*(/[A-Za-z0-9][A-Za-z0-9._ -]*)*\.(json|txt)")


@dataclass(frozen=True, slots=True)
class Openfootball:
    """`url`: https://..., or file:FOLDER."""

    outbound: Outbound
    url: str = URL
    name: str = "openfootball"

    def address(self, wanted: Wanted) -> str:
        if _REFERENCE.fullmatch(wanted.reference) is None:
            detail = "a reference of openfootball is the path of a .json or .txt file: 2014-15/en.1.json"
            raise ProviderFailed("bad_reference", detail)
        path = wanted.reference if self.url.startswith(FILE) else quote(wanted.reference)
        return f"{self.url.rstrip('/')}/{path}"

    async def fetch(self, address: str) -> bytes:
        if not address.startswith(FILE):
            return await get(self.outbound, address, self.name)
        path = Path(address.removeprefix(FILE))
        root = Path(self.url.removeprefix(FILE))
        return await in_thread(lambda: _read(path, root))


def _read(path: Path, root: Path) -> bytes:
    """A file of the folder, also when it is reached by a link. Raises ProviderFailed."""
    try:
        if not path.resolve().is_relative_to(root.resolve()):
            raise ProviderFailed("bad_reference", f"{path.name} is not in the folder of openfootball")
        if path.stat().st_size > MAX_BYTES:
            raise ProviderFailed("too_large", f"{path.name} is larger than {MAX_BYTES} bytes")
        return path.read_bytes()
    except OSError as error:
        reason = error.strerror or type(error).__name__
        raise ProviderFailed("unreachable", f"{path.name} cannot be read: {reason}") from None
