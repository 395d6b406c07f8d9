"""Tasks: a template with a slot for the answer, which is one of some label words or a text of its own, and examples."""

from collections.abc import Iterable
from pathlib import Path

from dfo_prompt.contracts.spec import MetricSpec, Spec
from dfo_prompt.plugin.hookspecs import hookimpl

METRICS = {
    "accuracy": (None, "Share of right answers"),
    "f1": (2, "F1 score of class 1, the second label word"),
    "macro_f1": (None, "Mean F1 score of the classes that are present or predicted"),
}

OF_TEXTS = {
    "exact_match": ("metrics:exact_match", "Share of answers that are the reference, letter by letter", ""),
    "chrf": ("chrf:chrf", "chrF: F-score of character n-grams, 0 to 1 (Popovic, 2015), by sacrebleu", "generation"),
}


@hookimpl
def dfo_prompt_metrics() -> Iterable[MetricSpec]:
    """Give the metrics in `metrics.py` and `chrf.py`."""
    for name, (classes, summary) in METRICS.items():
        yield MetricSpec(name=name, target=f"{__name__}.metrics:{name}", summary=f"{summary}.", classes=classes)
    for name, (target, summary, extra) in OF_TEXTS.items():
        yield MetricSpec(name=name, target=f"{__name__}.{target}", summary=f"{summary}.", extra=extra, texts=True)


@hookimpl
def dfo_prompt_tasks() -> Iterable[Spec]:
    """Give the tasks in `library/`, one a file."""
    import tomllib  # noqa: PLC0415 - every start imports this module, and few ask for tasks

    for file in sorted(Path(__file__).with_name("library").glob("*.toml")):
        table = tomllib.loads(file.read_text(encoding="utf-8"))
        yield Spec(name=table["name"], target=f"{__name__}:library/{file.name}", summary=table["summary"])
