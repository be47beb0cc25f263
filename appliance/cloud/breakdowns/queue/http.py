"""Routes of the queue, of jobs and of reports."""

from __future__ import annotations

from appliance.cloud.breakdowns.queue import reports, verbs, visible
from appliance.cloud.breakdowns.queue.model import (
    ExtendIn,
    FailIn,
    Job,
    JobQuery,
    NextJob,
    ReassignIn,
    ReportQuery,
    SkipIn,
)
from appliance.http.api import Collection, Ctx, Routes
from appliance.kernel.operation import Answer
from appliance.kernel.paging import Page

BASE = "/logging/v1"
JOBS, JOB = f"{BASE}/jobs", f"{BASE}/jobs/{{job_id}}"


def queue_routes(lease_s: float) -> list[Routes]:
    """`lease_s`: how long a job stays with a logger who sends no heartbeat."""
    return [_list_routes(), _logger_routes(lease_s), _manager_routes(lease_s), _report_routes()]


def _list_routes() -> Routes:
    routes = Routes("jobs", collection=Collection("logging/v1/jobs", "job_id"))

    @routes.get(f"{BASE}/queue", query=Page, items=Job)
    async def queue(ctx: Ctx, query: Page) -> Answer:
        """The jobs that wait, the most urgent first; to a logger those that fit."""
        return Answer(200, await ctx.read(lambda tx: visible.list_queue(tx, ctx.caller, query)))

    @routes.get(JOBS, query=JobQuery, items=Job)
    async def jobs(ctx: Ctx, query: JobQuery) -> Answer:
        """List jobs, oldest first; to a logger its own."""
        return Answer(200, await ctx.read(lambda tx: visible.list_jobs(tx, ctx.caller, query)))

    @routes.get(JOB, returns=Job)
    async def job(ctx: Ctx, job_id: str) -> Answer:
        """One job, with its clock."""
        return Answer(200, await ctx.read(lambda tx: visible.get_job(tx, ctx.caller, job_id)))

    return routes


def _logger_routes(lease_s: float) -> Routes:
    routes = Routes("jobs")

    @routes.post(f"{BASE}/queue/next", returns=NextJob)
    async def ask(ctx: Ctx) -> Answer:
        """Ask for work: the logger's open job, else the most urgent that fits, else null."""
        return await ctx.write(lambda tx: verbs.ask(tx, ctx.caller, lease_s))

    @routes.post(f"{JOB}/accept", returns=Job)
    async def accept(ctx: Ctx, job_id: str) -> Answer:
        """Take a job that waits, or confirm one that the queue assigned."""
        return await ctx.write(lambda tx: verbs.accept(tx, ctx.caller, job_id, lease_s))

    @routes.post(f"{JOB}/review", returns=Job)
    async def review(ctx: Ctx, job_id: str) -> Answer:
        """Begin to look at the quality of the video."""
        return await ctx.write(lambda tx: verbs.review(tx, ctx.caller, job_id))

    @routes.post(f"{JOB}/start", returns=Job)
    async def start(ctx: Ctx, job_id: str) -> Answer:
        """The video is good enough: begin to log. Its videos are locked from now on."""
        return await ctx.write(lambda tx: verbs.start(tx, ctx.caller, job_id))

    @routes.post(f"{JOB}/heartbeat", returns=Job)
    async def heartbeat(ctx: Ctx, job_id: str) -> Answer:
        """The logger is working on it: the lease begins anew."""
        return await ctx.write(lambda tx: verbs.heartbeat(tx, ctx.caller, job_id, lease_s))

    @routes.post(f"{JOB}/skip", body=SkipIn, returns=Job)
    async def skip(ctx: Ctx, job_id: str, body: SkipIn) -> Answer:
        """Give the job back to the queue, with its data."""
        return await ctx.write(lambda tx: verbs.skip(tx, ctx.caller, job_id, body))

    @routes.post(f"{JOB}/fail", body=FailIn, returns=Job)
    async def fail(ctx: Ctx, job_id: str, body: FailIn) -> Answer:
        """The video cannot be logged: it is marked corrupt, and the event waits for another one."""
        return await ctx.write(lambda tx: verbs.fail(tx, ctx.caller, job_id, body))

    @routes.post(f"{JOB}/complete", returns=Job)
    async def complete(ctx: Ctx, job_id: str) -> Answer:
        """The event is logged."""
        return await ctx.write(lambda tx: verbs.complete(tx, ctx.caller, job_id))

    return routes


def _manager_routes(lease_s: float) -> Routes:
    routes = Routes("jobs")

    @routes.post(f"{JOB}/reassign", body=ReassignIn, returns=Job)
    async def reassign(ctx: Ctx, job_id: str, body: ReassignIn) -> Answer:
        """Give the job to this logger, with the reason."""
        return await ctx.write(lambda tx: verbs.reassign(tx, ctx.caller, job_id, body, lease_s))

    @routes.post(f"{JOB}/extend", body=ExtendIn, returns=Job)
    async def extend(ctx: Ctx, job_id: str, body: ExtendIn) -> Answer:
        """Allow more time, with the reason."""
        return await ctx.write(lambda tx: verbs.extend(tx, ctx.caller, job_id, body))

    return routes


def _report_routes() -> Routes:
    routes = Routes("reports")

    @routes.get(f"{BASE}/reports/sla", query=ReportQuery, returns=reports.SlaReport)
    async def sla(ctx: Ctx, query: ReportQuery) -> Answer:
        """How long jobs took, and how many were late, by break-down type."""
        return Answer(200, await ctx.read(lambda tx: reports.sla_report(tx, ctx.caller, query)))

    @routes.get(f"{BASE}/reports/workload", query=ReportQuery, returns=reports.WorkloadReport)
    async def workload(ctx: Ctx, query: ReportQuery) -> Answer:
        """The load of offices and loggers."""
        return Answer(200, await ctx.read(lambda tx: reports.workload_report(tx, ctx.caller, query)))

    return routes
