import pytest

from dfo_prompt.tasks.task import Task


@pytest.fixture
def single() -> Task:
    return Task(name="mood", summary="", template="{text} It was {answer}", labels={"no": "bad", "yes": "great"})


@pytest.fixture
def pair() -> Task:
    return Task(name="nli", summary="", template="{text_a}? {answer}, {text_b}", labels={"0": "Yes", "1": "No"})
