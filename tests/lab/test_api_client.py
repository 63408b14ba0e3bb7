"""What the programs say when the API server's certificate is not to be trusted, and how long they wait when it asks them to.

A small HTTPS server plays the API server, on loopback; tests/cluster has the real one.
"""
import base64
import collections
import contextlib
import http.server
import json
import socket
import ssl
import subprocess
import threading
import time
from urllib.parse import urlsplit

import pytest
import yaml
from lab import Daemon, program, wait_until

pytestmark = pytest.mark.anywhere


def openssl(*arguments, **options):
    return subprocess.run(["openssl", *map(str, arguments)], check=True, capture_output=True, **options).stdout


class Keys:
    """A CA, and certificates by it."""

    def __init__(self, folder):
        self.folder = folder
        folder.mkdir()
        self.ca = folder / "ca.crt"
        openssl("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", folder / "ca.key",
                "-out", self.ca, "-days", "2", "-subj", "/CN=test")

    def certificate(self, name, names, days=2):
        """(certificate, key) for subjectAltName `names`; negative days: expired."""
        key, crt, extensions = (self.folder / f"{name}.{end}" for end in ("key", "crt", "ext"))
        extensions.write_text(f"subjectAltName={names}")
        request = openssl("req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", key, "-subj", f"/CN={name}")
        openssl("x509", "-req", "-CA", self.ca, "-CAkey", self.folder / "ca.key", "-CAcreateserial", "-out", crt, "-days", days,
                "-extfile", extensions, input=request)
        return crt, key


@contextlib.contextmanager
def api_server(certificate, answer=None, address="127.0.0.1", objects=None, written=None):
    """Serves lists, empty but for `objects` ({plural: [object]}), and silent watches. `answer(path)`: (code, headers) instead,
    or None. What is written is taken, and put into `written` as (method, path, Content-Type, body). Yields (port, asked),
    where asked is [(time, path)]."""
    asked, over = [], threading.Event()

    class Handler(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self):
            asked.append((time.monotonic(), self.path))
            code, headers = (answer(self.path) if answer else None) or (200, {})
            body = b"slow down\n" if code != 200 else json.dumps(
                {"metadata": {"resourceVersion": "1"}, "items": (objects or {}).get(urlsplit(self.path).path.rpartition("/")[2], [])}).encode()
            self.send_response(code)
            for name, value in headers.items():
                self.send_header(name, value)
            if code == 200 and "watch=true" in self.path:
                self.send_header("Transfer-Encoding", "chunked")
                self.end_headers()
                over.wait(60)
                return
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def do_PUT(self):
            sent = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            if written is not None:
                written.append((self.command, self.path, self.headers["Content-Type"], sent))
            body = json.dumps({**sent, "metadata": {**sent.get("metadata", {}), "resourceVersion": "2"}}).encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        do_POST = do_PATCH = do_PUT

        def log_message(self, *_):
            pass

    class Server(http.server.ThreadingHTTPServer):
        address_family = socket.AF_INET6 if ":" in address else socket.AF_INET

        def handle_error(self, *_):  # a client that refuses our certificate
            pass

    server = Server((address, 0), Handler)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*certificate)
    server.socket = context.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield server.server_port, asked
    finally:
        over.set()
        server.shutdown()
        server.server_close()


class Here:
    """As a Topology, for programs that need no namespace."""

    def popen(self, _node, argv, **options):
        return subprocess.Popen(argv, **options)


@pytest.fixture
def controller(tmp_path):
    """controller(port, ca): one that looks for its API server there."""
    running = []

    def start(port, ca, *flags, host="127.0.0.1"):
        config = tmp_path / f"kubeconfig.{len(running)}"
        config.write_text(yaml.safe_dump({
            "clusters": [{"name": "c", "cluster": {"server": f"https://{host}:{port}",
                                                   "certificate-authority-data": base64.b64encode(ca.read_bytes()).decode()}}],
            "users": [{"name": "u", "user": {"token": "secret"}}],
            "contexts": [{"name": "c", "context": {"cluster": "c", "user": "u"}}], "current-context": "c"}))
        running.append(Daemon(Here(), "here", [program("fairlead-controller"), "--kubeconfig", config, "--log-level", "debug", *flags],
                              tmp_path / f"controller.{len(running)}.log"))
        return running[-1]

    yield start
    for daemon in running:
        if daemon.is_running():
            daemon.stop()


@pytest.fixture
def keys(tmp_path):
    return Keys(tmp_path / "keys")


def test_a_certificate_in_order_is_believed(keys, controller):
    with api_server(keys.certificate("good", "IP:127.0.0.1")) as (port, asked):
        daemon = controller(port, keys.ca)
        daemon.wait_event("listed", kind="Service")
        assert not daemon.events("api_unreachable") and asked


def test_an_ipv6_address_is_reached_and_verified(keys, controller):
    """From the kubeconfig, checked for the address; from --api-server, checked for the name that every API server has."""
    with api_server(keys.certificate("six", "IP:::1,DNS:kubernetes.default.svc"), address="::1") as (port, asked):
        controller(port, keys.ca, host="[::1]").wait_event("listed", kind="Service")
        controller(1, keys.ca, "--api-server", f"[::1]:{port}").wait_event("listed", kind="Service")
        assert asked
    with api_server(keys.certificate("four", "IP:127.0.0.1"), address="::1") as (port, asked):
        said = controller(port, keys.ca, host="[::1]").wait_event("api_unreachable", seconds=10)
        assert said["server"] == f"[::1]:{port}" and "is not for ::1" in said["what"] and not asked


@pytest.mark.parametrize("fault", ["expired", "wrong CA", "wrong name"])
def test_why_a_certificate_is_refused_is_said(keys, controller, tmp_path, fault):
    names = "IP:192.0.2.1,DNS:elsewhere.example" if fault == "wrong name" else "IP:127.0.0.1"
    certificate = keys.certificate("server", names, days=-1 if fault == "expired" else 2)
    ca = Keys(tmp_path / "others").ca if fault == "wrong CA" else keys.ca
    with api_server(certificate) as (port, asked):
        said = controller(port, ca).wait_event("api_unreachable", seconds=10)
        assert said["server"] == f"127.0.0.1:{port}"
        assert {"expired": "has expired", "wrong CA": "signed by a CA that is not in the kubeconfig",
                "wrong name": "is not for 127.0.0.1"}[fault] in said["what"], said
        assert not asked, "nothing was asked, no token sent"


@pytest.mark.parametrize("code", [429, 503])
def test_retry_after_is_honoured(keys, controller, code):
    refused = collections.Counter()

    def answer(path):
        kind = "watch" if "watch=true" in path else "list"
        if "/services?" not in path or refused[kind]:
            return None
        refused[kind] += 1
        return code, {"Retry-After": "3"}

    with api_server(keys.certificate("good", "IP:127.0.0.1"), answer) as (port, asked):
        daemon = controller(port, keys.ca)
        daemon.wait_event("watch", seconds=20, count=2, kind="Service")
        wait_until(lambda: sum("/services?" in path for _, path in asked) == 4, 5, asked)
        services = [(t, "watch" if "watch=true" in path else "list") for t, path in asked if "/services?" in path]
        assert [kind for _, kind in services] == ["list", "list", "watch", "watch"]
        times = [t for t, _ in services]
        for first, second in ((0, 1), (2, 3)):
            assert 2.9 <= times[second] - times[first] <= 8, times
        # Everything else that was due in these times has waited too.
        quiet = [t for t, _ in asked if times[0] + 0.5 < t < times[0] + 2.9]
        assert not quiet, asked


def test_the_configuration_is_stated_by_two_applies(keys, controller):
    """Metadata and then status; one more when what is wrong changes would be another test's (unit)."""
    meta = {"name": "tor", "namespace": "lb", "resourceVersion": "1"}
    objects = {"bgppeers": [{"metadata": meta, "spec": {"myASN": 64512, "peerASN": 64513, "peerAddress": "192.0.2.1", "bfdProfile": "none"}}],
               "l2advertisements": [{"metadata": {**meta, "name": "bad"}, "spec": {"ipAddressPools": 7}}]}
    written = []
    with api_server(keys.certificate("good", "IP:127.0.0.1"), objects=objects, written=written) as (port, _):
        controller(port, keys.ca, "--namespace", "lb")
        own = "/apis/fairlead.io/v1/namespaces/lb/configurationstates/controller"
        wait_until(lambda: sum(path.startswith(own) for _, path, _, _ in written) == 2, 20, written)
        main, status = [w for w in written if w[1].startswith(own)]
        query = "?fieldManager=fairlead-controller&force=true&timeout=4s"
        assert main[:3] == ("PATCH", own + query, "application/apply-patch+yaml")
        assert main[3] == {"apiVersion": "fairlead.io/v1", "kind": "ConfigurationState", "metadata": {
            "name": "controller", "namespace": "lb", "labels": {"fairlead.io/component-type": "controller"}}}
        assert status[:3] == ("PATCH", own + "/status" + query, "application/apply-patch+yaml")
        said = status[3]["status"]
        assert said["result"] == "Invalid"
        first, second = said["errorSummary"].splitlines()
        assert first.startswith("BGPPeer lb/tor: spec.bfdProfile ") and second.startswith("L2Advertisement lb/bad: spec.ipAddressPools ")
        condition = said["conditions"][0]
        assert (condition["type"], condition["status"], condition["reason"]) == ("poolReconcilerValid", "False", "ConfigurationError")
        wait_until(lambda: any("/events" in path for _, path, _, _ in written), 10, written)
        event = next(body for _, path, _, body in written if "/events" in path)
        assert (event["reason"], event["involvedObject"]["name"], event["type"]) == ("InvalidConfiguration", "tor", "Warning")
