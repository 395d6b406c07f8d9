"""`dfo-prompt pretrain-projection`: learns a search space from prompts tuned on other tasks."""

from pathlib import Path

import click

from dfo_prompt.commands.numbers import POSITIVE


@click.command("pretrain-projection")
@click.argument("prompts", nargs=-1, required=True, type=click.Path(path_type=Path, exists=True, dir_okay=False))
@click.option("--dim", type=click.IntRange(min=1), required=True, help="Intrinsic dimension d of the studies to come.")
@click.option("--alpha", type=POSITIVE, default=1.0, show_default=True, help="Scale of the projection.")
@click.option("--seed", type=click.IntRange(min=0), default=0, show_default=True, help="Seed of the random directions.")
@click.option("--out", type=click.Path(path_type=Path), default=Path("projection.safetensors"), show_default=True)
def command(prompts: tuple[Path, ...], dim: int, alpha: float, seed: int, out: Path) -> None:
    """Learn a projection A and a start p0 from tuned PROMPTS, files of `dfo-prompt export --format safetensors`.

    Studies on other tasks use them with projection "file" and start "file:...".
    """
    from dfo_prompt.prompt.projections.learned import TunedPrompt, learn_projection  # noqa: PLC0415 - brings torch

    learned = learn_projection([TunedPrompt.read(path) for path in prompts], dim=dim, alpha=alpha, seed=seed)
    learned.save(out)
    click.echo(
        f"{out}: learned on {', '.join(learned.sources)}\n"
        f"use it on another task: --projection file --set prompt.projection_options.path={out} "
        f"--prompt-start file:{out}"
    )
