"""The program `dfo-prompt`: runs a command, and says errors in one line.

What the commands need is imported inside `main`, so that Ctrl-C ends the program properly at any moment.
"""

import signal
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from io import TextIOWrapper

INTERRUPTED = 130
BAD_INPUT = 2


def main(arguments: list[str] | None = None) -> None:
    """Run the program and exit: 0 done, 2 bad input or a study that cannot go on, 130 interrupted."""
    _write_anything()
    status, error = INTERRUPTED, "interrupted; the same command goes on from here"
    with _interrupts_noted() as interrupts:
        try:
            ended = _run(arguments)
            if not (interrupts and ended[0]):  # else a library that was being imported may have made another error of it
                status, error = ended
        except KeyboardInterrupt:
            pass
        except Exception:
            if not interrupts:
                raise
    if error:
        print(f"error: {error}", file=sys.stderr)  # noqa: T201 - click may not be there yet
    if status:
        sys.exit(status)


def _run(arguments: list[str] | None) -> tuple[int, str]:
    """Run the program; return its exit status, and an error to print."""
    import click  # noqa: PLC0415

    from dfo_prompt.commands.group import program  # noqa: PLC0415
    from dfo_prompt.errors import DfoPromptError, shortened  # noqa: PLC0415

    with ExitStack() as stack:
        stack.callback(sys.stdout.flush)
        try:
            status = program.main(args=arguments, standalone_mode=False)
        except DfoPromptError as error:
            return BAD_INPUT, str(error)
        except OSError as error:
            where = f"{error.filename}: " if error.filename else ""
            return BAD_INPUT, shortened(f"{where}{error.strerror or error}")
        except click.exceptions.NoArgsIsHelpError as error:
            error.show()
            return BAD_INPUT, ""
        except click.NoSuchOption as error:
            return BAD_INPUT, shortened(f"{error.format_message()} Write -- ahead of an argument that begins with -.")
        except click.ClickException as error:
            return BAD_INPUT, shortened(error.format_message())
        except click.Abort as error:  # how click passes an interrupt on
            raise KeyboardInterrupt from error
    return (status if isinstance(status, int) else 0), ""  # of a command that called ctx.exit


def _write_anything() -> None:
    """Escape what the encoding of a standard stream lacks, instead of failing after the work is done."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper) and stream.errors == "strict":
            stream.reconfigure(errors="backslashreplace")


@contextmanager
def _interrupts_noted() -> Iterator[list[int]]:
    """List the interrupts that arrive inside a `with` block, each of which raises KeyboardInterrupt as usual."""
    interrupts: list[int] = []

    def note(number: int, frame: object) -> None:
        interrupts.append(number)
        signal.default_int_handler(number, frame)  # type: ignore[arg-type]

    try:
        usual = signal.getsignal(signal.SIGINT) is signal.default_int_handler
        before = signal.signal(signal.SIGINT, note) if usual else None
    except ValueError:  # not the main thread
        usual = False
    try:
        yield interrupts
    finally:
        if usual:
            signal.signal(signal.SIGINT, before)
