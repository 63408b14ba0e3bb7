"""What test_resilience.py asks of IPv4 and TCP, asked of IPv6 and of UDP: nothing is lost at a restart, an upgrade or a flush,
and damage to the sets of the other family is repaired."""
import time

import dual
import pytest
from dual import FAMILIES, NODES, PODS
from lab import wait_until
from test_resilience import FULL, judged

N, TABLE = "node-a", "inet fairlead-2"
FLAGS = ("--cluster-cidr", dual.CLUSTER_CIDRS, "--service-cidr", dual.SERVICE_CIDRS, "--log-level", "debug")


@pytest.fixture(scope="module")
def net(make_lab):
    """One node that is asked; endpoints on all three."""
    lab = make_lab("dual")
    for p in PODS:
        lab.serve(p)
    dual.route(lab)
    lab.m = lab.manifests(*(dual.node(n) for n in NODES))
    lab.m.write("web.yaml", dual.service("web", N, 1, protocols=("tcp", "udp")),
                *dual.slices("web", ("pod-a1", "pod-b1", "pod-c1"), protocols=("tcp", "udp")))
    lab.web = lab.speaker(lab.m, N, *FLAGS)
    lab.web.wait_event("synced")
    for f in FAMILIES:
        for is_udp in (False, True):
            wait_until(lambda: lab.ask("client", dual.vip(f, N, 1), 80, udp=is_udp).names, 5, f"an answer over {f}")
    return lab


def test_restarts_and_a_layout_change_lose_no_ipv6_connection(net):
    rate, seconds = judged(5000, 800), 30 if FULL else 9
    load = net.start_load("client", "connect", dual.vip("ipv6", N, 1), 80, "--rate", rate, "--seconds", seconds, "--timeout", 3000)
    time.sleep(0.5)
    for _ in range(judged(10, 3)):
        net.web.restart()
        done = net.web.wait_event("synced")
        assert (done["elements"], done["batches"]) == ("0", "0"), net.web.text()
    for layout in ("1", "2"):
        net.web.restart("--layout", layout)
        net.web.wait_event("synced")
    result = load.result()
    assert not any(result["failed"].values()), result
    assert result["ok"] > rate * seconds * 0.5, result


@pytest.mark.parametrize("family", FAMILIES)
def test_udp_conversations_live_through_restarts_and_a_flush(net, family):
    load = net.start_load("client", "talk", dual.vip(family, N, 1), 80, "--ms", 4000, "--count", 20, "--udp", "--keep")
    time.sleep(0.5)
    net.web.restart()
    net.web.wait_event("synced")
    net.topo.run(N, ["nft", "flush", "ruleset"])
    result = load.result()
    assert not any(result["failed"].values()), result
    assert result["answers"] > 1000, result
    wait_until(lambda: net.ask("client", dual.vip(family, N, 1), 80, udp=True, timeout=0.2).names, 5, "a new conversation")


def test_flush_ruleset_under_open_ipv6_downloads(net):
    load = net.start_load("client", "downloads", dual.vip("ipv6", N, 1), 80, "--count", 50, "--seconds", 5)
    load.wait_open()
    net.topo.run(N, ["nft", "flush", "ruleset"])
    wait_until(lambda: net.ask("client", dual.vip("ipv6", N, 1), 80, timeout=0.15).names, 5, "a new connection")
    assert load.result()["alive"] == 50


@pytest.mark.parametrize("damage", [
    "delete element {t} services6 {{ {vip} . udp . 80 }}",
    "flush map {t} endpoints6",
    "flush map {t} services6",
    "add element {t} services6 {{ fd00:c::9 . tcp . 80 : 2 }}",
])
def test_damage_to_the_other_family_is_repaired(net, damage):
    maps = ("services6", "endpoints6", "services4", "endpoints4")
    table = wait_until(lambda: next((t for t in net.nft_tables(N) if t.startswith("inet fairlead-2")), None), 5, "our table")
    want = {m: net.nft_elements(N, table, m) for m in maps}
    net.nft_load(N, damage.format(t=table, vip=dual.vip("ipv6", N, 1)) + "\n")

    def repaired():
        tables = [t for t in net.nft_tables(N) if t.startswith("inet fairlead-2")]
        return len(tables) == 1 and {m: net.nft_elements(N, tables[0], m) for m in maps} == want

    wait_until(repaired, 10, "repair")
    assert net.ask("client", dual.vip("ipv6", N, 1), 80, udp=True).names
