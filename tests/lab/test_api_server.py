"""A speaker and the API server it listens to: objects, changes, a server that goes away and comes back, none at all.

What is behind it has threads (the HTTP client's, the one that writes the state file), and they meet the loop in post() alone.
tests/run.sh runs this file with ThreadSanitizer's programs, too. A real API server is asked in tests/cluster.
"""
import re
import sys

import pytest
from lab import ROOT, endpointslice, nodes, pool, program, service, wait_until

sys.path.insert(0, str(ROOT / "tests/support"))

from fake_api import Api  # noqa: E402

CLUSTER_IP, NODE = "10.96.0.10", "node-a"
SECONDS = 30  # under sanitizers, on a busy machine


def many(count):
    """Services that nobody asks: work for the threads."""
    return [o for n in range(count) for o in (service(f"s{n}", type="ClusterIP", cluster_ip=f"10.96.1.{n + 1}"),
                                              endpointslice(f"s{n}", ["pod-b1", "pod-c1"]))]


def web(*names):
    return endpointslice("web", list(names))


class Net:
    def __init__(self, lab):
        self.lab = lab
        self.files = lab.dir / "api"
        self.api = None
        self.serve("pod-a1")
        self.speaker = lab.daemon(NODE, [program("fairlead-speaker"), "--kubeconfig", self.api.kubeconfig, "--node", NODE, "--cluster-cidr",
                                         "10.244.0.0/16", "--log-level", "debug"])

    def serve(self, *names):
        """A server with this endpoint behind the Service that is asked."""
        if self.api:
            self.api.close()
        self.api = Api(self.lab.topo, NODE, self.files, [*nodes(), pool(), service("web", type="ClusterIP", cluster_ip=CLUSTER_IP),
                                                         web(*names), *many(100)])

    def answers(self):
        """{HTTP status: how often}, by the speaker's metrics."""
        shown = self.lab.topo.run(NODE, ["curl", "-sf", "http://127.0.0.1:7480/metrics"]).stdout
        return {code: int(n) for code, n in re.findall(r'^fairlead_api_requests_total\{code="(\w+)"\} (\d+)$', shown, re.M)}

    def wait_answer(self, *names):
        def answers():
            asked = self.lab.ask("pod-a2", CLUSTER_IP, 80, count=4, timeout=0.5)
            return not asked.errors and set(asked.names) == set(names)
        wait_until(answers, SECONDS, f"{names} answer, and nobody else; the speaker says:\n{self.speaker.text()[-2000:]}")


@pytest.fixture
def net(fresh_lab):
    for name in ("pod-a1", "pod-b1"):
        fresh_lab.serve(name)
    it = Net(fresh_lab)
    yield it
    it.api.close()


def test_changes_reach_the_kernel_one_after_the_other(net):
    net.wait_answer("pod-a1")
    for names in (["pod-b1"], ["pod-a1", "pod-b1"], ["pod-a1"]):
        net.api.change(web(*names))
        net.wait_answer(*names)
    for n in range(300):  # as fast as they come; only the last state matters
        net.api.change(web("pod-a1" if n % 2 else "pod-b1"))
    net.wait_answer("pod-a1")
    assert net.speaker.stop() == 0


def test_a_server_that_comes_back_with_another_state_is_heard_again(net):
    net.wait_answer("pod-a1")
    net.api.close()
    asked = net.lab.ask("pod-a2", CLUSTER_IP, 80, count=10)
    assert not asked.errors and set(asked.names) == {"pod-a1"}, "forwarding stands without a server"
    net.serve("pod-b1")  # the watches it is asked to go on with are too old for it
    net.wait_answer("pod-b1")
    net.api.change(web("pod-a1"))
    net.wait_answer("pod-a1")
    counts = net.answers()
    assert counts["200"] >= 6 and counts["none"] >= 1, counts
    assert net.speaker.stop() == 0


def test_a_speaker_that_starts_without_a_server_forwards_by_its_state_file(net):
    net.wait_answer("pod-a1")
    net.api.change(web("pod-b1"))
    net.wait_answer("pod-b1")
    state = net.lab.dir / NODE / "var-lib-fairlead/state"
    old = bytes([10, 244, 1, 2])  # pod-a1, which nothing but this Service has
    wait_until(lambda: state.exists() and old not in state.read_bytes(), SECONDS, "a state file that knows of the change")
    assert net.speaker.stop() == 0
    net.api.close()
    net.lab.topo.run(NODE, [program("fairlead-speaker"), "--cleanup"])
    assert net.lab.ask("pod-a2", CLUSTER_IP, 80, timeout=0.3).errors, "nothing forwards by itself"
    net.speaker.start()
    net.wait_answer("pod-b1")
    net.serve("pod-a1")
    net.wait_answer("pod-a1")
    assert net.speaker.stop() == 0
