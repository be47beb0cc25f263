"""Dates of Football.TXT: Tue Feb/14 2012, [Sat Aug 16], 27 May, 17.09.2013; years from the season or the
weekday."""

from __future__ import annotations

import re
from datetime import date
from typing import Final, NamedTuple

from appliance.cloud.scoring.imports.kickoff import YEARS

_MONTHS: Final = ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"]
_DAYS: Final = ["mo", "tu", "we", "th", "fr", "sa", "su"]
_MONTH: Final = (
    r"(?P<month>jan(?:uary)?|feb(?:ruary)?|mar(?:ch)?|apr(?:il)?|may|june?|july?|aug(?:ust)?|sept?(?:ember)?"
    r"|oct(?:ober)?|nov(?:ember)?|dec(?:ember)?)\.?"
)
_WEEKDAY: Final = r"(?:(?P<weekday>mo|tu|we|th|fr|sa|su)[a-z]{0,7}\.?,?\s+)?"
_FORMS: Final = tuple(
    re.compile(_WEEKDAY + form + r"(?![\d:/-])", re.IGNORECASE)
    for form in (
        _MONTH + r"\s*[/ ]\s*(?P<day>\d{1,2})(?:,?\s+(?P<year>\d{4})(?=\s|$|\]))?",
        r"(?P<day>\d{1,2})\.?\s+" + _MONTH + r"(?:,?\s+(?P<year>\d{4})(?=\s|$|\]))?",
        r"(?P<year>\d{4})-(?P<number>\d{2})-(?P<day>\d{2})",
        r"(?P<day>\d{1,2})\.(?P<number>\d{1,2})\.(?P<year>\d{4})?(?=\s|$|\])",
    )
)
_SUMMER: Final = 7  # a season of two years begins in this month or later


class Written(NamedTuple):
    """A date as a file writes it; `weekday` from 0, Monday."""

    month: int
    day: int
    year: int | None
    weekday: int | None


def leading_date(text: str) -> tuple[Written, str] | None:
    """The date at the beginning of a line, and the rest of it."""
    for form in _FORMS:
        if (match := form.match(text)) is not None:
            fields = match.groupdict()
            month = (
                int(fields["number"])
                if fields.get("number")
                else 1 + _MONTHS.index(fields["month"][:3].lower())
            )
            weekday = fields.get("weekday")
            written = Written(
                month,
                int(fields["day"]),
                int(fields["year"]) if fields.get("year") else None,
                _DAYS.index(weekday[:2].lower()) if weekday else None,
            )
            return written, text[match.end() :].lstrip(" ,")
    return None


class Calendar:
    """Years of dates that are written without one. `years`: of the season, one or two; none: not known."""

    def __init__(self, years: tuple[int, ...]) -> None:
        self.years = years
        self._last: int | None = None

    def resolve(self, written: Written) -> tuple[str | None, str]:
        """(YYYY-MM-DD or None, what is wrong or "")."""
        year = written.year or self._year(written)
        if year is None:
            return None, "a date without a year, and the season is not known"
        if written.year is not None:
            self._last = written.year
        day = _day(year, written)
        if day is None:
            return None, f"there is no {written.day} in month {written.month} of {year}"
        if written.weekday is not None and day.weekday() != written.weekday:
            return day.isoformat(), f"{day.isoformat()} is a {day:%A}"
        return day.isoformat(), ""

    def _year(self, written: Written) -> int | None:
        """By the weekday where it tells; else by the month of the season; else the last year that was
        written."""
        years = self.years or ((self._last, self._last + 1, self._last - 1) if self._last else ())
        fitting = [
            year
            for year in years
            if written.weekday is not None
            and (day := _day(year, written)) is not None
            and day.weekday() == written.weekday
        ]
        if len(fitting) == 1:
            return fitting[0]
        if len(self.years) == 2:
            return self.years[0] if written.month >= _SUMMER else self.years[1]
        return self.years[0] if self.years else self._last


def _day(year: int, written: Written) -> date | None:
    try:
        return date(year, written.month, written.day) if year in YEARS else None
    except ValueError:
        return None


def season_years(text: str) -> tuple[int, ...]:
    """(2011, 2012) of a text with 2011/12, (2014,) of one with 2014, () of one without."""
    match = re.search(r"\b(\d{4})(?:\s*[/–-]\s*(\d{4}|\d{2}))?\b", text)
    if match is None:
        return ()
    first = int(match[1])
    return (first, first + 1) if match[2] else (first,)
