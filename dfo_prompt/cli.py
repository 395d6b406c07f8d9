"""The program `dfo-prompt`: runs a command and reports errors in one line."""

import os
import sys
from collections.abc import Sequence
from io import TextIOWrapper

import click

from dfo_prompt._util.interrupts import interruptible
from dfo_prompt._util.supervisor import GOES_ON, INTERRUPTED, Supervisor
from dfo_prompt.commands.group import program
from dfo_prompt.errors import DfoPromptError, one_line, shortened

FAULT, BAD_INPUT = 1, 2
TRACEBACK = "DFO_PROMPT_TRACEBACK"
"""Environment variable that makes an unexpected error end with its traceback."""


def main(arguments: list[str] | None = None, *, supervisor: Supervisor | None = None) -> None:
    """Run the program and exit: 0 success, 1 unexpected error, 2 bad input or a failed study, 130 interrupted.

    Args:
        arguments: command-line arguments; None means those of this process.
        supervisor: the process that started this one; commands receive it as the object of their context.
    """
    status = _status(arguments, supervisor)
    if supervisor:
        supervisor.done(status)
    if status:
        sys.exit(status)


def _status(arguments: list[str] | None, supervisor: Supervisor | None) -> int:
    _never_fail_to_encode()
    try:
        with interruptible() as interrupts:
            return _run(arguments, supervisor, interrupts)
    except (click.Abort, KeyboardInterrupt):
        click.echo(f"interrupted; {GOES_ON}", err=True)
        return INTERRUPTED


def _run(arguments: list[str] | None, supervisor: Supervisor | None, interrupts: Sequence[float]) -> int:
    try:
        status = program.main(args=arguments, standalone_mode=False, obj=supervisor)
        return status if isinstance(status, int) else 0  # an int comes from ctx.exit
    except click.exceptions.NoArgsIsHelpError as error:
        error.show()
        return BAD_INPUT
    except SystemExit as end:  # only a plugin's own command exits this way
        return end.code if isinstance(end.code, int) else _fail(str(end.code), FAULT) if end.code else 0
    except click.Abort:
        raise
    except Exception as error:
        if interrupts:
            raise KeyboardInterrupt from error
        if isinstance(error, DfoPromptError | click.ClickException | OSError):
            return _fail(_message(error), BAD_INPUT)
        if TRACEBACK in os.environ:
            raise
        return _fail(f"unexpected {one_line(error)}; with {TRACEBACK}=1 in the environment it shows where", FAULT)


def _message(error: BaseException) -> str:
    if isinstance(error, click.NoSuchOption):
        return f"{error.format_message()} Write -- ahead of an argument that begins with -."
    if isinstance(error, click.ClickException):
        return error.format_message()
    if isinstance(error, OSError):
        where = f"{error.filename}: " if error.filename else ""
        return f"{where}{error.strerror or error}"
    return str(error)


def _never_fail_to_encode() -> None:
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def _fail(message: str, status: int) -> int:
    click.echo(f"error: {shortened(message)}", err=True)
    return status
