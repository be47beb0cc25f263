"""What the refusals of a site's boxes tell a person: another machine, or another copy of its box, sends.

Owns: the texts, and that a refusal which comes again and again is written once. The transaction that refused
was taken back, so this is one of its own.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial

from appliance.cloud.fleet.intake.epochs import note_first_trouble
from appliance.cloud.fleet.sites import find_site, journal_site
from appliance.kernel.errors import Refused
from appliance.kernel.store import Store
from appliance.kernel.tx import ReadTx, Tx

_OTHER_BOX = (
    "another machine ({box}) with this site's token asks to be its box and is refused: if it replaces the"
    " box, POST /fleet/v1/sites/{{id}}/replace-box with this box_id lets it; else give it a site of its own"
)
_SUPERSEDED = (
    "a box of this site ({box}) sends from a state that a later one has replaced, and is refused: a copy of"
    " the box runs, or it was set back. Stop the copy, then POST /fleet/v1/sites/{{id}}/replace-box with this"
    " box_id lets it begin anew"
)


@asynccontextmanager
async def noting(store: Store, site_id: str, box_id: str) -> AsyncIterator[None]:
    """Raises what the block raises, after the site says so where a person must act."""
    try:
        yield
    except Refused as error:
        trouble = trouble_of(error, box_id)
        is_untold = bool(trouble) and await store.read(partial(_is_untold, site_id=site_id))
        if is_untold:
            await store.write(partial(_tell, site_id=site_id, trouble=trouble))
        raise


def trouble_of(error: Refused, box_id: str) -> str:
    """In plain words; "": the box goes on by itself, or an admin has replaced it and it is still on."""
    extra = error.extra
    if error.code == "other_box":
        return "" if extra.get("is_replaced") else _OTHER_BOX.format(box=box_id)
    if error.code == "epoch_superseded" and extra.get("is_known") and not extra.get("may_begin"):
        return _SUPERSEDED.format(box=box_id)
    return ""


def _is_untold(tx: ReadTx, site_id: str) -> bool:
    site = find_site(tx, site_id)
    return site is not None and not site["trouble"]


def _tell(tx: Tx, site_id: str, trouble: str) -> None:
    if note_first_trouble(tx, site_id, trouble):
        journal_site(tx, "site_updated", site_id)
