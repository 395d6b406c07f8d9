"""The program `dfo-prompt`: finds commands by name, imports the one that runs, and says errors in one line."""

import os
import sys
from contextlib import suppress
from errno import EPIPE
from io import TextIOWrapper
from pathlib import Path
from typing import Any

import click

from dfo_prompt._util.interrupts import interruptible
from dfo_prompt._util.supervisor import GOES_ON, INTERRUPTED, Supervisor
from dfo_prompt.errors import DfoPromptError, one_line, shortened
from dfo_prompt.plugin.catalogue import catalogue, plugin_files

FAULT, BAD_INPUT, READER_GONE = 1, 2, 141
TRACEBACK = "DFO_PROMPT_TRACEBACK"
"""In the environment: a fault of the program ends with its traceback."""


class PluginGroup(click.Group):
    """A group whose commands come from the catalogue, each imported when it is used."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002
        """Return the names of all commands."""
        return list(catalogue().commands.specs)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command:  # noqa: ARG002
        """Import and return one command."""
        command: click.Command = catalogue().commands.find(cmd_name).load()
        return command

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command; one whose reader has had enough ends quietly, like any program's."""
        try:
            result = super().invoke(ctx)
            _flush()
        except OSError as error:
            with suppress(OSError):
                _flush()
            if error.errno == EPIPE:
                ctx.exit(READER_GONE)
            raise
        return result

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002
        """Write the summaries, which needs no import."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, spec.summary) for name, spec in catalogue().commands.specs.items()])


def _use(ctx: click.Context, _: click.Parameter, plugins: tuple[Path, ...]) -> None:
    # Before click looks for the command, which may be one of theirs.
    ctx.with_resource(plugin_files(*plugins))


@click.group(cls=PluginGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="dfo-prompt")
@click.option(
    "--plugin",
    multiple=True,
    type=click.Path(path_type=Path),
    callback=_use,
    is_eager=True,
    expose_value=False,
    help="Also use the plugin in this file.",
)
def program() -> None:
    """Compare derivative-free optimizers on prompts of language models, under equal query budgets."""


def main(arguments: list[str] | None = None, *, supervisor: Supervisor | None = None) -> None:
    """Run the program and exit: 0 done, 1 a fault of the program, 2 bad input or a study that cannot go on, 130 interrupted.

    Args:
        arguments: of the command line; None means those of this process.
        supervisor: the process that started this one; commands find it as the object of their context.
    """
    status = _status(arguments, supervisor)
    if supervisor:
        supervisor.done(status)
    if status:
        sys.exit(status)


def _status(arguments: list[str] | None, supervisor: Supervisor | None) -> int:
    try:
        _never_fail_to_encode()
        with interruptible():
            status = program.main(args=arguments, standalone_mode=False, obj=supervisor)
        return status if isinstance(status, int) else 0  # of a command that called ctx.exit
    except click.exceptions.NoArgsIsHelpError as error:
        error.show()
        return BAD_INPUT
    except (click.Abort, KeyboardInterrupt):
        return _fail(f"interrupted; {GOES_ON}", INTERRUPTED)
    except (DfoPromptError, click.ClickException, OSError, SystemExit) as error:
        return _fail(_message(error), BAD_INPUT)
    except Exception as error:
        if TRACEBACK in os.environ:
            raise
        return _fail(f"unexpected {one_line(error)}; with {TRACEBACK}=1 in the environment it shows where", FAULT)


def _message(error: BaseException) -> str:
    if isinstance(error, click.ClickException):
        return error.format_message()
    if isinstance(error, OSError):
        where = f"{error.filename}: " if error.filename else ""
        return f"{where}{error.strerror or error}"
    if isinstance(error, SystemExit):
        return f"code of a plugin or a library called sys.exit({error.code!r})"
    return str(error)


def _never_fail_to_encode() -> None:
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def _flush() -> None:
    """Write what standard output holds back, or forget it: the interpreter would try again at its end, and fail.

    Raises:
        OSError: it cannot be written.
    """
    try:
        if sys.stdout:
            sys.stdout.flush()
    except OSError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        raise


def _fail(message: str, status: int) -> int:
    click.echo(f"error: {shortened(' '.join(message.split()))}", err=True)
    return status
