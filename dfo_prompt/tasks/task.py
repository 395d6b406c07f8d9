"""Tasks as declared in TOML: templates, label words and data."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from importlib.resources import as_file, files
from pathlib import Path
from typing import Self

from dfo_prompt._util.parsing import STRICT, parse, read_toml
from dfo_prompt._util.reading import exists, from_home
from dfo_prompt.errors import InputError
from dfo_prompt.plugin.catalogue import catalogue
from dfo_prompt.tasks.metrics import check_metric
from dfo_prompt.tasks.sections import Answer, Pattern, Questions, Source
from dfo_prompt.tasks.template import Template

MIN_CLASSES = 2
"""The smallest number of label words."""
_PROMPT = "{prompt}"


@dataclass(frozen=True, kw_only=True)
class Task:
    """A task: texts that a model answers with one of several label words, or with a text.

    Attributes:
        name: name of the task; defaults to the stem of the task file.
        summary: one line for `dfo-prompt list tasks`.
        metric: a metric that `dfo-prompt list metrics` shows.
        template: the template; see `Template.parse`.
        causal_template: template for decoder-only models, if text follows the answer slot of `template`.
        labels: label word of each label of the data. Labels with the same word form one class; classes are numbered in the
            order of their words.
        answer: rule for answers that are texts; excludes `labels`.
        patterns: alternative templates, for ensembles.
        chain: questions for the method "chained-decoder", which otherwise uses the questions of `patterns`.
        data: source of the examples; if it is empty, `read_examples` needs a path.

    Raises:
        ValueError: templates, label words, metric, patterns or chain are invalid or do not match each other.
    """

    __pydantic_config__ = STRICT

    name: str
    summary: str
    template: str
    labels: Mapping[str, str] = field(default_factory=dict)
    answer: Answer | None = None
    causal_template: str = ""
    metric: str = "accuracy"
    patterns: tuple[Pattern, ...] = ()
    chain: Questions | None = None
    data: Source = field(default_factory=Source)

    def __post_init__(self) -> None:
        templates = [_parsed(self, key) for key in ("template", "causal_template") if getattr(self, key)]
        if len({template.fields for template in templates}) != 1:
            raise ValueError("template and causal_template must have the same text marks, and one of them is needed")
        if self.causal_template and not templates[-1].slot_is_last:
            raise ValueError("causal_template must end in {answer}")
        if self.answer:
            self._check_generation()
        else:
            self._check_labels()

    def _check_generation(self) -> None:
        for key in ("labels", "patterns", "chain"):
            if getattr(self, key):
                raise ValueError(f"{key}: is for tasks with labels, and [answer] is for texts as answers; leave out either")
        check_metric(self.metric, None)

    def _check_labels(self) -> None:
        if bad := [word for word in self.labels.values() if not word or word != word.strip()]:
            raise ValueError(f"labels: label word {bad[0]!r} is empty or has surrounding spaces")
        if len(self.words) < MIN_CLASSES:
            raise ValueError(f"labels: at least two label words are needed, not {len(self.words)}")
        check_metric(self.metric, len(self.words))
        for number, other in enumerate(self.rephrased, start=1):
            if other.fields != self.fields or other.classes != self.classes:
                raise ValueError(f"patterns, number {number}: text marks and classes must be those of the task")
        if self.chain and self.chain.fields != self.fields:
            raise ValueError("chain: text marks must be those of the task")

    @property
    def fingerprint(self) -> str:
        """Return a short hash of templates, label words, metric and patterns, or of the rule for answers.

        Marks of the soft prompt are left out, because a task stays the same wherever its prompt stands; `prompted` has them.
        The chain is left out too: only one method uses it and writes it to its manifest.
        """
        patterns = tuple(
            (
                _without_prompt(pattern.template),
                _without_prompt(pattern.causal_template),
                [*(pattern.labels or self.labels).items()],
            )
            for pattern in self.patterns
        )
        content: tuple[object, ...] = (
            _without_prompt(self.template),
            _without_prompt(self.causal_template),
            [*self.labels.items()],
            self.metric,
            patterns,
        )
        text = repr(content)
        if self.answer:  # spelled out, so that the name of the class may change
            text = f"{text[:-1]}, Answer(most_tokens={self.answer.most_tokens!r}, ends={self.answer.ends!r}))"
        return hashlib.sha256(text.encode()).hexdigest()[:16]

    @property
    def prompted(self) -> tuple[str, ...]:
        """Return the templates, those of the patterns last, that say where the soft prompt stands."""
        own = (self.template, self.causal_template)
        others = (template for pattern in self.patterns for template in (pattern.template, pattern.causal_template))
        return tuple(template for template in (*own, *others) if _PROMPT in template)

    @property
    def masked(self) -> Template:
        """Return the template for models that can fill an answer slot at any position."""
        return _parsed(self, "template" if self.template else "causal_template")

    @property
    def causal(self) -> Template:
        """Return the template for decoder-only models, whose answer slot is last.

        Raises:
            InputError: the task has no such template.
        """
        template = _parsed(self, "causal_template" if self.causal_template else "template")
        if not template.slot_is_last:
            raise InputError(
                f"task {self.name!r}: nothing may follow {{answer}} for a decoder-only model; add causal_template"
            )
        return template

    @property
    def fields(self) -> tuple[str, ...]:
        """Return the names of an example's texts, in order."""
        return self.masked.fields

    @property
    def words(self) -> tuple[str, ...]:
        """Return the label word of each class, (C,)."""
        return tuple(dict.fromkeys(self.labels.values()))

    @property
    def classes(self) -> tuple[str, ...]:
        """Return the name of each class, (C,): the first label with its word."""
        return tuple(next(label for label in self.labels if self.labels[label] == word) for word in self.words)

    @property
    def without_prompt(self) -> Self:
        """Return the same task without the marks of the soft prompt in its own templates."""
        template, causal = _without_prompt(self.template), _without_prompt(self.causal_template)
        return replace(self, template=template, causal_template=causal)

    @property
    def with_prompt_behind(self) -> Self:
        """Return the same task with the soft prompt right behind the texts, in all templates and patterns."""
        patterns = tuple(
            replace(
                pattern,
                template=_with_prompt_behind(pattern.template),
                causal_template=_with_prompt_behind(pattern.causal_template),
            )
            for pattern in self.patterns
        )
        template, causal = _with_prompt_behind(self.template), _with_prompt_behind(self.causal_template)
        return replace(self, template=template, causal_template=causal, patterns=patterns)

    @property
    def rephrased(self) -> tuple[Self, ...]:
        """Return the same task with the templates and label words of each pattern."""
        return tuple(
            replace(
                self,
                template=pattern.template,
                causal_template=pattern.causal_template,
                labels=pattern.labels or self.labels,
                patterns=(),
            )
            for pattern in self.patterns
        )


def find_task(task: str | Path) -> Task:
    """Return the task with this name, or in this file.

    Raises:
        InputError: there is no such task, or its file is invalid.
    """
    if isinstance(task, Path) or task.endswith(".toml"):
        return load_task(Path(task))
    return load_task(catalogue().tasks.find(task).target)


def check_labels(task: Task) -> Task:
    """Return the task, whose answers must be labels.

    Raises:
        InputError: the answers are texts.
    """
    if task.answer:
        reason = f"task {task.name!r} has answers that are texts, without labels"
        raise InputError(f"{reason}; only studies of the objective 'prompt' take it, without [endpoint]")
    return task


def load_task(where: str | Path) -> Task:
    """Load a task file: a path, or as a string also "package:file.toml", a file inside an importable package.

    Raises:
        InputError: the file is missing or invalid; the message names file and key.
    """
    if isinstance(where, Path) or ":" not in where or exists(Path(where)):
        return _read(from_home(where))
    package, _, name = where.partition(":")
    try:
        with as_file(files(package).joinpath(name)) as file:
            return _read(file)
    except (ImportError, TypeError, ValueError, OSError) as error:  # no package has this name, or a module has it
        raise InputError(f"cannot read task {where!r}: {error}") from error


def _read(path: Path) -> Task:
    table = {"name": path.stem, **read_toml(path)}
    # [data] is parsed on its own first, so that a misspelt key in it gets a suggestion.
    source = parse(Source, table.get("data", {}), where=f"{path}: [data]")
    task = parse(Task, table, where=str(path))
    return replace(task, data=replace(source, path=str(path.parent / from_home(source.path)) if source.path else ""))


def _with_prompt_behind(template: str) -> str:
    return template and Template.parse(template).with_prompt_behind


def _without_prompt(template: str) -> str:
    return template.replace(_PROMPT, "")


def _parsed(task: Task, key: str) -> Template:
    try:
        return Template.parse(getattr(task, key))
    except ValueError as error:
        raise ValueError(f"{key}: {error}") from error
