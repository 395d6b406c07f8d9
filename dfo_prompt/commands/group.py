"""The program's command group, which imports each command from the catalogue on use."""

import os
import sys
from contextlib import suppress
from errno import EPIPE
from pathlib import Path

import click

from dfo_prompt.errors import PluginError
from dfo_prompt.plugin.catalogue import BUILT_IN, catalogue, plugin_files

READER_GONE = 141
"""The conventional exit status of a program ended by a broken pipe."""


class PluginGroup(click.Group):
    """A group whose commands come from the catalogue."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002
        """Return the names of all commands."""
        return list(catalogue().commands.specs)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command:  # noqa: ARG002
        """Import and return a command.

        Raises:
            PluginError: the target of its spec is no command.
        """
        command = catalogue().commands.load(cmd_name)
        if not isinstance(command, click.Command):
            raise PluginError(f"command {cmd_name!r} is a {type(command).__name__}, not a click.Command")
        return command

    def invoke(self, ctx: click.Context) -> object:
        """Run the command; end quietly if its output pipe is closed.

        Raises:
            PluginError: a plugin's code called sys.exit in a built-in command.
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
            if catalogue().commands.providers.get(name, ("",))[0] not in BUILT_IN:
                raise
            raise PluginError(
                f"code of a plugin called sys.exit({end.code}) in command {name!r}, which is not done"
            ) from end
        return result

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002
        """Write the summaries of the specs, without importing the commands."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, spec.summary) for name, spec in catalogue().commands.specs.items()])


def _use(ctx: click.Context, _: click.Parameter, plugins: tuple[Path, ...]) -> None:
    # Eager, so that click also finds commands of these plugins.
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
    """Flush standard output; on failure discard its buffer, which the interpreter would try to flush again at exit.

    Raises:
        OSError: the flush fails.
    """
    try:
        if sys.stdout:
            sys.stdout.flush()
    except OSError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        raise
