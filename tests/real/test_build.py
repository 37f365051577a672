"""The output of `sam build`."""

import pytest

from conftest import FUNCTIONS, bootstrap

# A larger binary was built together with other packages, whose features cargo then unifies into it.
MAX_BYTES = 6_000_000


@pytest.mark.parametrize("binary", FUNCTIONS)
def test_a_function_is_small(binary):
    assert bootstrap(binary).stat().st_size <= MAX_BYTES
