"""Options of catalogue entries."""

import math

import pytest

from dfo_prompt.errors import InputError, UnknownNameError
from dfo_prompt.plugin.entries import options_of


def test_a_number_that_is_none_is_an_option_like_any_other():
    with pytest.raises(UnknownNameError, match="'lenght'"):
        options_of("optimizer", "cma", {"lenght": math.nan})
    with pytest.raises(InputError, match="projection 'normal': alpha: Input should be a finite number"):
        options_of("projection", "normal", {"alpha": math.nan})
