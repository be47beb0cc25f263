"""The text of a play, made from its metadata by a template: the annotation of each of its clips.

Owns: the form of templates. `{name}` is a column of the play; a part in [square brackets] is left out when
one of its columns is empty. `{{`, `}}`, `[[` and `]]` stand for the signs themselves. Pure.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from appliance.box.datasets.model import Play

DEFAULT_TEMPLATE: Final = (
    "{sport}[ {play_type}] play[ from {side} side][ with {player_count} players][, {result}][: {description}]"
)
"""For rows of `plays`; without a column `sport` the sport is basketball."""
BOX_TEMPLATE: Final = (
    "[{play_type} ]play[, quarter {quarter}][, down {down}][ and {distance}][ at {yard_line}]"
    "[, formation {formation}][, result {result}][, {yards_gained} yards][ ({labels})][: {notes}]"
)
"""For plays tagged on the box: the tag's own fields. Coaches' notes are private and never part of it."""

PROMPT_MAX: Final = 2000
_DERIVED: Final = frozenset({"sport", "side"})
_TOKEN: Final = re.compile(r"\{\{|\}\}|\[\[|\]\]|\{([A-Za-z_][A-Za-z0-9_]*)\}|[\[\]{}]")


class BadTemplate(ValueError):
    """The template cannot be used; the message says where."""


@dataclass(frozen=True, slots=True)
class Prompt:
    """`is_generic`: no column of the play has a part in it."""

    text: str
    is_generic: bool


@dataclass(frozen=True, slots=True)
class _Part:
    """Texts and names of columns in turn, beginning with a text."""

    words: tuple[str, ...]
    is_optional: bool

    @property
    def names(self) -> tuple[str, ...]:
        return self.words[1::2]

    def fill(self, values: Mapping[str, str]) -> str:
        if self.is_optional and not all(values.get(name) for name in self.names):
            return ""
        return "".join(values.get(word, "") if at % 2 else word for at, word in enumerate(self.words))


class Template:
    """A parsed template. Raises BadTemplate."""

    def __init__(self, text: str) -> None:
        self.text = text
        self._parts = tuple(_parse(text))
        if not any(part.fill(dict.fromkeys(part.names, "x")).strip() for part in self._parts):
            raise BadTemplate("the template has no text")

    def fill(self, play: Play) -> Prompt:
        """The play's text, on one line. A column without a part in the template counts for nothing."""
        values = _values(play)
        text = " ".join("".join(part.fill(values) for part in self._parts).split())[:PROMPT_MAX]
        used = {name for part in self._parts if part.fill(values) for name in part.names if values.get(name)}
        return Prompt(text[:1].upper() + text[1:], not used - _DERIVED or not text)


def _values(play: Play) -> dict[str, str]:
    values = {name: _shown(value) for name, value in play.fields.items()}
    if play.angle in ("LEFT", "RIGHT"):
        values.setdefault("side", play.angle.lower())
        values.setdefault("sport", "Basketball")
    players = play.fields.get("players")
    if isinstance(players, list) and players:
        values.setdefault("player_count", str(len(players)))
    return values


def _shown(value: Any) -> str:
    if value is None or isinstance(value, bool):
        return "yes" if value else ""
    if isinstance(value, float):
        return f"{value:g}"
    if isinstance(value, list):
        return ", ".join(filter(None, map(_shown, value)))
    if isinstance(value, dict):
        return ""
    return str(value).strip()


def _parse(text: str) -> Iterator[_Part]:
    words, at, is_inside = [""], 0, False
    for token in _TOKEN.finditer(text):
        words[-1] += text[at : token.start()]
        at = token.end()
        sign = token[0]
        if len(sign) == 2 and sign[0] == sign[1]:
            words[-1] += sign[0]
        elif token[1]:
            words += [token[1], ""]
        elif sign in "{}":
            raise BadTemplate(
                f"{sign!r} at {token.start()}: a column is written {{name}}, the sign itself twice"
            )
        elif (sign == "[") == is_inside:
            raise BadTemplate(f"{sign!r} at {token.start()}: brackets are not nested, and come in pairs")
        else:
            yield _Part(tuple(words), is_inside)
            words, is_inside = [""], not is_inside
    if is_inside:
        raise BadTemplate("a bracket is not closed")
    words[-1] += text[at:]
    yield _Part(tuple(words), False)
