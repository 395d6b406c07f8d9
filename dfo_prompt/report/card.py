"""Writes the model card of an exported prompt: a README.md with the study's figures, for the hub."""

import re
from importlib.resources import files
from pathlib import Path
from string import Template
from typing import Any

from dfo_prompt._util.durable import replacing, writing
from dfo_prompt._util.json_files import read_json
from dfo_prompt.report.summary import Summary, summarize
from dfo_prompt.report.texts import markdown_text, printable
from dfo_prompt.study.identity import read_manifest

CARD = "README.md"
HUB = "It was tuned for {model}{revision} on the hub."
OTHER = (
    "**Other weights:** the prompt was tuned on a copy of {model} whose weights differ from those on the hub (quantised,"
    " for example), so figures and predictions will differ slightly. Pass that copy with `--base` to reproduce them."
)
LOCAL = (
    "**Base model:** the prompt was tuned on a local folder, {model}, without a hub id: pass your copy with `--base`. The"
    " fingerprint of its configuration and weights is `{fingerprint}`."
)


def write_card(study: Path, folder: Path) -> None:
    """Write README.md into the folder of an exported prompt, beside its task.json.

    Raises:
        InputError: the study or the folder is damaged.
        StudyError: the card cannot be written.
    """
    rule = read_json(folder / "task.json", missing=f"{folder} has no task.json; export the prompt again")
    summary, manifest = summarize(study), read_manifest(study)
    text = Template(files("dfo_prompt.report").joinpath("card.md.in").read_text(encoding="utf-8"))
    body = text.substitute(_figures(summary) | _settings(manifest) | _rule(rule))
    with writing(folder / CARD), replacing(folder / CARD) as file:
        file.write(f"{_head(summary, rule)}\n{body}".encode(errors="backslashreplace"))


def _head(summary: Summary, rule: dict[str, Any]) -> str:
    from huggingface_hub import EvalResult, ModelCardData  # noqa: PLC0415 - slow to import

    held_out, task = summary.held_out, rule["task"]
    results = [
        EvalResult(
            task_type="text-classification",
            dataset_type=task,
            dataset_name=task,
            dataset_split="test",
            metric_type=summary.metric or "accuracy",
            metric_value=held_out.test_metric,
        )
    ]
    data = ModelCardData(
        base_model=rule["base"]["model"] if rule["base"]["hub"] else None,
        library_name="peft",
        pipeline_tag="text-classification",
        tags=["dfo-prompt", "prompt-tuning"],
        model_name=f"{task} prompt",
        eval_results=results if held_out.test_metric is not None else None,
    )
    return f"---\n{data.to_yaml()}\n---\n"


def _figures(summary: Summary) -> dict[str, str]:
    held_out = summary.held_out
    return {
        "metric": summary.metric or "unknown",
        "budget": f"{summary.budget:,}",
        "queries": f"{summary.queries:,}",
        "optimizer": summary.optimizer,
        "seed": str(summary.seed),
        "stopped": summary.stop_reason if summary.finished else "nothing: the study is unfinished, this is its best so far",
        "dev": _figure(held_out.dev_metric),
        "test": _figure(held_out.test_metric),
        "manual_dev": _figure(held_out.manual_dev_metric),
        "manual_test": _figure(held_out.manual_test_metric),
    }


def _settings(manifest: dict[str, Any]) -> dict[str, str]:
    config, objective = manifest["config"], manifest["objective"]
    prompt, examples, dtype = config["prompt"], objective.get("examples", {}), objective.get("dtype", "float32")
    reduced = f"The study multiplied matrices in {dtype}; `classify.py` does so in float32." if dtype != "float32" else ""
    return {
        "objective": config["objective"],
        "dim": str(config["dim"]),
        "projected": f", projection `{prompt['projection']}`" if config["objective"] == "prompt" else "",
        "popsize": str(config["popsize"]),
        "shots": str(config["problem"]["shots"]),
        **{key: str(prompt[key]) for key in ("tokens", "loss", "calibration")},
        **{f"{split}_examples": f"{examples.get(split, 0):,}" for split in ("train", "dev", "test")},
        "precision": reduced,
    }


def _rule(rule: dict[str, Any]) -> dict[str, str]:
    base = rule["base"]
    origin = (HUB if base["same"] else OTHER) if base["hub"] else LOCAL
    revision = f", revision `{base['options']['revision']}`," if "revision" in base["options"] else ""
    link = f"[{base['model']}](https://huggingface.co/{base['model']})" if base["hub"] else _code(base["model"])
    return {
        "title": f"A tuned prompt for the task {markdown_text(rule['task'])}",
        "model": link,
        "origin": origin.format(model=_code(base["model"]), revision=revision, fingerprint=base["fingerprint"]),
        "classes": ", ".join(
            f'{_code(label["label"])} (by the word "{markdown_text(label["word"].strip())}")' for label in rule["labels"]
        ),
    }


def _code(text: str) -> str:
    """Return the text as code of Markdown, whatever back quotes it has."""
    most = max(map(len, re.findall("`+", text)), default=0)
    fence, space = "`" * (most + 1), " " if most else ""
    return f"{fence}{space}{printable(text)}{space}{fence}"


def _figure(value: float | None) -> str:
    return "not measured" if value is None else f"{value:.4g}"
