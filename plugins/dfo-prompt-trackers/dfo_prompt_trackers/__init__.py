"""Trackers: observers that write a study where its user looks at experiments."""

from collections.abc import Iterable

import dfo_prompt as dp

_TRACKERS = {
    "mlflow": ("on_mlflow:MlflowTracker", "MLflow: a run for the suite, and below it one for each study."),
    "tensorboard": ("on_tensorboard:TensorBoardTracker", "TensorBoard: curves, parameters and figures, a folder a study."),
    "wandb": (
        "on_wandb:WandbTracker",
        "Weights & Biases, offline: a run a study, grouped by suite; wandb sync uploads them.",
    ),
}


@dp.hookimpl
def dfo_prompt_observers() -> Iterable[dp.ObserverSpec]:
    """Give the trackers, which watch only studies that name them."""
    for name, (target, summary) in _TRACKERS.items():
        yield dp.ObserverSpec(name=name, target=f"dfo_prompt_trackers.{target}", summary=summary, extra=name)
