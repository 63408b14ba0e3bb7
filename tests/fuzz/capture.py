#!/usr/bin/python3
"""Seeds for the nft and rtnl targets: what this kernel really says, in a network namespace of its own.

    tests/fuzz/capture.py DIR [SPEAKER]       as root; SPEAKER: default build/release/bin/fairlead-speaker

A speaker fills its table from a few manifests; tables, chains, rules, sets and elements are dumped, and what nf_tables and
rtnetlink tell to listeners meanwhile is kept too. Writes DIR/nft/* and DIR/rtnl/*, a message a file, one of each shape.
"""
import hashlib
import os
import socket
import struct
import subprocess
import sys
import tempfile
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "lab"))

NETFILTER, ROUTE = 12, 0
SOL_NETLINK, ADD_MEMBERSHIP, CAP_ACK, EXT_ACK = 270, 1, 10, 11
NFT_GROUP, LINK, IPV4_ADDRESS, IPV6_ADDRESS = 7, 1, 5, 9
DUMP, REQUEST, ACK = 0x300, 1, 4
DONE, ERROR = 3, 2
GET = {"table": 1, "chain": 4, "rule": 7, "set": 10}
GET_ELEMENTS = 13
LARGEST = 4000


def listener(protocol, *groups):
    s = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, protocol)
    s.bind((0, 0))
    s.setsockopt(socket.SOL_SOCKET, 33, 8 << 20)  # SO_RCVBUFFORCE
    for group in groups:
        s.setsockopt(SOL_NETLINK, ADD_MEMBERSHIP, group)
    s.settimeout(0.3)
    return s


def messages(s):
    """Until nothing comes any more."""
    try:
        while True:
            data, at = s.recv(1 << 20), 0
            while at + 16 <= len(data):
                length = struct.unpack_from("=I", data, at)[0]
                yield data[at:at + length]
                at += length + 3 & ~3
    except TimeoutError:
        return


def attribute(kind, text):
    payload = text.encode() + b"\0"
    return struct.pack("=HH", 4 + len(payload), kind) + payload + b"\0" * (-len(payload) % 4)


def ask(s, kind, flags, body):
    s.send(struct.pack("=IHHII", 16 + len(body), kind, REQUEST | flags, 7, 0) + body)
    return list(messages(s))


def nft(kind, *attributes):
    return 10 << 8 | kind, struct.pack("=BBH", 1, 0, 0) + b"".join(attributes)


def nft_messages(table):
    s = listener(NETFILTER)
    found = []
    for kind in GET.values():
        found += ask(s, nft(kind)[0], DUMP, nft(kind)[1])
    sets = subprocess.run(["nft", "list", "sets"], capture_output=True, text=True, check=True).stdout
    maps = subprocess.run(["nft", "list", "maps"], capture_output=True, text=True, check=True).stdout
    for name in [line.split()[1] for line in (sets + maps).splitlines() if line.split()[:1] in (["set"], ["map"])]:
        kind, body = nft(GET_ELEMENTS, attribute(1, table), attribute(2, name))
        found += ask(s, kind, DUMP, body)
    for capped in (0, 1):  # refusals, with and without the request behind them
        s.setsockopt(SOL_NETLINK, EXT_ACK, 1)
        s.setsockopt(SOL_NETLINK, CAP_ACK, capped)
        kind, body = nft(GET_ELEMENTS, attribute(1, "no-such-table"), attribute(2, "x"))
        found += ask(s, kind, ACK, body)
        found += ask(s, nft(0)[0], ACK, nft(0, attribute(1, "outside-of-a-batch"))[1])
    return found


def rtnl_messages():
    s = listener(ROUTE)
    found = ask(s, 18, DUMP, b"\0" * 16) + ask(s, 22, DUMP, b"\0" * 8)
    return found + ask(s, 18, ACK, struct.pack("=BBHiII", 0, 0, 0, 9999, 0, 0))  # no such link


def shape(message):
    """What tells one message from another of its kind: type, size and the first bytes of its attributes."""
    return struct.unpack_from("=H", message, 4)[0], len(message), message[20:40] if len(message) < 200 else b""


def keep(directory, found, most=200):
    directory.mkdir(parents=True, exist_ok=True)
    by_kind, seen = {}, set()
    for message in found:
        if len(message) <= LARGEST and shape(message) not in seen:
            seen.add(shape(message))
            by_kind.setdefault(shape(message)[0], []).append(message)
    kept = [m for group in by_kind.values() for m in group[:max(4, most // len(by_kind))]]
    for message in kept:
        (directory / f"seed-{hashlib.sha1(message).hexdigest()[:12]}").write_bytes(message)
    small = sorted(kept, key=len)[:12]
    (directory / "seed-datagram").write_bytes(b"".join(m + b"\0" * (-len(m) % 4) for m in small))
    print(f"{directory}: {len(kept)} messages of {len(by_kind)} kinds")


def manifests(folder):
    from lab import Manifests, endpointslice, l2_advertisement, node, pool, service
    both = [endpointslice("dual", [("fd01::7", "node-a"), ("fd01::8", "node-b")], name="dual-6")]
    made = service("dual", cluster_ip="10.96.0.8", ip=["192.0.2.8", "2001:db8::8"], externalTrafficPolicy="Local")
    made["spec"]["clusterIPs"].append("fd02::8")
    made["spec"]["ports"][0]["nodePort"] = 30080
    many = endpointslice("many", [(f"10.244.9.{n}", "node-b") for n in range(1, 70)])
    return Manifests(folder, pool("pool"), l2_advertisement(), node("node-a"), node("node-b"),
                     service("web", cluster_ip="10.96.0.7", ip="192.0.2.7", sessionAffinity="ClientIP"), endpointslice("web"),
                     made, *both, endpointslice("dual"), service("none", cluster_ip="10.96.0.9", protocol="UDP"),
                     service("many", cluster_ip="10.96.0.10", protocol="SCTP"), many)


def main(out, speaker):
    run = lambda line: subprocess.run(line.split(), check=True)  # noqa: E731
    heard_nft, heard_rtnl = listener(NETFILTER, NFT_GROUP), listener(ROUTE, LINK, IPV4_ADDRESS, IPV6_ADDRESS)
    for line in ("ip link set lo up", "ip link add br0 type bridge", "ip link add eth0 type veth peer name far", "ip link set far master br0",
                 "ip link add d0 type veth peer name d1", "ip link set d0 arp off", "ip link set eth0 up", "ip link set far up", "ip link set br0 up",
                 "ip addr add 198.51.100.11/24 dev eth0", "ip addr add 2001:db8::11/64 dev eth0 nodad",
                 "ip addr add 10.0.0.1 peer 10.0.0.2/32 dev d0", "ip link add x0 type veth peer name x1", "ip addr add 192.0.2.1/32 dev x0",
                 "ip addr del 192.0.2.1/32 dev x0", "ip link del x0"):
        run(line)
    with tempfile.TemporaryDirectory() as folder:
        files = manifests(Path(folder) / "manifests")
        with subprocess.Popen([speaker, "--manifests", str(files), "--node", "node-a", "--state-file", ""],
                              stderr=subprocess.DEVNULL) as program:
            time.sleep(1.5)
            from lab import endpointslice
            files.write("later.yaml", endpointslice("none", port=53, protocol="UDP"))
            time.sleep(1.5)
            table = next(line.split()[2] for line in subprocess.run(["nft", "list", "tables"], capture_output=True, text=True,
                         check=True).stdout.splitlines() if "anchor" not in line and "fairlead" in line)
            found, links = nft_messages(table), rtnl_messages()
            program.terminate()
    keep(out / "nft", list(messages(heard_nft)) + found)
    keep(out / "rtnl", list(messages(heard_rtnl)) + links)


if __name__ == "__main__":
    if os.environ.get("FAIRLEAD_CAPTURE") != "inside":
        os.environ["FAIRLEAD_CAPTURE"] = "inside"
        os.execvp("unshare", ["unshare", "--net", sys.executable, *sys.argv])
    main(Path(sys.argv[1]), sys.argv[2] if len(sys.argv) > 2 else str(HERE.parents[1] / "build/release/bin/fairlead-speaker"))
