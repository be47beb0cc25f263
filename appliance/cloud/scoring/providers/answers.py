"""Asks the providers of a tournament for a round: in their order, until one has an answer.

Owns: what is asked once only (a file of the whole season), and which error of which provider is reported.
Must not know: what is done with the matches.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field

from appliance.cloud.scoring.imports.model import SeasonFile
from appliance.cloud.scoring.providers.model import Configured, ProviderFailed, Wanted
from appliance.cloud.scoring.providers.readers import read_answer
from appliance.kernel.threads import in_thread

Keep = Callable[[str, str, bytes], Awaitable[str]]
"""Keeps the answer of a provider at an address; returns its key in the object store."""
Start = Callable[[str, float], Awaitable[None]]
"""Waits until a request to a provider may start."""


@dataclass(frozen=True, slots=True)
class ProviderAnswer:
    """`raw_key`: of the answer as it came. `is_first`: of the tournament's first provider, which alone may
    make matches. `failed`: the providers asked before, and why they had no answer."""

    file: SeasonFile
    provider: str
    priority: int
    address: str
    raw_key: str
    is_first: bool
    failed: Sequence[tuple[str, ProviderFailed]] = ()


@dataclass
class NoAnswer(Exception):
    """No provider had an answer. `failed`: each, and why; empty: the tournament has none that is
    configured."""

    failed: Sequence[tuple[str, ProviderFailed]]

    def __str__(self) -> str:
        if not self.failed:
            return "no configured provider knows this tournament: set its `providers`, or [[providers]]"
        return "; ".join(dict.fromkeys(error.detail for _, error in self.failed))


@dataclass
class Answers:
    """`references`: of the tournament by the provider's name. For one execution."""

    sources: Sequence[Configured]
    references: Mapping[str, str]
    start: Start
    keep: Keep
    _kept: dict[str, _Kept] = field(default_factory=dict)  # by address
    _failed: dict[str, ProviderFailed] = field(default_factory=dict)

    async def ask(self, wanted: Wanted) -> ProviderAnswer:
        """`wanted.reference` is replaced by each provider's own. Raises NoAnswer, Unavailable."""
        failed: list[tuple[str, ProviderFailed]] = []
        asked = [each for each in self.sources if each.provider.name in self.references]
        for at, source in enumerate(asked):
            provider = source.provider
            own = _with_reference(wanted, self.references[provider.name])
            try:
                address = provider.address(own)
                kept = await self._fetch(source, address, own)
            except ProviderFailed as error:
                failed.append((provider.name, error))
                continue
            return ProviderAnswer(
                kept.file, provider.name, source.priority, address, kept.raw_key, at == 0, failed
            )
        raise NoAnswer(failed)

    async def _fetch(self, source: Configured, address: str, wanted: Wanted) -> _Kept:
        """Requested and read once. An address that has failed is not requested again."""
        name = source.provider.name
        if address in self._failed:
            raise self._failed[address]
        if address not in self._kept:
            try:
                await self.start(name, source.rate_s)
                raw = await source.provider.fetch(address)
                key = await self.keep(name, address, raw)
                # a whole season takes 0.1 s
                self._kept[address] = _Kept(await in_thread(read_answer, name, raw, wanted), key)
            except ProviderFailed as error:
                self._failed[address] = error
                raise
        return self._kept[address]


@dataclass(frozen=True, slots=True)
class _Kept:
    file: SeasonFile
    raw_key: str


def _with_reference(wanted: Wanted, reference: str) -> Wanted:
    return Wanted(reference, wanted.round, wanted.round_name, wanted.kind, wanted.season, wanted.zone)
