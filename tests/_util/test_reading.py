"""Invalid files and paths that a user names give one-line errors."""

import json
from pathlib import Path

import pytest

from dfo_prompt._util.json_files import read_json, replacing, write_json
from dfo_prompt._util.parsing import MOST_BYTES, parse, read_toml
from dfo_prompt._util.reading import absolute, exists, read_bytes
from dfo_prompt.commands.settings import parse_settings
from dfo_prompt.config.reading import parse_config
from dfo_prompt.config.study import StudyConfig
from dfo_prompt.errors import MOST_CHARACTERS, InputError, one_line

DIGITS = "1" * 5000


def refusal(call, *arguments, **options) -> str:
    with pytest.raises(InputError) as caught:
        call(*arguments, **options)
    said = str(caught.value)
    assert len(said) <= MOST_CHARACTERS
    assert said.isprintable()
    return said


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (f"x = {DIGITS}".encode(), "is not valid TOML: Exceeds the limit (4300 digits)"),
        (b"x = " + b"[" * 50_000, "is not valid TOML: maximum recursion depth exceeded"),
        (b"x = " + b"{a=" * 50_000, "is not valid TOML: maximum recursion depth exceeded"),
        (b"x = \xff", "is not valid TOML: 'utf-8' codec"),
        (b"x = 1\0", "is not valid TOML: "),
        ("x = 1".encode("utf-16"), "is not valid TOML: "),
        (b"x = 1 # " + b"." * MOST_BYTES, "it has more than 1,048,576 bytes, so it is another kind of file"),
    ],
)
def test_toml_that_cannot_be_read(tmp_path, content, said):
    (tmp_path / "a.toml").write_bytes(content)
    assert said in refusal(read_toml, tmp_path / "a.toml")


def test_toml_with_a_byte_order_mark(tmp_path):
    (tmp_path / "a.toml").write_bytes("x = 'é'".encode("utf-8-sig"))
    assert read_toml(tmp_path / "a.toml") == {"x": "é"}


def nested(depth: int) -> object:
    value: object = 1
    for _ in range(depth):
        value = [value]
    return value


@pytest.mark.slow
@pytest.mark.parametrize(
    ("data", "said"),
    [
        ({"budget": 16**5000}, "study: Exceeds the limit (4300 digits)"),
        ({"optimizer_options": {"x": nested(50_000)}}, "study: "),
        ({"optimizer_options": {"x": nested(500)}}, "study: "),
        ({"optimizer": "\ud800"}, "study: "),
        ({"budget": "x" * 10**7}, "study: budget: Input should be a valid integer, not 'xxx"),
        ({"x" * 10**7: 1}, "study: unknown key: 'xxx"),
        ({"preset": "b" * 10**6}, "study: unknown preset 'bbb"),
        ({"plugin": "a\0b"}, "study: there can be no path "),
    ],
)
def test_values_that_cannot_be_taken(data, said):
    assert refusal(parse_config, data, where="study").startswith(said)


def test_a_value_on_the_command_line_that_is_no_toml_is_a_text():
    for value in (DIGITS, "[" * 50_000, "]"):
        assert parse_settings([f"x={value}"]) == {"optimizer_options": {"x": value}}


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"[" * 100_000, "cannot be read: maximum recursion depth"),
        (b'{"a": ' + DIGITS.encode() + b"}", "cannot be read: Exceeds the limit"),
        (b'{"a": 1, "a": 2}', "cannot be read: the key 'a' occurs twice"),
        (b'{"a": "\xff"}', "cannot be read: 'utf-8' codec"),
        (b"\0" * 100, "cannot be read: "),
        (b"[]", "is damaged: it holds no table"),
        (b"", "cannot be read: "),
    ],
)
def test_json_that_cannot_be_read(tmp_path, content, said):
    (tmp_path / "a.json").write_bytes(content)
    assert said in refusal(read_json, tmp_path / "a.json", missing="none")


def odd_paths(folder: Path) -> dict[str, Path]:
    (folder / "loop").symlink_to("pool")
    (folder / "pool").symlink_to("loop")
    return {
        "NUL": folder / "a\0b.toml",
        "loop": folder / "loop",
        "below a loop": folder / "loop" / "a.toml",
        "long": folder / ("x" * 300),
        "folder": folder,
        "surrogate": folder / "\ud800",
        "nothing": folder / "none",
        "below a file": Path(__file__) / "a",
    }


KINDS = ["NUL", "loop", "below a loop", "long", "folder", "surrogate", "nothing", "below a file"]


@pytest.mark.parametrize("kind", KINDS)
def test_paths_that_cannot_be_read(tmp_path, kind):
    path = odd_paths(tmp_path)[kind]
    assert "cannot read " in refusal(read_bytes, path)
    assert exists(path) is (kind == "folder")
    with pytest.raises(InputError, match="none" if kind != "folder" else "cannot read"):
        read_json(path, missing="none")


def test_an_absolute_path_keeps_the_name_of_a_link(tmp_path, monkeypatch):
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "blob").touch()
    (tmp_path / "link.toml").symlink_to("folder/blob")
    (tmp_path / "elsewhere").symlink_to("folder")
    monkeypatch.chdir(tmp_path)
    here = tmp_path.resolve()
    assert absolute(Path("link.toml")) == here / "link.toml"
    assert absolute(Path("elsewhere/../link.toml")) == here / "link.toml"
    assert absolute(Path("elsewhere/blob")) == here / "folder" / "blob"
    assert absolute(Path("folder/..")) == absolute(Path()) == here
    odd = odd_paths(tmp_path)
    for kind in ("NUL", "below a loop"):
        assert "there can be no path " in refusal(absolute, odd[kind])


def test_a_link_where_a_part_would_be_written_is_not_followed(tmp_path):
    (tmp_path / "mine").write_text("precious")
    for name in ("a.json.part", "b.json.part"):
        (tmp_path / name).symlink_to("mine" if name[0] == "a" else "not-there")
        write_json(tmp_path / name.removesuffix(".part"), {"x": 1})
    assert (tmp_path / "mine").read_text() == "precious"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.json", "b.json", "mine"]
    assert json.loads((tmp_path / "b.json").read_text()) == {"x": 1}


def test_what_a_killed_process_left_is_replaced(tmp_path):
    (tmp_path / "a.part").write_text("half")
    with replacing(tmp_path / "a") as file:
        file.write(b"whole")
    assert (tmp_path / "a").read_bytes() == b"whole"


class Rude(Exception):
    def __str__(self):
        raise RuntimeError


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (ValueError("a\nb"), "ValueError: a"),
        (ValueError(), "ValueError"),
        (ValueError("x" * 10**7), "ValueError: xxx"),
        (ValueError("\ud800 \x1b[2J"), "ValueError: \\ud800 \\x1b[2J"),
        (Rude(), "Rude: its message cannot be had"),
    ],
)
def test_foreign_errors_are_one_short_line(error, said):
    line = one_line(error)
    assert line.startswith(said)
    assert line.isprintable()
    assert len(line) <= MOST_CHARACTERS


def test_a_long_message_keeps_its_end():
    said = str(InputError("x" * 10**6 + "; choose another"))
    assert said.endswith("; choose another")
    assert " ... " in said
    assert str(InputError("one\n  two")) == "one two"
    assert str(InputError("short")) == "short"


def test_parse_takes_what_it_should():
    assert parse(StudyConfig, {"budget": 3}, where="x").budget == 3
