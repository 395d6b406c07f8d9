from contextlib import ExitStack

import pytest
from servers import HELD_OUT, Server


@pytest.fixture
def serve(tmp_path):
    """Starts a server process with these flags, in a folder of its own; ends it after the test."""
    with ExitStack() as stack:

        def start(*flags, plugin=None, env=None):
            place = tmp_path / "server"
            place.mkdir(exist_ok=True)
            server = Server(place, *flags, plugin=plugin, env=env).start()
            stack.callback(server.stop)
            return server

        yield start


@pytest.fixture
def slow_plugin(tmp_path):
    file = tmp_path / "slow_plugin.py"
    file.write_text(HELD_OUT)
    return file
