import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dfo_prompt.tasks.template import Cloze, Template

odd_text = st.text() | st.sampled_from(["{answer}", "{text}", "{", "}}", "{0}", "a\nb", "\"'\\", "{text_a!r}", "é\u2028"])


@given(odd_text)
def test_text_is_kept_as_it_is(text: str) -> None:
    cloze = Template.parse("<{text}> was {answer}.").render([text])
    assert cloze == Cloze(before=f"<{text}> was", after=".")


@given(odd_text, odd_text)
def test_pairs_go_to_their_own_marks(first: str, second: str) -> None:
    cloze = Template.parse("{text_b}|{answer}|{text_a}").render([first, second])
    assert (cloze.before, cloze.after) == (f"{second}|", f"|{first}")


@given(odd_text)
def test_the_space_before_the_slot_moves_to_the_label_word(text: str) -> None:
    template = Template.parse("{text}\nCategory: {answer}")
    whole = template.render([text]).before + template.words(["Sports"])[0]
    assert whole == f"{text}\nCategory: Sports"
    assert template.words(["Sports"]) == (" Sports",)


def test_without_a_space_before_the_slot_words_stay() -> None:
    template = Template.parse("{answer} News: {text}")
    assert template.gap == ""
    assert template.words(["World"]) == ("World",)
    assert template.render(["x"]) == Cloze(before="", after=" News: x")


def test_a_text_that_ends_in_spaces_keeps_them() -> None:
    assert Template.parse("{text}{answer}").render(["x  "]).before == "x  "


def test_prompt_mark_gives_a_place_and_no_text() -> None:
    cloze = Template.parse("Review: {text} {prompt} It was {answer}").render(["good"])
    assert cloze.before == "Review: good  It was"
    assert cloze.before[: cloze.prompt_at] == "Review: good "


def test_braces_that_are_no_marks_are_literal() -> None:
    assert Template.parse("{ } {text} {answer}").render(["x"]).before == "{ } x"


@pytest.mark.parametrize(
    ("template", "last"), [("{text} {answer}", True), ("{text} {answer}.", False), ("{answer}{text}", False)]
)
def test_slot_is_last(template: str, last: bool) -> None:
    assert Template.parse(template).slot_is_last is last


@pytest.mark.parametrize(
    ("template", "message"),
    [
        ("{text}", "one {answer} slot, not 0"),
        ("{text} {answer} {answer}", "one {answer} slot, not 2"),
        ("{txt} {answer}", "unknown mark {txt}; known: {text}"),
        ("It was {answer}", "needs {text}, or {text_a} and {text_b}"),
        ("{text_a} {answer}", "needs {text}, or {text_a} and {text_b}"),
        ("{text} {text_a} {text_b} {answer}", "needs {text}, or {text_a} and {text_b}"),
        ("{text} {answer} {prompt}", "one {prompt}, ahead of {answer}"),
        ("{prompt} {prompt} {text} {answer}", "one {prompt}, ahead of {answer}"),
    ],
)
def test_bad_templates_say_why(template: str, message: str) -> None:
    with pytest.raises(ValueError, match=re.escape(message)):
        Template.parse(template)


def test_the_number_of_texts_must_match() -> None:
    with pytest.raises(ValueError, match="shorter"):
        Template.parse("{text_a} {text_b} {answer}").render(["one"])


@pytest.mark.parametrize(
    ("template", "behind"),
    [
        ("Headline: {text}\nCategory: {answer}", "Headline: {text}{prompt}\nCategory: {answer}"),
        ("{prompt} Review: {text}. It was {answer}.", " Review: {text}{prompt}. It was {answer}."),
        ("{text} {prompt} It was {answer}", "{text}{prompt}  It was {answer}"),
        ("{text_a} { } {text_b}? {answer}", "{text_a} { } {text_b}{prompt}? {answer}"),
        ("{text_a}? {answer}, {text_b}", "{text_a}{prompt}? {answer}, {text_b}"),
        ("{prompt}{answer} News: {text}", "{answer} News: {text}"),
    ],
)
def test_a_prompt_goes_behind_the_texts(template: str, behind: str) -> None:
    found = Template.parse(template).with_prompt_behind
    assert found == behind
    assert Template.parse(found).with_prompt_behind == found
