"""Runs the program on fuzzed input and checks its exit status and message."""

import contextlib
import io
import os
import tempfile
import warnings
from pathlib import Path

from hypothesis import strategies as st

from dfo_prompt.cli import main

LONGEST = 1000
"""Characters of an error, its place and remedy included."""

texts = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=20)
odd = st.sampled_from(
    ["", " ", "-", "--", ".", "..", "/", "~", "\udce9", "a\nb", "[" * 2000, "a." * 2000, "9" * 5000, "1e999", "[bold]x[/]"]
)
scalars = st.one_of(st.integers(-3, 40), st.floats(), st.booleans(), texts, odd)
values = st.recursive(
    scalars, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3), max_leaves=8
)


@contextlib.contextmanager
def empty_folder():
    """Work in an empty folder."""
    before = Path.cwd()
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        try:
            yield Path(folder)
        finally:
            os.chdir(before)


def check(*arguments: str) -> int:
    """Run the program here: it succeeds, or says one line that is not too long; return its status."""
    out, err = io.StringIO(), io.StringIO()
    status = 0
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            main(list(arguments))
        except SystemExit as end:
            status = end.code
    said = err.getvalue()
    assert status in (0, 2), (arguments, status, said)
    errors = [line for line in said.splitlines() if line.startswith("error: ")]
    if status == 2 and not said.startswith("Usage: "):
        assert len(errors) == 1, (arguments, said)
        assert said.endswith(f"{errors[0]}\n"), (arguments, said)
        assert len(errors[0]) < LONGEST, (arguments, said)
    return status


def toml(value: object) -> str:
    """Return a value as TOML has it, or nearly: fuzzed input need not be valid."""
    if isinstance(value, dict):
        return "{ " + ", ".join(f"{toml(key)} = {toml(inner)}" for key, inner in value.items()) + " }"
    if isinstance(value, list):
        return "[" + ", ".join(map(toml, value)) + "]"
    if isinstance(value, str):
        return '"' + "".join(f"\\u{ord(c):04x}" if c in '"\\' or ord(c) < 32 else c for c in value) + '"'
    return str(value).lower()


def bitten(data: st.DataObject, raw: bytes) -> bytes:
    """Return `raw` with a few places cut out, doubled or replaced."""
    for _ in range(data.draw(st.integers(1, 3))):
        place, length = data.draw(st.integers(0, len(raw))), data.draw(st.integers(0, 12))
        new = data.draw(st.one_of(st.binary(max_size=6), st.just(raw[place : place + 40]), st.sampled_from(BITES)))
        raw = raw[:place] + new + raw[place + length :]
    return raw


BITES = (
    *(b"", b"\0", b"\xff", b"\xef\xbb\xbf", b"null", b"NaN", b"-1", b"1e400", b'"', b"{}", b"\n", b"[[[["),
    *(b"9" * 5000, b"[" * 5000),
)
