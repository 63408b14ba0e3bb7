#!/usr/bin/python3
"""What kube-proxy and a speaker ask a Kubernetes API server for, and nothing else: lists and watches of a set of objects.

    fake_api.py PORT CERTIFICATE KEY OBJECTS      on 127.0.0.1, TLS; OBJECTS: a file, one JSON object a line

A line on stdin, a JSON object, replaces the one of its name: it is sent to everybody who watches, and the time before the
first byte (monotonic clock) is printed. "ready" is printed when clients may come. A watch from before the start is answered
410, as by a server that has forgotten it. One process for each program that asks, so that none waits for what another one
made it do. Api starts it in a node of a lab and writes a kubeconfig for it.
"""
import asyncio
import base64
import contextlib
import json
import re
import ssl
import subprocess
import sys
import time
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

# Path of the collection: (apiVersion of its list, kind of the list). Collections without objects are served empty.
COLLECTIONS = {
    "/api/v1/services": ("v1", "ServiceList"),
    "/api/v1/nodes": ("v1", "NodeList"),
    "/api/v1/namespaces": ("v1", "NamespaceList"),
    "/apis/discovery.k8s.io/v1/endpointslices": ("discovery.k8s.io/v1", "EndpointSliceList"),
    "/apis/networking.k8s.io/v1/servicecidrs": ("networking.k8s.io/v1", "ServiceCIDRList"),
    "/apis/fairlead.io/v1/ipaddresspools": ("fairlead.io/v1", "IPAddressPoolList"),
    "/apis/fairlead.io/v1/l2advertisements": ("fairlead.io/v1", "L2AdvertisementList"),
    "/apis/fairlead.io/v1/bgpadvertisements": ("fairlead.io/v1", "BGPAdvertisementList"),
    "/apis/fairlead.io/v1/bgppeers": ("fairlead.io/v1", "BGPPeerList"),
}
PATH_OF_KIND = {kind.removesuffix("List"): path for path, (_, kind) in COLLECTIONS.items()}


class Store:
    def __init__(self, objects):
        self.version = int(time.monotonic() * 1000)  # above whatever a server before this one said
        self.events = []  # (version, path, line)
        self.objects = {path: {} for path in COLLECTIONS}
        self.watchers = {path: set() for path in COLLECTIONS}
        for o in objects:
            self.put(o)
        self.first = self.version
        self.events.clear()

    def put(self, o):
        """Path and event."""
        path = PATH_OF_KIND[o["kind"]]
        key = (o["metadata"].get("namespace"), o["metadata"]["name"])
        self.version += 1
        o["metadata"]["resourceVersion"] = str(self.version)
        event = "MODIFIED" if key in self.objects[path] else "ADDED"
        self.objects[path][key] = o
        self.events.append((self.version, path, line(event, o)))
        return path, self.events[-1][2]

    def list(self, path, query):
        """Of selectors only that by name counts: everything that is here is meant for a proxy."""
        name = re.search(r"\bmetadata\.name=([^,]+)", query.get("fieldSelector", ""))
        return [o for o in self.objects[path].values() if not name or o["metadata"]["name"] == name[1]]


def line(event, o):
    return json.dumps({"type": event, "object": o}, separators=(",", ":")).encode() + b"\n"


def chunk(data):
    return b"%x\r\n%s\r\n" % (len(data), data)


def answer(status, body):
    data = json.dumps(body, separators=(",", ":")).encode()
    return (f"HTTP/1.1 {status}\r\nContent-Type: application/json\r\nContent-Length: {len(data)}\r\n\r\n").encode() + data


def bookmark(store, path, is_end):
    version, kind = COLLECTIONS[path]
    meta = {"resourceVersion": str(store.version), "creationTimestamp": None}
    if is_end:
        meta["annotations"] = {"k8s.io/initial-events-end": "true"}
    return line("BOOKMARK", {"apiVersion": version, "kind": kind.removesuffix("List"), "metadata": meta})


async def serve_watch(store, path, query, reader, writer):
    head = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n"
    version = int(query.get("resourceVersion") or 0)
    if query.get("sendInitialEvents") == "true":
        first = b"".join(line("ADDED", o) for o in store.list(path, query)) + bookmark(store, path, True)
    elif not store.first <= version <= store.version:
        expired = line("ERROR", {"kind": "Status", "apiVersion": "v1", "status": "Failure", "code": 410, "reason": "Expired",
                                 "message": f"too old resource version: {version} ({store.first})"})
        writer.write(head.encode() + chunk(expired) + chunk(b""))
        return
    else:
        first = b"".join(data for at, of, data in store.events if of == path and at > version)
    writer.write(head.encode() + (chunk(first) if first else b""))
    await writer.drain()
    store.watchers[path].add(writer)
    try:
        await reader.read()  # until the client has had enough
    finally:
        store.watchers[path].discard(writer)


async def read_request(reader):
    """(method, path, query), its body passed over; None: the client is gone."""
    head = await reader.readuntil(b"\r\n\r\n")
    method, target, _ = head.split(b"\r\n", 1)[0].decode().split(" ")
    length = next((int(h.split(b":")[1]) for h in head.split(b"\r\n") if h.lower().startswith(b"content-length:")), 0)
    body = await reader.readexactly(length) if length else b""
    url = urlsplit(target)
    return method, url.path, {k: v[0] for k, v in parse_qs(url.query).items()}, body


async def serve(store, reader, writer):
    try:
        while True:
            method, path, query, body = await read_request(reader)
            collection, _, name = path.rpartition("/")
            if method == "GET" and path in COLLECTIONS and query.get("watch") in ("true", "1"):
                await serve_watch(store, path, query, reader, writer)
                await writer.drain()
                return
            if method == "GET" and path in COLLECTIONS:
                version, kind = COLLECTIONS[path]
                writer.write(answer("200 OK", {"apiVersion": version, "kind": kind, "metadata": {"resourceVersion": str(store.version)},
                                               "items": store.list(path, query)}))
            elif method == "GET" and (found := store.objects.get(collection, {}).get((None, name))):
                writer.write(answer("200 OK", found))
            elif method == "POST" and path.endswith("/events"):
                writer.write(answer("201 Created", json.loads(body)))
            else:
                writer.write(answer("404 Not Found", {"apiVersion": "v1", "kind": "Status", "status": "Failure", "code": 404,
                                                      "reason": "NotFound", "message": f"{method} {path} is not served here"}))
            await writer.drain()
    except (asyncio.IncompleteReadError, ConnectionError, ssl.SSLError):
        pass
    finally:
        writer.close()


async def take_changes(store):
    reader = asyncio.StreamReader(limit=1 << 24)
    await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    while text := await reader.readline():
        path, event = store.put(json.loads(text))
        data, at = chunk(event), time.monotonic()
        for writer in store.watchers[path]:
            writer.write(data)
        print(at, flush=True)


async def main(port, certificate, key, objects):
    with open(objects) as file:
        store = Store(json.loads(text) for text in file)
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(certificate, key)
    server = await asyncio.start_server(lambda r, w: serve(store, r, w), "127.0.0.1", int(port), ssl=tls, limit=1 << 20)
    print("ready", flush=True)
    async with server:
        await take_changes(store)  # ends with stdin


# -- for those who start it


def write_certificate(directory):
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2", "-subj",
                    "/CN=fake", "-addext", "subjectAltName=IP:127.0.0.1", "-keyout", directory / "api.key", "-out",
                    directory / "api.crt"], check=True, capture_output=True)


class Api:
    """A server in a node of a Topology. Files go to `directory`; the same one again is a restart."""
    PORT = 6443

    def __init__(self, topology, node, directory, objects):
        directory = Path(directory)
        directory.mkdir(parents=True, exist_ok=True)
        if not (directory / "api.crt").exists():
            write_certificate(directory)
        (directory / "objects").write_text("".join(json.dumps(o) + "\n" for o in objects))
        self.kubeconfig = directory / "kubeconfig"
        self.kubeconfig.write_text(json.dumps({
            "apiVersion": "v1", "kind": "Config", "current-context": "fake",
            "clusters": [{"name": "fake", "cluster": {"server": f"https://127.0.0.1:{self.PORT}", "certificate-authority-data":
                          base64.b64encode((directory / "api.crt").read_bytes()).decode()}}],
            "users": [{"name": "fake", "user": {"token": "fake"}}],
            "contexts": [{"name": "fake", "context": {"cluster": "fake", "user": "fake"}}]}))
        self._process = topology.popen(node, [sys.executable, __file__, str(self.PORT), directory / "api.crt", directory / "api.key",
                                              directory / "objects"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        assert self._process.stdout.readline() == "ready\n", "the fake API server did not start"

    def change(self, o):
        """When it was sent, on the monotonic clock."""
        self._process.stdin.write(json.dumps(o) + "\n")
        self._process.stdin.flush()
        return float(self._process.stdout.readline())

    def close(self):
        self._process.stdin.close()
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(5)
        self._process.kill()
        self._process.wait(5)
        self._process.stdout.close()


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
