"""The pipeline's part of the domain scoring: its settings, routes and actors.

What needs time to load (httpx) is loaded when the program runs, not for its commands.
"""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, Final

from appliance.cloud.scoring.notices.settings import SentrySettings, SlackSettings
from appliance.cloud.scoring.providers.settings import ProviderSettings
from appliance.cloud.scoring.schedules.planning import Setting
from appliance.cloud.scoring.schedules.settings import SchedulerSettings
from appliance.kernel.fields import Section

if TYPE_CHECKING:
    from appliance.cloud.domains import Services
    from appliance.cloud.scoring.executions.pipeline import Tools
    from appliance.cloud.scoring.notices.messages import Receivers

SECTIONS: Final[Mapping[str, type[Section]]] = {
    "scheduler": SchedulerSettings,
    "slack": SlackSettings,
    "sentry": SentrySettings,
}
LISTS: Final[Mapping[str, type[Section]]] = {"providers": ProviderSettings}


def contradictions(settings: Any) -> Iterable[str]:
    """Of the settings of the hosted side."""
    from appliance.cloud.scoring.providers.configured import contradictions as of_providers

    is_production = settings.cloud.environment == "production"
    return of_providers(settings.providers, os.environ, is_production=is_production)


def chosen(settings: Any) -> Sequence[ProviderSettings]:
    """[[providers]]; without any, invented seasons in the demo and openfootball in production."""
    if settings.providers:
        return tuple(settings.providers)
    name = "fixture" if settings.cloud.environment == "demo" else "openfootball"
    return (ProviderSettings.model_validate({"name": name}),)


def tools_of(cloud: Services) -> Tools:
    """What executions work with."""
    from appliance.cloud.scoring.executions.pipeline import Tools
    from appliance.cloud.scoring.providers.configured import sources

    settings = cloud.settings
    return Tools(
        store=cloud.store,
        objects=cloud.objects,
        providers=sources(chosen(settings), cloud.outbound, cloud.clock, os.environ),
        owner=cloud.process,
        environment=settings.cloud.environment,
        base_url=cloud.base_url,
        receivers=receivers_of(settings),
    )


def receivers_of(settings: Any) -> Receivers:
    """Slack and Sentry. The service's own secrets are in no report."""
    from appliance.cloud.scoring.notices.messages import Receivers
    from appliance.cloud.scoring.notices.sentry import parse_dsn

    webhook = settings.section(SlackSettings).webhook_url.get_secret_value()
    sentry = settings.section(SentrySettings)
    dsn = sentry.dsn.get_secret_value()
    tokens = [os.environ.get(each.token_env, "") for each in settings.providers if each.token_env]
    secrets = (settings.internal_token, webhook, dsn, *tokens)
    return Receivers(
        settings.cloud.environment,
        webhook,
        parse_dsn(dsn) if dsn else None,
        sentry.traces_sample_rate,
        tuple(filter(None, secrets)),
    )


@asynccontextmanager
async def prepare(cloud: Services) -> AsyncIterator[None]:
    """The executor, and the routes that need it."""
    from appliance.cloud.scoring.executions.executor import Executor
    from appliance.cloud.scoring.executions.http import Updates, execution_routes, report_routes
    from appliance.cloud.scoring.executions.internal import internal_check
    from appliance.cloud.scoring.schedules.http import SchedulerDoor, schedule_routes
    from appliance.kernel.actor import running

    executor = Executor(tools_of(cloud))
    check = internal_check(cloud.settings.internal_token, cloud.clock.now_us)
    async with running("executions", executor.serve):
        cloud.routes += [
            Updates(executor, check).routes(),
            execution_routes(executor),
            report_routes(cloud.store, cloud.objects),
            SchedulerDoor(cloud.store, setting_of(cloud), cloud.base_url, check, cloud.door).routes(),
            schedule_routes(setting_of(cloud), cloud.base_url),
        ]
        yield


@asynccontextmanager
async def run(cloud: Services) -> AsyncIterator[None]:
    """Messages to people, and the scheduler."""
    from appliance.cloud.scoring.notices.actor import run_notices
    from appliance.cloud.scoring.schedules.actor import Scheduler
    from appliance.cloud.scoring.schedules.caller import ServiceCaller
    from appliance.kernel.actor import running

    settings, receivers = cloud.settings, receivers_of(cloud.settings)
    caller = ServiceCaller(
        cloud.outbound, cloud.base_url, settings.cloud.environment, settings.internal_token
    )
    scheduler = Scheduler(
        cloud.store, caller, setting_of(cloud), receivers, cloud.process, lambda: cloud.port is not None
    )
    notices = running(
        "notices",
        run_notices,
        store=cloud.store,
        outbound=cloud.outbound,
        receivers=receivers,
        owner=cloud.process,
    )
    async with notices, running("scheduler", scheduler.serve):
        yield


def setting_of(cloud: Services) -> Setting:
    """When rounds are asked for, and for which environment."""
    settings = cloud.settings
    return Setting(settings.cloud.environment, settings.section(SchedulerSettings))
