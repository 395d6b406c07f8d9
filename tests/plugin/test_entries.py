"""Options of catalogue entries."""

import math

import pytest

from dfo_prompt.errors import InputError, UnknownNameError
from dfo_prompt.plugin.entries import options_of
from dfo_prompt.plugin.options import typed_options


def test_a_number_that_is_none_is_an_option_like_any_other():
    with pytest.raises(UnknownNameError, match="'lenght'"):
        options_of("optimizer", "cma", {"lenght": math.nan})
    with pytest.raises(InputError, match="projection 'normal': alpha: Input should be a finite number"):
        options_of("projection", "normal", {"alpha": math.nan})


def test_an_option_may_have_any_name():
    def target(*, _x: int = 1, copy: bool = False, model_config: str = "", schema: float = 0.0, dim: int = 0) -> None:
        raise AssertionError

    given = {"_x": 2, "copy": True, "model_config": "a", "schema": 1}
    assert typed_options("this", target, given, {"dim"}) == given
    with pytest.raises(InputError, match="this: _x: Input should be a valid integer, not 'a'"):
        typed_options("this", target, {"_x": "a"}, {"dim"})
