"""The command `appliance`: arguments, output and exit codes. The work of each command is elsewhere.

Exit codes: 0 ok, 1 failure, 2 usage, 78 bad settings (sysexits EX_CONFIG). This module and the commands of
cloud/ and box/datasets/ alone print; with running.py and the settings they alone read the environment.
"""

from __future__ import annotations

import json
import os
import re
import sys
import tempfile
from contextlib import ExitStack
from pathlib import Path
from typing import Annotated, Literal

import cyclopts
import trio
from cyclopts import Parameter

from appliance.access.model import MINUTES, MINUTES_MAX
from appliance.access.roles import Role
from appliance.box.datasets.console.commands import dataset_commands
from appliance.box.settings import DEFAULT_PATH, Settings, SettingsError, check_settings, load_settings
from appliance.cloud.commands import cloud_commands
from appliance.http.caller import sanitised
from appliance.kernel.fields import CHANNEL_ID
from appliance.kernel.version import appliance_version
from appliance.ops.lock import given_back
from appliance.running import BAD_SETTINGS, EXPECTED, FAILED, OK, USAGE, Daemon, run_until_signal

app = cyclopts.App(
    name="appliance",
    help="The stadium box: records every camera, cuts a play the moment it is marked.",
    version=appliance_version,
    result_action="return_value",
    version_flags=["--version"],
)
app.command(cloud_commands)
app.command(dataset_commands)
Config = Annotated[Path, Parameter(help="settings file")]


@app.command
def serve(*, config: Config = DEFAULT_PATH) -> int:
    """Run the box until SIGTERM or SIGINT; then finish running work and end."""
    from appliance.ops.disk_limits import refuse_impossible

    settings = load_settings(config)
    refuse_impossible(settings)
    return run_until_signal(settings, None, _box_daemon)


@app.command
def demo(
    *,
    port: int = 8080,
    host: str = "127.0.0.1",
    state: Annotated[Path | None, Parameter(help="folder to keep; default a temporary one")] = None,
    cameras: Annotated[int, Parameter(validator=cyclopts.validators.Number(gte=1, lte=8))] = 2,
) -> int:
    """Run a box with synthetic cameras and an active session."""
    from appliance.box.demo import begin_demo, demo_settings

    with ExitStack() as stack:
        if state is None:
            state = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="appliance-demo-")))
        settings = demo_settings(state.absolute(), port, host, cameras)
        return run_until_signal(settings, begin_demo(_print, settings), _box_daemon)


@app.command
def check_config(file: Path) -> int:
    """Check a settings file: `ok`, or every error with its dotted path."""
    from appliance.ops.checks.cameras import cautions
    from appliance.ops.disk_limits import refuse_unreachable

    settings = load_settings(file)
    refuse_unreachable(settings)
    for line in cautions(settings):
        _print_error(f"note  {line}")
    _print("ok")
    return OK


@app.command
def doctor(
    *,
    config: Annotated[Path | None, Parameter(help="default: the installed file, where there is one")] = None,
    as_json: Annotated[bool, Parameter(name="--json", negative="")] = False,
) -> int:
    """Check everything the box needs; print one line each, with a fix."""
    from appliance.ops.doctor import examine  # imported here, as in other commands: `serve` need not load it

    settings = _settings_if_any(config)
    parts = trio.run(examine, settings)
    if as_json:
        _print(json.dumps({name: part.shown() for name, part in parts.items()}, indent=2, ensure_ascii=False))
    else:
        for name, part in parts.items():
            fix = f" -> {part.hint}" if part.hint else ""
            _print(f"{part.status:4}  {name:<12} {part.detail}{fix}")
    return FAILED if any(part.status == "bad" for part in parts.values()) else OK


@app.command
def fsck(*, config: Config = DEFAULT_PATH, repair: Annotated[bool, Parameter(negative="")] = False) -> int:
    """Check rows against files against plans against the journal; --repair mends what is safe to mend."""
    from appliance.ops.fsck import check_box

    settings = load_settings(config)
    with given_back(settings.storage.state_dir):
        findings = trio.run(check_box, settings, repair)
    for finding in findings:
        _print(str(finding))
    left = [finding for finding in findings if not finding.repaired]
    _print(f"{len(findings)} findings, {len(findings) - len(left)} repaired" if findings else "ok")
    return FAILED if left else OK


@app.command
def backup(file: Path, *, config: Config = DEFAULT_PATH) -> int:
    """Copy the database to FILE, complete and durable; the box may be running."""
    from appliance.ops.backup import backup_to

    settings = load_settings(config)
    with given_back(settings.storage.state_dir):
        size = backup_to(settings, file)
    _print(f"{size} bytes in {file}")
    return OK


@app.command
def restore(file: Path, *, config: Config = DEFAULT_PATH) -> int:
    """Put a backup in place of the database; the box must not be running, and the old one is kept."""
    from appliance.ops.backup import restore_from

    settings = load_settings(config)
    with given_back(settings.storage.state_dir):
        moved_to = restore_from(settings, file)
    _print(f"restored; the database before is {moved_to}" if moved_to is not None else "restored")
    return OK


@app.command
def support_bundle(
    file: Path,
    *,
    config: Annotated[Path | None, Parameter(help="default: the installed file, where there is one")] = None,
) -> int:
    """Write FILE (tar.gz) for a remote helper: health, settings, figures, logs; no secret and no video."""
    from appliance.ops.bundle.bundle import write_bundle
    from appliance.ops.doctor import examine

    settings = _settings_if_any(config)
    size = write_bundle(settings, trio.run(examine, settings), file)
    _print(f"{size} bytes in {file}")
    return OK


@app.command
def export(
    session: Annotated[str, Parameter(help="session id")],
    *,
    out: Annotated[Path, Parameter(help="folder, made when it is not there")],
    config: Config = DEFAULT_PATH,
    format: Literal["json"] = "json",
) -> int:
    """Write a session's manifest and clip files into a folder."""
    from appliance.ops.export import ExportError, export_session

    settings = load_settings(config)
    try:
        with given_back(settings.storage.state_dir):
            report = trio.run(export_session, settings, session, out)
    except ExportError as error:
        _print_error(f"error: {error}")
        return FAILED
    _print(f"{report.clips} clips, {report.size_bytes} bytes in {out}")
    for clip_id, reason in report.left_out:
        _print(f"left out: clip {clip_id}: {reason}")
    return OK


@app.command
def pair(
    *,
    role: Annotated[Role, Parameter(help="what the device may do")],
    name: Annotated[str | None, Parameter(help="of the device; default: it names itself")] = None,
    channel: Annotated[
        str | None, Parameter(help="for which a capture device reports; default: that of its first report")
    ] = None,
    minutes: Annotated[
        float, Parameter(validator=cyclopts.validators.Number(gt=0, lte=MINUTES_MAX))
    ] = MINUTES,
    token_file: Annotated[
        Path | None, Parameter(help="write a token into this new file instead, to be copied to a camera")
    ] = None,
    config: Config = DEFAULT_PATH,
) -> int:
    """Print a one-time code that gives a device access; also while the box runs."""
    from appliance.access.console import leave_code, leave_token
    from appliance.access.core import shown_code
    from appliance.access.links import pair_link, qr_text
    from appliance.box.wiring.entrance import addresses_shown, entrance

    if channel is not None and (role != "capture" or not re.fullmatch(CHANNEL_ID, channel)):
        _print_error("--channel names the channel of a device with --role capture, as in --channel cam1")
        return USAGE
    settings = load_settings(config)
    state_dir, shown_name = settings.storage.state_dir, name and sanitised(name)
    if token_file is not None:
        with open(token_file, "x", opener=_private) as opened:
            opened.write(leave_token(state_dir, role, shown_name, channel) + "\n")
        _print(f"token     in {token_file}, for one device with the role {role}, until it is revoked")
        _print("use       Authorization: Bearer TOKEN with every request")
        return OK
    code = leave_code(state_dir, role, shown_name, minutes, channel)
    begin = entrance(settings)
    link = pair_link(begin.page or "", code, begin)
    _print(f"code      {shown_code(code)}   for one device with the role {role}, {minutes:g} minutes")
    for words in addresses_shown(settings, begin):
        _print(words)
    if settings.access.mode == "open":
        _print('note      access.mode is "open": everybody may use this box, paired or not')
    _print(f"QR        {link}")
    _print(qr_text(link))  # last, so that all of it is on a console of 24 lines
    return OK


@app.command
def add_camera(
    channel: Annotated[str, Parameter(help="id of the camera: a-z, 0-9, _ and -, such as cam1")],
    *,
    name: Annotated[str, Parameter(help="shown to people; default: the id")] = "",
    port: Annotated[int | None, Parameter(help="UDP port; default: the next one from 8891")] = None,
    config: Config = DEFAULT_PATH,
) -> int:
    """Append a camera to the settings, with a passphrase of its own; print what to type into its encoder."""
    from appliance.box.demo import page_addresses
    from appliance.box.wiring.add_camera import add_camera as add

    host = page_addresses("0.0.0.0", 0)[-1].removeprefix("http://").rpartition(":")[0]
    added = add(config, channel, name, port)
    if added.port is None:
        _print(f"camera    {channel} is in {config}; now: appliance mediamtx-config")
        return OK
    _print(f"camera    {channel}: srt://{host}:{added.port}?passphrase={added.passphrase}&pbkeylen=16")
    _print(
        f"encoder   mode caller, address {host}, port {added.port}, passphrase {added.passphrase}, AES-128"
    )
    _print(f"restart   the box, not during a session: systemctl restart appliance ({config} is changed)")
    return OK


@app.command
def mediamtx_config(
    *,
    new: Annotated[
        tuple[str, ...],
        Parameter(help="channels that get a new password", negative="", consume_multiple=True),
    ] = (),
    file: Annotated[
        Path | None, Parameter(help="MediaMTX's settings; default: mediamtx.yml beside the settings")
    ] = None,
    config: Config = DEFAULT_PATH,
) -> int:
    """Write MediaMTX's users, one for each channel and one for the box; print what each camera sends to."""
    from appliance.box.demo import page_addresses
    from appliance.box.mediamtx.configure import configure
    from appliance.box.mediamtx.users import CannotWrite

    settings, target = load_settings(config), file or config.with_name("mediamtx.yml")
    host = page_addresses("0.0.0.0", 0)[-1].removeprefix("http://").rpartition(":")[0]
    try:
        done = configure(settings, target, new, host)
    except CannotWrite as error:
        _print_error(f"error: {error}")
        return FAILED
    for name, url in done.urls.items():
        _print(f"camera    {name}: {url}")
    for name in done.kept:
        _print(f"camera    {name} keeps its password; for a new one: appliance mediamtx-config --new {name}")
    for name in done.removed:
        _print(f"removed   {name}: it may no longer send or read")
    for name in done.removed_paths:
        _print(f"removed   path {name}: no channel of the settings and no user of this file sends it")
    if done.urls:
        _print("note      type it into the camera now: its password is stored nowhere else")
    if done.is_box_password_new:
        _print("note      the box has a login of its own: systemctl restart appliance")
    if settings.recorder.mode != "external":
        _print('note      recorder.mode is "embedded": the box records by itself and does not ask MediaMTX')
    elif not settings.mediamtx.api_url:
        _print('note      set mediamtx.api_url = "http://127.0.0.1:9997" to see what the cameras send')
    _print(f"{target}  {'written: MediaMTX reads it by itself' if done.is_written else 'needs no change'}")
    return OK


def _box_daemon() -> Daemon:
    from appliance.box.daemon import run_daemon  # imported here, so that small commands do not load all of it

    return run_daemon


def _private(path: str, flags: int) -> int:
    """Open a file that only its owner may read."""
    return os.open(path, flags, 0o600)


def main() -> None:
    """Entry point. Exits with one of the codes above."""
    sys.exit(_exit_code(sys.argv[1:]))


def _exit_code(words: list[str]) -> int:
    try:
        result = app(words, exit_on_error=False, print_error=False)
    except cyclopts.CycloptsError as error:
        _print_error(f"{error}\nTry: appliance --help")
        return USAGE
    except SettingsError as error:
        for problem in error.problems:
            _print_error(problem)
        return BAD_SETTINGS
    except PermissionError as error:
        _print_error(f"error: {error}; type it as root: sudo appliance ...")
        return FAILED
    except EXPECTED as error:
        _print_error(f"error: {error}")
        return FAILED
    except KeyboardInterrupt:
        return FAILED
    return result if isinstance(result, int) else OK


def _settings_if_any(config: Path | None) -> Settings:
    if config is None and not DEFAULT_PATH.exists():
        return check_settings({})
    return load_settings(config or DEFAULT_PATH)


def _print(text: str) -> None:
    print(text, flush=True)


def _print_error(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
