import pytest
from servers import HELD_OUT, Server

import dfo_prompt as dp
from dfo_prompt.testing import ObjectiveConformance

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def address(tmp_path_factory):
    """The address of a server of an objective with held-out examples."""
    place = tmp_path_factory.mktemp("server")
    plugin = place / "slow_plugin.py"
    plugin.write_text(HELD_OUT)
    server = Server(place, "--objective", "slow", "--dim", "20", "--set", "objective.missing=false", plugin=plugin).start()
    yield server.url
    server.stop()


class TestRemote(ObjectiveConformance):
    names = ("remote",)

    @pytest.fixture(autouse=True)
    def _server(self, address):
        self.address = address

    def build(self, name, seed=1):
        return dp.create_objective(name, dim=self.dim, seed=seed, url=self.address)
