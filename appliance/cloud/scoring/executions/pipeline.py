"""One execution from its beginning to its end: validate, fetch, transform, upsert, report, notify.

Owns: the order of the stages, and that one failing round does not stop the others. Every result is stored
under the execution's lease: what a process does after it has lost the lease does not count. Must not know:
HTTP, when an execution is begun, other executions.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, Final
from zoneinfo import ZoneInfo

import structlog
import trio

from appliance.cloud.objects.model import Objects
from appliance.cloud.scoring.executions.facts import RoundFacts, both, names_of, new_matches, validated
from appliance.cloud.scoring.executions.kept import KeptAnswers, read_object
from appliance.cloud.scoring.executions.model import StageFailed, execution_resource
from appliance.cloud.scoring.executions.record import Record, RoundRecord
from appliance.cloud.scoring.executions.report import markdown, report_of
from appliance.cloud.scoring.executions.store import Begun, Ending, finish, keep_round
from appliance.cloud.scoring.notices.messages import Receivers, queue_ending
from appliance.cloud.scoring.providers.answers import Answers, NoAnswer, ProviderAnswer
from appliance.cloud.scoring.providers.model import Configured, ProviderFailed, Wanted
from appliance.cloud.scoring.providers.readers import read_answer
from appliance.cloud.scoring.providers.starts import wait_for_start
from appliance.cloud.scoring.records.apply import ApplySummary, Source, apply_file
from appliance.cloud.scoring.records.bracket import update_bracket
from appliance.cloud.scoring.records.tables import recalculate_standings
from appliance.cloud.scoring.records.tournaments import Tournament
from appliance.kernel import json
from appliance.kernel.clock import S_US, to_rfc3339
from appliance.kernel.errors import Refused, Unavailable
from appliance.kernel.leases import LeaseLost, check_lease
from appliance.kernel.operation import Caller
from appliance.kernel.store import Store
from appliance.kernel.threads import in_thread
from appliance.kernel.tx import Row, Tx

log = structlog.get_logger("pipeline")
_UPDATE: Final = Caller("update", role="internal")


@dataclass(frozen=True, slots=True)
class Tools:
    """What every execution works with. `providers`: in the order in which they are asked. `base_url`: of this
    service; it may be known only once it listens."""

    store: Store
    objects: Objects
    providers: Sequence[Configured]
    owner: str
    environment: str
    base_url: Callable[[], str]
    receivers: Receivers


class Pipeline:
    """Runs one execution."""

    def __init__(self, tools: Tools, begun: Begun) -> None:
        self.tools, self.begun, self.order = tools, begun, begun.order
        self.record = Record(begun.id)
        self._kept = 0
        self._found: dict[str, RoundFacts] = {}  # rounds of the first provider's answers, by slug

    async def run(self) -> Row:
        """The row of the execution once it has ended. Raises LeaseLost."""
        ending = await self._outcome()
        if self.order.operation == "import":
            ending = await self._with_emptiness(ending)
        ending = await self._reported(ending)
        return await self._finished(ending)

    async def _outcome(self) -> Ending:
        """How the work ended; whatever it raised, the execution ends and is reported."""
        record = self.record
        try:
            await self._work()
        except StageFailed as failed:
            return self._failed(failed.stage, failed.detail)
        except Unavailable as error:
            return self._failed(record.stage, error.detail)
        except LeaseLost:
            raise
        except Exception as error:
            log.error("execution_crashed", execution_id=self.begun.id, stage=record.stage, exc_info=error)
            return self._failed(record.stage, f"an error of the program: {type(error).__name__}", error)
        if record.rounds and record.failures == len(record.rounds):
            reasons = dict.fromkeys(each.error or "" for each in record.rounds)
            return self._failed("fetch", "; ".join(reasons)[:1000])
        return Ending(record.summary(), record.failures, warnings=record.warnings)

    def _failed(self, stage: str, detail: str, crash: Exception | None = None) -> Ending:
        record = self.record
        for each in record.rounds:
            if each.applied is None and each.error is None:  # the round that this ended
                each.error = detail
        return Ending(record.summary(), record.failures, detail, stage, record.warnings, crash=crash)

    async def _work(self) -> None:
        order, record = self.order, self.record
        with record.timed("validate", operation=order.operation, tournament=order.tournament_id):
            read = partial(validated, tournament_id=order.tournament_id, round_slug=order.round)
            tournament, rounds = await self.tools.store.read(read)
            record.tournament = {"id": tournament.id, "name": tournament.name, "season": tournament.season}
        if order.operation == "import":
            await self._import(tournament)
        elif order.operation in ("create", "matches", "round"):
            await self._rounds(tournament, rounds)
        if order.operation in ("create", "import", "standings"):
            await self._recalculate()
        if order.operation in ("create", "import", "knockouts"):
            await self._draw()

    # -- rounds --------------------------------------------------------------------------------------------

    async def _rounds(self, tournament: Tournament, known: Sequence[RoundFacts]) -> None:
        """Each by itself; answers of a whole season are requested once."""
        order = self.order
        answers = self._answers(tournament)
        wanted = [RoundFacts(slug, slug, "league") for slug in order.input.get("rounds", ())]
        if order.operation == "create":
            chosen = wanted or [RoundFacts("", "", "league")]
        else:
            chosen = list(known)
            if not chosen:
                raise StageFailed("validate", "the tournament has no matches: make them with POST")
        log.info("rounds_read", execution_id=self.begun.id, rounds=len(chosen))
        for each in chosen:
            await self._round(tournament, answers, each)
        if order.operation == "matches":
            for each in self._new_rounds({facts.slug for facts in known}):
                await self._round(tournament, answers, each)

    def _new_rounds(self, known: set[str]) -> list[RoundFacts]:
        """Rounds that the first provider has besides those that are known, as of a cup that was drawn; none
        when it calls the known ones otherwise."""
        is_same_naming = bool(known & self._found.keys())
        return [facts for slug, facts in self._found.items() if slug not in known and is_same_naming]

    async def _round(self, tournament: Tournament, answers: Answers | KeptAnswers, facts: RoundFacts) -> None:
        record = RoundRecord(facts.slug)
        self.record.rounds.append(record)
        begun_s = trio.current_time()
        try:
            with self.record.timed("fetch", round=facts.slug):
                answer = await answers.ask(_wanted(tournament, facts))
            _take(record, answer)
            if answer.is_first:
                for match in answer.file.matches:
                    self._found.setdefault(match.slug, RoundFacts(match.slug, match.round, match.kind))
            with self.record.timed("upsert", round=facts.slug, provider=answer.provider):
                record.applied = await self._apply(answer, facts.slug or None, record)
        except NoAnswer as error:
            record.error = str(error)[:1000]
            record.fallbacks = [(name, failed.detail) for name, failed in error.failed]
            await self._keep(record)
        except (Refused, Unavailable) as error:
            record.error = error.detail
        record.took_us = round((trio.current_time() - begun_s) * S_US)
        log.info(
            "round_ended",
            status="success" if record.error is None else "failure",
            execution_id=self.begun.id,
            round=facts.slug,
            provider=record.provider,
            changed=record.applied.changed if record.applied else 0,
            reason=record.error,
        )

    async def _apply(
        self, answer: ProviderAnswer, only_round: str | None, record: RoundRecord
    ) -> ApplySummary:
        """One transaction: the matches, and what was answered. A fallback provider makes nothing; the first
        one makes matches of teams that are known, under names of rounds that it has given before."""
        may_create = self.order.operation == "create" and answer.is_first
        number = len(self.record.rounds)

        def upsert(tx: Tx) -> ApplySummary:
            check_lease(tx, self.begun.lease)
            tournament_id = self.order.tournament_id
            source = Source(answer.provider, answer.priority)
            apply = partial(
                apply_file, tx, tournament_id, source=source, caller=_UPDATE, only_round=only_round
            )
            applied = apply(file=answer.file, may_create=may_create)
            if answer.is_first and only_round is not None and not may_create:
                drawn = new_matches(tx, tournament_id, answer.provider, answer.file, only_round)
                if drawn is not None:
                    applied = both(applied, apply(file=drawn, may_create=True), drawn)
            keep_round(tx, self.begun, number, record.row())
            return applied

        return await self.tools.store.write(upsert)

    async def _keep(self, record: RoundRecord) -> None:
        number = len(self.record.rounds)
        await self.tools.store.write(lambda tx: keep_round(tx, self.begun, number, record.row()))

    def _answers(self, tournament: Tournament) -> Answers | KeptAnswers:
        if self.order.is_from_raw and self.order.repeats is not None:
            return KeptAnswers(self.tools.store, self.tools.objects, self.order.repeats)
        start = partial(wait_for_start, self.tools.store)
        return Answers(self.tools.providers, tournament.providers, start, self._keep_raw)

    async def _keep_raw(self, provider: str, address: str, raw: bytes) -> str:
        """An answer as it came, before anything is read of it. Raises Unavailable."""
        self._kept += 1
        key = f"raw/{self.begun.id}/{self._kept}.{provider}"
        await self.tools.objects.create(key, raw)
        return key

    # -- an import -----------------------------------------------------------------------------------------

    async def _import(self, tournament: Tournament) -> None:
        """The file was kept before the execution began."""
        given = self.order.input
        provider, key = str(given["provider"]), str(given["key"])
        record = RoundRecord("", provider, key, key, is_first=True)
        self.record.rounds.append(record)
        with self.record.timed("fetch", key=key):
            raw = await read_object(self.tools.objects, key)
        with self.record.timed("transform", bytes=len(raw)):
            wanted = _wanted(tournament, RoundFacts("", "", "league"))
            try:
                file = await in_thread(read_answer, provider, raw, wanted)
            except ProviderFailed as error:
                raise StageFailed("transform", error.detail) from None
        answer = ProviderAnswer(file, provider, 0, key, key, True)
        caller = Caller(str(given.get("by", "import")), role="internal")

        def upsert(tx: Tx) -> ApplySummary:
            check_lease(tx, self.begun.lease)
            keep_round(tx, self.begun, 1, record.row())
            source = Source(answer.provider, answer.priority)
            return apply_file(tx, tournament.id, file, source, may_create=True, caller=caller)

        with self.record.timed("upsert", matches=len(file.matches)):
            try:
                record.applied = await self.tools.store.write(upsert)
            except Refused as refused:
                raise StageFailed("upsert", refused.detail) from None

    async def _with_emptiness(self, ending: Ending) -> Ending:
        """Says that the tournament, which was made before the file was read, has no matches."""
        tournament_id = self.order.tournament_id
        sql = "SELECT 1 FROM matches WHERE tournament_id = ? LIMIT 1"
        if await self.tools.store.read(lambda tx: tx.value(sql, (tournament_id,))) is not None:
            return ending
        warning = f"the tournament {tournament_id} is there without matches: import a file that can be read"
        return replace(ending, warnings=[*ending.warnings, warning])

    # -- tables and bracket --------------------------------------------------------------------------------

    async def _recalculate(self) -> None:
        tournament_id = self.order.tournament_id
        with self.record.timed("transform"):
            self.record.table = await self._under_lease(lambda tx: recalculate_standings(tx, tournament_id))
        changed = {each.team_id for each in self.record.table.changes}
        await self._name_teams(changed | set(self.record.table.unresolved))

    async def _draw(self) -> None:
        tournament_id = self.order.tournament_id
        with self.record.timed("transform"):
            self.record.bracket = await self._under_lease(lambda tx: update_bracket(tx, tournament_id))
        sides = {side for each in self.record.bracket.changes for side in (each.was, each.now)}
        await self._name_teams({side for side in sides if side is not None})

    async def _under_lease(self, change: Callable[[Tx], Any]) -> Any:
        def checked(tx: Tx) -> Any:
            check_lease(tx, self.begun.lease)
            return change(tx)

        try:
            return await self.tools.store.write(checked)
        except Refused as refused:
            raise StageFailed("upsert", refused.detail) from None

    async def _name_teams(self, team_ids: set[str]) -> None:
        self.record.names |= await self.tools.store.read(partial(names_of, team_ids=team_ids))

    # -- the end -------------------------------------------------------------------------------------------

    async def _reported(self, ending: Ending) -> Ending:
        """With the key of the report. Without the object store there is none: a warning, no failure."""
        key = f"reports/{self.begun.id}"
        try:
            with self.record.timed("report"):
                now_us = await self.tools.store.read(lambda tx: tx.now_us)
                report = report_of(self.record, self._about(ending, now_us))
                await self.tools.objects.create(f"{key}.json", json.encode(report))
                await self.tools.objects.create(f"{key}.md", markdown(report).encode())
        except (Unavailable, ValueError) as error:
            log.warning("report_not_kept", execution_id=self.begun.id, reason=str(error))
            warning = "report: it could not be stored in the object store"
            return ending.with_report(None, [*ending.warnings, warning])
        return ending.with_report(key, ending.warnings)

    def _about(self, ending: Ending, now_us: int) -> dict[str, Any]:
        order = self.order
        return {
            "id": self.begun.id,
            "operation": order.operation,
            "tournament_id": order.tournament_id,
            "round": order.round or None,
            "status": ending.status,
            "stage": ending.stage or None,
            "error": ending.error,
            "started_at": to_rfc3339(self.begun.started_us),
            "ended_at": to_rfc3339(now_us),
            "duration_ms": (now_us - self.begun.started_us) // 1000,
            "repeats": order.repeats,
            "is_from_raw": order.is_from_raw,
            "attempt": order.attempt,
            "environment": self.tools.environment,
        }

    async def _finished(self, ending: Ending) -> Row:
        """The end and the messages about it are one transaction: each message is sent once."""
        tools = self.tools

        def end(tx: Tx) -> Row:
            row = finish(tx, self.begun, ending)
            shown = execution_resource(row, tools.base_url())
            about = self.record.tournament
            queue_ending(tx, tools.receivers, shown, about, ending.crash, self.record.took_us)
            return row

        with self.record.timed("notify"):
            return await tools.store.write_retrying(end)


def _wanted(tournament: Tournament, facts: RoundFacts) -> Wanted:
    zone = ZoneInfo(tournament.timezone)
    return Wanted("", facts.slug, facts.name, facts.kind, tournament.season or "", zone)


def _take(record: RoundRecord, answer: ProviderAnswer) -> None:
    record.provider, record.address, record.raw_key = answer.provider, answer.address, answer.raw_key
    record.priority, record.is_first = answer.priority, answer.is_first
    record.fallbacks = [(name, error.detail) for name, error in answer.failed]
