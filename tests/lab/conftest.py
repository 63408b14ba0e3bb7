"""Fixtures of the lab tests.

lab        the basic topology, fresh for each module
fresh_lab  the basic topology, fresh for one test
make_lab   make_lab("NAME" or PATH): any topology, until the end of the module
"""
import atexit
import contextlib
import itertools
import os
import re
import signal

import pytest
from lab import TOPOLOGIES, Lab, Topology, why_not
from topo import STATE, destroy_named

# Runs beside each other, and labs of one run, must not take each other's namespaces away.
PREFIX = os.environ.get("FAIRLEAD_LAB_PREFIX") or f"fl{os.getpid()}"
_number = itertools.count(1)
_up = []


@atexit.register
def _destroy_all():
    while _up:
        _up.pop().topo.destroy()


def _on_sigterm(number, _frame):
    raise SystemExit(128 + number)


def pytest_configure(config):
    config.addinivalue_line("markers", "anywhere: needs neither root nor namespaces")
    # Without this, SIGTERM ends Python before fixtures and atexit, and the namespaces would stay.
    signal.signal(signal.SIGTERM, _on_sigterm)


@contextlib.contextmanager
def deployed(path, tmp_path_factory):
    topo = Topology(path, f"{PREFIX}-{next(_number)}")
    topo.deploy()
    lab = Lab(topo, tmp_path_factory.mktemp(topo.name))
    _up.append(lab)
    try:
        yield lab
    finally:
        _up.remove(lab)
        lab.close()


@pytest.fixture(scope="session")
def lab_is_possible():
    if reason := why_not():
        pytest.skip(reason)
    # A run that was killed by SIGKILL could not clean up. Its process is in the name; when that is gone, so is the run.
    for left in STATE.glob("fl*"):
        run = re.match(r"fl(\d+)-\d+-", left.name)
        if run and not os.path.exists(f"/proc/{run[1]}"):
            destroy_named(left.name)


@pytest.fixture(autouse=True)
def _needs_a_lab(request):
    """Tests without root: those marked `anywhere`."""
    if not request.node.get_closest_marker("anywhere"):
        request.getfixturevalue("lab_is_possible")


@pytest.fixture(scope="module")
def make_lab(tmp_path_factory, lab_is_possible):
    with contextlib.ExitStack() as labs:
        yield lambda name: labs.enter_context(
            deployed(name if str(name).endswith(".yml") else TOPOLOGIES / f"{name}.clab.yml", tmp_path_factory))


@pytest.fixture(scope="module")
def lab(make_lab):
    return make_lab("basic")


@pytest.fixture
def fresh_lab(tmp_path_factory, lab_is_possible):
    with deployed(TOPOLOGIES / "basic.clab.yml", tmp_path_factory) as lab:
        yield lab


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item, call):
    """The logs of all programs go under a failed test."""
    report = (yield).get_result()
    if report.failed and report.when != "teardown":
        for lab in _up:
            report.sections += [(f"log of {name}", text) for name, text in lab.logs()]
