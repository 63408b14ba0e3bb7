"""Fixtures of the cluster tests.

kubernetes  three nodes without kube-proxy, one cluster for the session; nothing installed
image       fairlead:TAG, built
loaded      the same, in every node
client      a container outside the cluster
"""
import atexit
import fcntl
import os
import signal
import subprocess
from pathlib import Path

import pytest
from kube import ROOT, STATE, TAG, Client, Cluster, cluster, why_not

_up = []


@atexit.register
def _down():
    if _up:
        _up.clear()
        cluster("down", timeout=120)


def _on_signal(number, _frame):
    raise SystemExit(128 + number)


def pytest_configure(config):
    config.addinivalue_line("markers", "anywhere: needs no cluster")
    # Without this, SIGTERM ends Python before atexit, and the containers would stay.
    signal.signal(signal.SIGTERM, _on_signal)


@pytest.fixture(scope="session")
def built():
    if reason := why_not():
        pytest.skip(reason)
    STATE.mkdir(parents=True, exist_ok=True)
    # A machine has room for one cluster. The lock ends with its process, so a cluster without one was left by a killed run.
    lock = open(STATE / "session.lock", "w")
    fcntl.flock(lock, fcntl.LOCK_EX)
    cluster("build", timeout=3600, stdout=None, stderr=None)
    yield lock
    _down()


@pytest.fixture(scope="session")
def image(built):
    """Also proves that the image can be built. FAIRLEAD_IMAGE: one that is there already."""
    if given := os.environ.get("FAIRLEAD_IMAGE"):
        return given
    env = dict(os.environ)
    if "BASE_IMAGE" not in env and subprocess.run(["docker", "image", "inspect", "debian:bookworm-slim"], capture_output=True).returncode != 0:
        env["BASE_IMAGE"] = cluster("base", timeout=900).strip()
    if "VERSION_CODENAME=bookworm" not in Path("/etc/os-release").read_text():
        env.pop("FAIRLEAD_BIN", None)  # they would not find their libraries there; build.sh compiles in a container
    done = subprocess.run([ROOT / "helm/image/build.sh", TAG], env=env, text=True, capture_output=True, timeout=3600)
    print(done.stdout + done.stderr)
    assert done.returncode == 0, done.stdout + done.stderr
    return f"fairlead:{TAG}"


@pytest.fixture(scope="session")
def kubernetes(built):
    cluster("down", timeout=120)
    _up.append(True)
    kube = Cluster(3)
    _up[0] = kube
    print(f"figure cluster up: {kube.up_seconds:.1f} s")
    yield kube


@pytest.fixture(scope="session")
def loaded(kubernetes, image):
    cluster("load", image, timeout=300)
    return image


@pytest.fixture(scope="session")
def client(kubernetes):
    return Client("client", 100)


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item, call):
    """The logs of all programs go under a failed test, and below them why it failed: who is shown the end only sees it."""
    report = (yield).get_result()
    if report.failed and report.when != "teardown" and _up and isinstance(_up[0], Cluster):
        report.sections += _up[0].logs()
        report.sections.append(("why it failed", "\n".join(report.longreprtext.splitlines()[-25:])))
