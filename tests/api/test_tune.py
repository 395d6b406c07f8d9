"""`tune` from Python takes labelled texts as lists, Series and data frames."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

import dfo_prompt as dp
from dfo_prompt.api.labelled import labelled, words_of
from dfo_prompt.report.html import study_html
from dfo_prompt.tasks.sections import Source
from dfo_prompt.tasks.task import find_task
from dfo_prompt.testing.tiny import some_examples

EXAMPLES = some_examples(60, longest=6)
TEXTS = [example.texts[0] for example in EXAMPLES]
LABELS = [example.label for example in EXAMPLES]
WORDS = {0: "bad", 1: "good"}
TEMPLATE = "{text} . it was {answer}"
FRAME = pd.DataFrame({"text": TEXTS, "label": LABELS})


class Lazy:
    """Looks like a LazyFrame of polars."""

    columns = ("text", "label")
    collect = None


class Splits:
    """Looks like a DatasetDict of Hugging Face."""

    column_names = {"train": ["text", "label"], "test": ["text", "label"]}  # noqa: RUF012


class Named:
    """Looks like a frame of polars or a Dataset of Hugging Face: columns by name, and no index."""

    def __init__(self, names, columns):
        setattr(self, names, [*columns])
        self._columns = columns

    def __getitem__(self, name):
        return self._columns[name]


class Arrow(list):
    """Looks like a column of pyarrow, which iterates over scalars of its own."""

    def __iter__(self):
        raise AssertionError

    def to_pylist(self):
        return [self[place] for place in range(len(self))]


@pytest.fixture(scope="module")
def tune(tiny_folder):
    def call(texts=TEXTS, labels=LABELS, **changes):
        settings = {"dim": 6, "popsize": 4, "prompt": {"tokens": 3}, **changes.pop("settings", {})}
        usual = {"model": tiny_folder, "budget": 12, "words": WORDS, "template": TEMPLATE, "seed": 1}
        return dp.tune(texts, labels, **{**usual, "settings": settings, **changes})

    return call


@pytest.fixture(scope="module")
def tuned(tune):
    return tune()


def test_a_prompt_is_tuned_and_labels_texts(tuned):
    assert tuned.study.spent.queries == 12
    assert tuned.study.losses.min() == tuned.study.best_loss
    assert tuned.classes == (0, 1)
    found = tuned.predict(["good film", "dull plot", "fun"])
    assert set(map(type, found)) == {int}
    scores = tuned.scores(["good film", "dull plot", "fun"])
    assert scores.sum(axis=1) == pytest.approx(1)
    assert found == scores.argmax(axis=1).tolist()
    assert tuned.held_out.test_metric is not None


def test_lists_series_and_data_frames_are_the_same_study(tune, tuned):
    frame = pd.DataFrame({"film": TEXTS, "opinion": LABELS})
    series, whole = tune(frame["film"], frame["opinion"]), tune(frame, "opinion")
    assert series.study.losses.tolist() == whole.study.losses.tolist() == tuned.study.losses.tolist()
    assert whole.classes == (0, 1)
    assert set(map(type, whole.predict(frame["film"][:3]))) == {int}  # NumPy's numbers are none of JSON


def test_classes_that_are_label_words_need_no_words(tune):
    found = tune(labels=[("bad", "good")[label] for label in LABELS], words=None)
    assert found.classes == ("bad", "good")
    assert set(found.predict(TEXTS)) <= {"bad", "good"}


def test_labels_that_share_a_word_are_one_class(tune):
    labels = [(0, 1, 2)[label + (label and place % 2)] for place, label in enumerate(LABELS)]
    found = tune(labels=labels, words={0: "bad", 1: "good", 2: "good"})
    assert found.classes == (0, 1)


def test_held_out_examples_are_those_given(tune):
    test = (["the film was good", "the plot was bad", "short news"], [1, 0, 1])
    found = tune(test=test)
    right = [a == b for a, b in zip(found.predict(test[0]), test[1], strict=True)]
    assert found.held_out.test_metric == pytest.approx(np.mean(right))
    frame = pd.DataFrame({"text": TEXTS, "label": LABELS})
    other = tune(frame, "label", test=pd.DataFrame({"text": test[0], "label": test[1]}))
    assert other.held_out.test_metric == found.held_out.test_metric
    assert other.study.losses.tolist() == found.study.losses.tolist()


@pytest.mark.slow
def test_shots_are_drawn_from_texts_with_a_single_label(tune):
    """Copies, and texts with two labels, are none to draw from."""
    doubled = tune([*TEXTS, *TEXTS], [*LABELS, *LABELS])
    assert doubled.config.problem.shots == tune().config.problem.shots
    torn = tune([*TEXTS, *TEXTS[:20]], [*LABELS, *(1 - label for label in LABELS[:20])])
    assert torn.config.problem.shots < doubled.config.problem.shots


def test_pairs_of_texts(tune):
    texts = [(text, "the film") for text in TEXTS]
    template = "{text_a} and {text_b} . it was {answer}"
    found = tune(texts, template=template)
    assert len(found.predict([("good", "film")])) == 1
    frame = pd.DataFrame({"a": TEXTS, "b": "the film", "label": LABELS})
    assert tune(frame, "label", template=template).study.losses.tolist() == found.study.losses.tolist()


@pytest.mark.slow
def test_a_folder_is_a_study_that_goes_on_and_that_commands_read(tune, tuned, tmp_path, program):
    found = tune(out=tmp_path / "t")
    journal = (tmp_path / "t" / "study" / "journal.jsonl").read_bytes()
    again = tune(out=tmp_path / "t")
    assert (tmp_path / "t" / "study" / "journal.jsonl").read_bytes() == journal
    assert again.study.losses.tolist() == found.study.losses.tolist() == tuned.study.losses.tolist()
    assert again.folder == tmp_path / "t"
    status, said, error = program("predict", str(tmp_path / "t" / "study"), "good film")
    assert (status, said.split("\t")[0]) == (0, str(found.predict(["good film"])[0])), error
    with pytest.raises(dp.InputError, match=r"other texts.*train\.jsonl"):
        tune(TEXTS[1:], LABELS[1:], out=tmp_path / "t")
    assert tune(out=tmp_path / "t").study.best_loss == found.study.best_loss


def test_without_a_folder_nothing_is_left(tune, tmp_path, monkeypatch):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    found = tune(out="")
    assert found.folder is None
    assert [*tmp_path.iterdir()] == []
    assert len(found.predict(["good film"])) == 1


@pytest.mark.parametrize("method", ["study", "decoder"])
def test_new_texts_are_cut_as_the_task_says(tune, method, monkeypatch):
    short = lambda name: replace(find_task(name), data=Source(most_words=2))  # noqa: E731
    monkeypatch.setattr("dfo_prompt.api.tune.find_task", short)
    found = tune(method=method, budget=4)
    np.testing.assert_array_equal(found.scores(["good film was dull"]), found.scores(["good film"]))
    assert np.ptp(found.scores(["good film", "dull plot"]), axis=0).max() > 0


def test_other_methods_label_texts_too(tune):
    found = tune(method="manual", budget=None)
    assert found.study.spent.queries == 0
    assert found.objective is None
    assert set(found.predict(TEXTS)) <= {0, 1}
    assert "<svg" not in found._repr_html_()
    assert "manual" in repr(found)


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"settings": {"preset": "recipe"}}, ("chained-decoder", "cma", 8)),  # presets have 16, of which there are too few
        ({"settings": {"preset": "bbtv2"}, "shots": 5}, ("study", "blockwise:cma", 5)),
        ({"settings": {"preset": "bbtv2", "problem": {"shots": 7}}}, ("study", "blockwise:cma", 7)),
        ({"settings": {"preset": "text"}, "optimizer": "random"}, ("study", "random", 8)),
        ({}, ("study", "cma", 8)),
    ],
)
def test_a_preset_replaces_defaults_and_no_argument(tune, monkeypatch, changes, expected):
    seen = []

    def stop(config, **_):
        seen.append((config.method, config.optimizer, config.problem.shots))
        raise dp.StudyError("seen")

    monkeypatch.setattr("dfo_prompt.api.tune.run_method", stop)
    with pytest.raises(dp.StudyError, match="seen"):
        tune(**changes)
    assert seen == [expected]


@pytest.mark.parametrize("method", ["manual", "decoder"])
def test_no_texts_are_refused(tune, method):
    with pytest.raises(dp.InputError, match="there are no texts to label or answer"):
        tune(method=method, budget=4).predict([])


def test_optimizers_are_compared_on_its_objective(tuned):
    best = tuned.objective.evaluate(tuned.study.best[None]).losses[0]
    assert best == pytest.approx(tuned.study.best_loss, rel=1e-5)
    found = dp.compare(["cma", "random"], tuned.objective, budget=8, seeds=1, popsize=4, measure="test_metric")
    assert found.studies["test_metric"].notna().all()


def test_it_shows_itself(tuned):
    assert "\n" not in repr(tuned)
    assert f"test accuracy {tuned.held_out.test_metric:.3g}" in repr(tuned)
    html = tuned._repr_html_()
    assert html.count("<svg") == 1
    assert "test metric" in html
    assert study_html(tuned.study, tuned.study.losses, optimizer="cma") != html  # classes and metric come with it


@pytest.mark.parametrize("text", ['quote " and \\ slash', "line\nfeed", "\x7f", "\U0001f600 and é", "tab\there"])
def test_any_text_comes_back_from_the_files(tune, text):
    found = tune(
        [*TEXTS, *[f"{text} {place}" for place in range(40)]], [*LABELS, *[0, 1] * 20], method="manual", budget=None
    )
    assert len(found.predict([text])) == 1


def test_any_label_comes_back_from_the_files(tune):
    names = ('qu"ote \\ é\x7f', "a = b")
    found = tune(labels=[names[label] for label in LABELS], words=dict(zip(names, ("bad", "good"), strict=True)))
    assert set(found.predict(TEXTS)) <= {*names}
    assert sorted(found.classes) == sorted(names)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"labels": LABELS[1:]}, "60 texts and 59 labels"),
        ({"texts": [*TEXTS[1:], 3.5]}, "row 59 has 3.5 where a text must be"),
        ({"texts": [" ", *TEXTS[1:]]}, "row 0"),
        ({"texts": [("a", "b"), *TEXTS[1:]]}, "row 1 has 1 texts, row 0 has 2"),
        ({"texts": [("a", "b", "c"), *TEXTS[1:]]}, "row 0 has 3 texts"),
        ({"texts": [], "labels": []}, "no texts"),
        ({"labels": [None, *LABELS[1:]]}, "row 0 has no label"),
        ({"labels": [float("nan"), *LABELS[1:]]}, "row 0 has no label"),
        ({"labels": ["0", *LABELS[1:]]}, "the same name"),
        ({"words": {0: "bad"}}, "'1' has no label word"),
        ({"words": {**WORDS, 2: "fun"}}, "'2' is no label"),
        ({"test": (["a"], [7])}, "test has the label '7'"),
        ({"test": ([("a", "b")], [0])}, "2 texts a row"),
        ({"shots": 40}, "class"),
        ({"optimizer": "cmaa"}, "did you mean 'cma'"),
        ({"metric": "acuracy"}, "accuracy"),
        ({"template": "{text}"}, "answer"),
        ({"template": 3}, "template must be a text, not 3"),
        ({"metric": None}, "metric must be a text, not None"),
        ({"out": 3}, "out must be the path of a folder, not 3"),
        ({"settings": {"dimm": 3}}, "dim"),
        ({"settings": {"problem": {"task": "bbc-headlines"}}}, "cannot set problem.task, because .* run --task"),
        ({"settings": {"problem": {"data": "a.csv"}}}, "cannot set problem.data, because .* run --data"),
        ({"texts": pd.DataFrame({"a": TEXTS, "y": LABELS}), "labels": "z"}, "name a column of the data frame: a, y"),
        ({"texts": pd.DataFrame({"y": LABELS}), "labels": "y"}, "0 columns besides 'y'"),
        (
            {"texts": FRAME.assign(text=FRAME["text"].where(FRAME.index != 3)), "labels": "label"},
            "row 3 .* leave the row out",
        ),
        ({"texts": [pd.NA, *TEXTS[1:]]}, "row 0 has <NA> .* leave the row out"),
        ({"labels": FRAME["label"].astype("Int64").where(FRAME.index != 3)}, "row 3 has no label; leave it out"),
        ({"labels": [pd.NaT, *LABELS[1:]]}, "row 0 has no label"),
        ({"labels": [[0], *LABELS[1:]]}, r"row 0 has \[0\] where a label must be; a text has one label"),
        ({"labels": [np.array([0, 1]), *LABELS[1:]]}, "row 0 has .* where a label must be"),
        ({"labels": [1] * 60}, "every text has the label '1'; two classes are needed"),
        ({"texts": [text.encode() for text in TEXTS]}, "row 0 has b.* decode bytes"),
        ({"texts": "good film"}, "texts is the text 'good film'; give a list"),
        ({"labels": "label"}, "labels is the text 'label'; give a list, or a data frame"),
        ({"texts": None}, "texts must be a list, not a NoneType"),
        ({"labels": None}, "labels must be a list, not a NoneType"),
        ({"texts": dict.fromkeys(TEXTS, 0)}, "texts must be a list, not a dict"),
        ({"texts": {*TEXTS}}, "texts must be a list, not a set"),
        ({"texts": FRAME["text"][::-1], "labels": FRAME["label"]}, "different indexes; align them"),
        ({"texts": pd.concat([FRAME, FRAME["text"]], axis=1), "labels": "label"}, "two columns are called 'text'"),
        ({"texts": Lazy(), "labels": "label"}, r"this Lazy holds no rows yet; call its collect\(\) first"),
        ({"texts": Splits(), "labels": "label"}, "several data sets; choose one: train, test"),
        ({"words": ["bad", "good"]}, "words must be a dict with a text for each of 0, 1"),
        ({"words": {0: 0, 1: 1}}, "words must be a dict with a text for each of 0, 1"),
        ({"test": 0.2}, "test must be a data frame, or texts and labels, not 0.2"),
        (
            {"texts": FRAME, "labels": "label", "test": FRAME.rename(columns={"text": "review"})},
            "text columns review, the train",
        ),
        ({"shots": 0}, "shots"),
        ({"texts": TEXTS[:3], "labels": [0, 1, 1]}, "1 distinct examples to draw from; .* add examples"),
    ],
)
def test_what_is_wrong_is_said_in_one_line(tune, changes, message):
    with pytest.raises(dp.InputError, match=message) as failed:
        tune(**changes)
    assert "\n" not in str(failed.value)
    assert "train.jsonl" not in str(failed.value)


def test_settings_are_a_table():
    with pytest.raises(dp.InputError, match=r"^tune\(\): settings must be a dict, not 5$"):
        dp.tune(TEXTS, LABELS, settings=5)


def test_a_text_alone_is_no_list_of_letters(tuned):
    assert len(tuned.predict("good film")) == 1
    with pytest.raises(dp.DataError, match="row 1"):
        tuned.predict(["good", 3])


@pytest.mark.parametrize(
    ("texts", "message"),
    [
        (FRAME, "texts must be a list, not a DataFrame; give its text column"),
        (Named("column_names", {"text": TEXTS}), "not a Named; give its text column"),
        ({"text": TEXTS}, "texts must be a list, not a dict"),
        ({*TEXTS}, "not a set"),
        (None, "not a NoneType"),
    ],
)
def test_column_names_are_not_labelled(tuned, texts, message):
    with pytest.raises(dp.DataError, match=rf"^predict\(\): .*{message}"):
        tuned.predict(texts)
    assert tuned.predict(Arrow(TEXTS[:2])) == tuned.predict(FRAME["text"][:2])


@pytest.mark.parametrize(
    ("texts", "labels"),
    [
        (FRAME.assign(label=FRAME["label"].astype("Int64")), "label"),
        (FRAME.rename(columns={"text": 0, "label": 1}), 1),
        (Named("columns", {"text": TEXTS, "label": LABELS}), "label"),
        (Named("column_names", {"text": TEXTS, "label": LABELS}), "label"),
        (Named("column_names", {"text": Arrow(TEXTS), "label": Arrow(LABELS)}), "label"),
        (Arrow(TEXTS), Arrow(LABELS)),
        (np.array(TEXTS)[:, None], np.array(LABELS)[:, None]),
        ((text for text in TEXTS), (label for label in LABELS)),
    ],
)
def test_what_holds_columns_is_read_alike(texts, labels):
    read = labelled(texts, labels, where="here")
    assert (read.texts, read.labels) == (tuple((text,) for text in TEXTS), tuple(LABELS))


def test_booleans_and_categories_are_labels():
    boolean = labelled(FRAME["text"], FRAME["label"] == 1, where="here")
    assert boolean.classes == {"False": False, "True": True}
    words = pd.Categorical(FRAME["label"].map(WORDS), categories=["bad", "good", "other"])  # a category that no row has
    assert [*labelled(TEXTS, words, where="here").classes] == ["bad", "good"]


def test_pairs_of_columns_in_another_order_are_refused(tune):
    frame = FRAME.assign(other="film")[["text", "other", "label"]]
    with pytest.raises(
        dp.DataError, match="test has the text columns other, text, the training examples text, other; select"
    ):
        tune(frame, "label", test=frame[["other", "text", "label"]], template=None)


def test_label_words_without_letters_are_said(caplog):
    read = labelled(TEXTS, LABELS, where="here")
    assert words_of(read, None, where="here") == {"0": "0", "1": "1"}
    assert "here: label words without letters: 0, 1; words={LABEL: WORD} sets others" in caplog.text
    caplog.clear()
    words_of(read, WORDS, where="here")
    words_of(labelled(TEXTS, [WORDS[label] for label in LABELS], where="here"), None, where="here")
    assert caplog.text == ""
