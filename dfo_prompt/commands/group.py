"""The program's group of commands, which come from the catalogue, each imported when it is used."""

import os
import sys
from contextlib import suppress
from errno import EPIPE
from pathlib import Path

import click

from dfo_prompt.errors import PluginError
from dfo_prompt.plugin.catalogue import BUILT_IN, catalogue, plugin_files

READER_GONE = 141
"""The exit status of a program whose output nobody reads any more, as shells have it."""


class PluginGroup(click.Group):
    """A group whose commands come from the catalogue."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002
        """Return the names of all commands."""
        return list(catalogue().commands.specs)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command:  # noqa: ARG002
        """Import and return one command.

        Raises:
            PluginError: the target of its spec is none.
        """
        command = catalogue().commands.load(cmd_name)
        if not isinstance(command, click.Command):
            raise PluginError(f"command {cmd_name!r} is a {type(command).__name__}, not a click.Command")
        return command

    def invoke(self, ctx: click.Context) -> object:
        """Run the command; one whose reader has had enough ends quietly, like any program's.

        Raises:
            PluginError: a plugin's code in a command of ours calls sys.exit, after which nothing was done.
        """
        try:
            result = super().invoke(ctx)
            flush()
        except OSError as error:
            with suppress(OSError):
                flush()
            if error.errno == EPIPE:
                ctx.exit(READER_GONE)
            raise
        except SystemExit as end:
            name = str(ctx.invoked_subcommand)
            if catalogue().commands.givers.get(name, ("",))[0] not in BUILT_IN:
                raise
            raise PluginError(
                f"code of a plugin called sys.exit({end.code}) in command {name!r}, which is not done"
            ) from end
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


def flush() -> None:
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
