"""The program `dfo-prompt`: finds commands by name, imports the one that runs, and says errors in one line."""

import sys
from contextlib import ExitStack
from io import TextIOWrapper
from pathlib import Path

import click

from dfo_prompt.errors import DfoPromptError, shortened
from dfo_prompt.plugin.catalogue import catalogue, plugin_files

INTERRUPTED = 130
BAD_INPUT = 2


class PluginGroup(click.Group):
    """A group whose commands come from the catalogue, each imported when it is used."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002
        """Return the names of all commands."""
        return list(catalogue().commands.specs)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command:  # noqa: ARG002
        """Import and return one command."""
        command: click.Command = catalogue().commands.find(cmd_name).load()
        return command

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


def main(arguments: list[str] | None = None) -> None:
    """Run the program and exit: 0 done, 2 bad input or a study that cannot go on, 130 interrupted."""
    _write_anything()
    with ExitStack() as stack:
        stack.callback(sys.stdout.flush)
        try:
            status = program.main(args=arguments, standalone_mode=False)
            if isinstance(status, int) and status:  # of a command that called ctx.exit
                sys.exit(status)
        except DfoPromptError as error:
            _fail(str(error), BAD_INPUT)
        except OSError as error:
            where = f"{error.filename}: " if error.filename else ""
            _fail(f"{where}{error.strerror or error}", BAD_INPUT)
        except click.exceptions.NoArgsIsHelpError as error:
            error.show()
            sys.exit(BAD_INPUT)
        except click.NoSuchOption as error:
            _fail(f"{error.format_message()} Write -- ahead of an argument that begins with -.", BAD_INPUT)
        except click.ClickException as error:
            _fail(error.format_message(), BAD_INPUT)
        except (click.Abort, KeyboardInterrupt):
            _fail("interrupted; the same command goes on from here", INTERRUPTED)


def _write_anything() -> None:
    """Escape what the encoding of a standard stream lacks, instead of failing after the work is done."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper) and stream.errors == "strict":
            stream.reconfigure(errors="backslashreplace")


def _fail(message: str, status: int) -> None:
    click.echo(f"error: {shortened(message)}", err=True)
    sys.exit(status)
