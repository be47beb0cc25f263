"""Sites and the machine that may send for each. Only this file writes `sites` and `site_former_boxes`.

A token names a site; the first machine that uses it is the site's box. Another machine with the same token (a
copy of the disk, a box on the bench) is refused until an admin replaces the first one. The one that was
replaced may still be on: it is refused for good, unless an admin names it.
"""

from __future__ import annotations

from typing import Any, Final

from appliance.kernel.clock import optional_rfc3339, to_rfc3339
from appliance.kernel.errors import Refused, not_found
from appliance.kernel.operation import Answer, Caller
from appliance.kernel.paging import Page, list_page
from appliance.kernel.tx import ReadTx, Row, Tx

_SITE: Final = "site:"


def own_site(scopes: tuple[str, ...]) -> str:
    """The site of a box's token. Raises Refused 422: the token is not one of a box."""
    site = next((scope.removeprefix(_SITE) for scope in scopes if scope.startswith(_SITE)), "")
    if not site:
        hint = "`appliance cloud token --role box --scope site:ID` makes one"
        raise Refused(422, "not_a_box", "this needs the token of a box", hint)
    return site


def visible_site(tx: ReadTx, caller: Caller, site_id: str) -> Row:
    """The site, for admins and its own box. Raises Refused 404, for another box too."""
    if caller.role == "box" and own_site(caller.scopes) != site_id:
        raise not_found("site", site_id)
    return load_site(tx, site_id)


def find_site(tx: ReadTx, site_id: str) -> Row | None:
    return tx.one("SELECT * FROM sites WHERE id = ? AND deleted_us IS NULL", (site_id,))


def load_site(tx: ReadTx, site_id: str) -> Row:
    """Raises Refused 404."""
    site = find_site(tx, site_id)
    if site is None:
        raise not_found("site", site_id)
    return site


def is_open(tx: ReadTx, site_id: str) -> bool:
    """Whether an admin lets the next machine be the site's box: it may begin anew whatever it sent before."""
    site = find_site(tx, site_id)
    return site is not None and site["box_id"] is None


def check_box(tx: ReadTx, site: Row | None, box_id: str) -> None:
    """Raises Refused 409 `other_box`: the site has another box, or an admin has replaced this one."""
    if site is None or site["box_id"] == box_id:
        return
    site_id = site["id"]
    is_replaced = _is_former(tx, site_id, box_id)
    if site["box_id"] is None and site["next_box_id"] in (None, box_id) and not is_replaced:
        return
    detail = f"another machine is the box of site {site_id}"
    if is_replaced:
        detail = f"machine {box_id} was the box of site {site_id}, and was replaced"
    elif site["box_id"] is None:
        detail = f"an admin has named machine {site['next_box_id']} as the next box of site {site_id}"
    raise Refused(
        409,
        "other_box",
        detail,
        "if this one is to be the box, an admin of the cloud must name it:"
        f' POST /fleet/v1/sites/{site_id}/replace-box {{"box_id": "{box_id}"}}',
        extra={"is_replaced": is_replaced},
    )


def _is_former(tx: ReadTx, site_id: str, box_id: str) -> bool:
    sql = "SELECT 1 FROM site_former_boxes WHERE site_id = ? AND box_id = ?"
    return tx.value(sql, (site_id, box_id)) is not None


def bound_site(tx: Tx, site_id: str, box_id: str) -> Row:
    """The site, with this machine as its box; made at its first request. Raises Refused 409."""
    site = find_site(tx, site_id)
    check_box(tx, site, box_id)
    if site is None:
        tx.create("sites", _new(site_id, tx.now_us, box_id))
    elif site["box_id"] is None:
        tx.update("sites", site_id, {"box_id": box_id, "next_box_id": None})
    else:
        return site
    journal_site(tx, "site_bound", site_id)
    return load_site(tx, site_id)


def _new(site_id: str, now_us: int, box_id: str) -> dict[str, Any]:
    return {
        "id": site_id,
        "name": site_id,
        "box_id": box_id,
        "box_version": "",
        "epoch_number": 0,
        "backlog": 0,
        "trouble": "",
        "next_box_id": None,
        "created_us": now_us,
        "updated_us": now_us,
    }


def replace_box(tx: Tx, site_id: str, box_id: str | None = None) -> Answer:
    """The next machine that shows the site's token becomes its box; `box_id`: that machine alone. It may be
    the present one: if its epoch has ended, the answer to it says that it may begin a new one."""
    site = load_site(tx, site_id)
    if site["box_id"] not in (None, box_id):
        tx.run(
            "INSERT INTO site_former_boxes (site_id, box_id, replaced_us) VALUES (?, ?, ?)"
            " ON CONFLICT (site_id, box_id) DO UPDATE SET replaced_us = excluded.replaced_us",
            (site_id, site["box_id"], tx.now_us),
        )
    if box_id is not None:
        sql = "DELETE FROM site_former_boxes WHERE site_id = ? AND box_id = ?"
        tx.run(sql, (site_id, box_id))
    if site["box_id"] is not None or site["next_box_id"] != box_id:
        tx.update("sites", site_id, {"box_id": None, "next_box_id": box_id, "trouble": ""})
        journal_site(tx, "site_updated", site_id)
    return Answer(200, site_resource(load_site(tx, site_id)))


def list_sites(tx: ReadTx, caller: Caller, query: Page) -> dict[str, Any]:
    """Those that the caller sees, in the order in which they were first heard."""
    where: list[tuple[str, tuple[Any, ...]]] = []
    if caller.role == "box":
        where.append(("id = ?", (own_site(caller.scopes),)))
    return list_page(
        tx, query, table="sites", key="created_us", where=where, resource=lambda _, row: site_resource(row)
    )


def journal_site(tx: Tx, type_: str, site_id: str, **more: Any) -> None:
    """Append the site after its change; `more` are fields of the event."""
    site = site_resource(load_site(tx, site_id))
    tx.append(type_, f"site:{site_id}", {"site_id": site_id, **more, "site": site})


def site_resource(row: Row) -> dict[str, Any]:
    kept = ("id", "name", "box_id", "next_box_id", "box_version", "epoch_number", "backlog", "trouble", "rev")
    return {
        **{name: row[name] for name in kept},
        "seen_at": optional_rfc3339(row["seen_us"]),
        "created_at": to_rfc3339(row["created_us"]),
        "updated_at": to_rfc3339(row["updated_us"]),
    }
