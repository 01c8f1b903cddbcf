"""The root command: finds the others, loads them when called, and turns ends into exit statuses."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Sequence
from difflib import get_close_matches
from importlib import import_module
from importlib.util import find_spec
from io import TextIOWrapper
from typing import NamedTuple

import click

import listener
from listener.core import endings
from listener.core.errors import (
    BackupRefused,
    InvalidCode,
    InvalidFile,
    JournalFault,
    SettingsInvalid,
    SubmissionDeclined,
    place_of,
)

from . import exits

PROGRAM = "cv-listener"
COMPLETION = "_CV_LISTENER_COMPLETE"
"""By which a shell asks for completions: click's own protocol."""


class Home(NamedTuple):
    """Where a command lives, and what it is for."""

    module: str
    name: str
    summary: str


COMMANDS = {
    "run": Home("listener.cli.run", "run", "Run the daemon."),
    "demo": Home("listener.cli.demo", "demo", "See it work: an upstream, a daemon, a few faults."),
    "emulate": Home("listener.emulator.command", "emulate", "Run the embedded upstream alone."),
    "submit": Home("listener.cli.submit", "submit", "Submit CV files; wait for their outcome."),
    "status": Home("listener.cli.ask", "status", "How the daemon is, and its counts."),
    "list": Home("listener.cli.ask", "list_", "List submissions, newest first."),
    "gaps": Home("listener.cli.ask", "gaps", "List when events may have been missed."),
    "show": Home("listener.cli.ask", "show", "Show one submission."),
    "explain": Home("listener.cli.explain", "explain", "What one waits for, and its story."),
    "tail": Home("listener.cli.tail", "tail", "See what happens, as it happens."),
    "cancel": Home("listener.cli.ask", "cancel", "Withdraw one submission."),
    "retry": Home("listener.cli.retry", "retry", "Send a closed submission again, as a new one."),
    "forget": Home("listener.cli.forget", "forget", "Delete all that is kept of one code."),
    "pause": Home("listener.cli.control", "pause", "Send nothing more, until resume."),
    "resume": Home("listener.cli.control", "resume", "Send again."),
    "drain": Home("listener.cli.control", "drain", "Finish what is under way, then end."),
    "doctor": Home("listener.cli.doctor", "doctor", "Is all there that it needs? What to do?"),
    "report": Home("listener.cli.report", "report", "What logs tell: outcomes, times, incidents."),
    "backup": Home("listener.cli.backup", "backup", "Copy all state into one file, at any time."),
    "restore": Home("listener.cli.backup", "restore", "Fill an empty state folder from a backup."),
    "check": Home("listener.cli.offline", "check", "Check the settings, offline."),
    "rotate": Home("listener.cli.offline", "rotate", "Another token, or key behind cv_ref."),
    "ref": Home("listener.cli.offline", "ref", "The cv_ref of a code read from stdin."),
}


ALSO_CALLED = {
    **dict.fromkeys(("start", "serve", "daemon"), "run"),
    **dict.fromkeys(("stop", "quit", "shutdown"), "drain"),
    **dict.fromkeys(("log", "logs", "watch", "follow", "events"), "tail"),
    **dict.fromkeys(("ls", "submissions"), "list"),
    **dict.fromkeys(("get", "info", "outcome"), "show"),
    **dict.fromkeys(("send", "update", "upload", "post"), "submit"),
    **dict.fromkeys(("resend", "again"), "retry"),
    **dict.fromkeys(("withdraw", "abort"), "cancel"),
    **dict.fromkeys(("delete", "remove", "purge"), "forget"),
    **dict.fromkeys(("config", "settings"), "check"),
    **dict.fromkeys(("health", "ping"), "status"),
    "why": "explain",
    "hash": "ref",
    "help": "--help",
    "version": "--version",
}
"""Other words for what we do: what who types one of them is told of."""


class Root(click.Group):
    """Knows its commands by name; each is imported when it is called, never for the help."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        try:
            return super().parse_args(ctx, args)
        except click.NoSuchOption as error:
            # What was typed may be a cv_code that begins with a dash.
            near = f" Did you mean {error.possibilities[0]}?" if error.possibilities else ""
            raise click.UsageError(f"there is no such option.{near}", ctx) from None

    def list_commands(self, ctx: click.Context) -> list[str]:
        return [name for name, home in COMMANDS.items() if find_spec(home.module) is not None]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in self.list_commands(ctx):
            return None
        home = COMMANDS[cmd_name]
        command = getattr(import_module(home.module), home.name)
        assert isinstance(command, click.Command)  # noqa: S101 - a broken table is our own fault
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        name = args[0]
        if name in self.list_commands(ctx) or name.startswith("-"):
            return super().resolve_command(ctx, args)
        # What is no command's name may be a cv_code in the wrong place: it is not shown.
        shown = f" '{name}'" if re.fullmatch(r"[a-z-]{1,12}", name) else ""
        near = get_close_matches(name, self.list_commands(ctx), n=1, cutoff=0.5)
        near = [ALSO_CALLED[name]] if name in ALSO_CALLED else near
        hint = f" Did you mean '{near[0]}'?" if near else ""
        raise click.UsageError(f"there is no command{shown}.{hint}", ctx)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(name, COMMANDS[name].summary) for name in self.list_commands(ctx)])


def _version(ctx: click.Context, _: click.Parameter, wanted: bool) -> None:
    if not wanted:
        return
    click.echo(f"{PROGRAM} {listener.__version__}")
    ctx.exit()


@click.group(
    cls=Root,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 80},
    epilog="Settings come from the environment and .env. 'cv-listener COMMAND --help' tells more.",
)
@click.option(
    "--version",
    is_flag=True,
    is_eager=True,
    expose_value=False,
    callback=_version,
    help="Show the version.",
)
def root() -> None:
    """Submit CV updates, and know which had both jobs dispatched."""


def run(args: Sequence[str]) -> int:
    """Run one command; the exit status. What went wrong is said on stderr."""
    if not _writable():
        _say("expected a standard output to write to, found it closed")
        return exits.IO_FAILED
    try:
        result = _invoke(list(args))
        sys.stdout.flush()
    except click.exceptions.Exit as ended:
        return ended.exit_code
    except click.exceptions.NoArgsIsHelpError as error:
        click.echo(error.format_message(), err=True)
        return exits.USAGE
    except click.UsageError as error:
        _say(f"{error.format_message()}", _help_hint(error))
        return exits.USAGE
    except (click.Abort, EOFError, KeyboardInterrupt):
        return exits.INTERRUPTED
    except BrokenPipeError:
        drop_stdout()
        return exits.BROKEN_PIPE
    except exits.CommandFailed as failed:
        _say(failed.message, failed.hint)
        return failed.status
    except Exception as error:  # noqa: BLE001 - every end has its exit status, our own faults too
        return _fault(error)
    return result if isinstance(result, int) else exits.OK


def _writable() -> bool:
    """Whether stdout is there. What its encoding lacks is written as a question mark: a word that
    cannot be shown is no reason to show nothing. A closed stdin is an empty one, and what a closed
    stderr would be told is told to nobody."""
    if sys.stdin is None:
        sys.stdin = open(os.devnull, encoding="utf-8")  # noqa: SIM115, PTH123 - for as long as we live
    if sys.stderr is None:
        sys.stderr = open(os.devnull, "w", encoding="utf-8")  # noqa: SIM115, PTH123 - for as long as we live
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors="replace")
    return sys.stdout is not None


def _invoke(args: list[str]) -> object:
    """What the command returns. Unlike click's own ``main`` it leaves a broken pipe to us."""
    if COMPLETION in os.environ:
        root.main(args=args, prog_name=PROGRAM, complete_var=COMPLETION)
    with root.make_context(PROGRAM, args) as context:
        return root.invoke(context)


def drop_stdout() -> None:
    """Nobody reads it any more; the interpreter's last flush must not complain."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, sys.stdout.fileno())
    os.close(nowhere)


def _fault(error: Exception) -> int:
    match error:
        case SettingsInvalid():
            for line in str(error).splitlines():
                _say(line)
            return exits.CONFIGURATION
        case SubmissionDeclined():
            _say(str(error))
            return exits.TRY_LATER
        case InvalidCode() | InvalidFile() | BackupRefused() | click.ClickException():
            _say(str(error))
            return exits.USAGE
        case JournalFault():
            _say(str(error), endings.hint(error))
            return endings.exit_status(error)
        case PermissionError():
            _say(_of_os(error))
            return exits.PERMISSION
        case OSError():
            _say(_of_os(error))
            return exits.IO_FAILED
        case _:
            # The text of an unforeseen error may hold anything: where it arose tells enough.
            _say(f"a fault of our own: {type(error).__name__} at {place_of(error)}")
            return exits.INTERNAL


def _of_os(error: OSError) -> str:
    """Its file is not named: it may be an argument, and that a cv_code."""
    return f"the system says: {error.strerror or type(error).__name__}"


def _say(message: str, hint: str | None = None) -> None:
    click.echo(f"{PROGRAM}: {message}", err=True)
    if hint:
        click.echo(f"{' ' * len(PROGRAM)}  {hint}", err=True)


def _help_hint(error: click.UsageError) -> str | None:
    return None if error.ctx is None else f"try: {error.ctx.command_path} --help"
