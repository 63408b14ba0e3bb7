"""SCTP with raw packets (RFC 9260), for kernels without SCTP sockets: an INIT asks, an INIT ACK answers.

The answer says who answers and whom it saw, in the State Cookie: as fl-load does it for TCP and UDP.
"""
import errno
import os
import select
import socket
import struct
import threading
import time

PROTOCOL = 132
INIT, INIT_ACK, STATE_COOKIE = 1, 2, 7


def _crc32c_table():
    table = []
    for n in range(256):
        for _ in range(8):
            n = n >> 1 ^ (0x82F63B78 if n & 1 else 0)
        table.append(n)
    return table


_TABLE = _crc32c_table()


def _crc32c(data):
    crc = 0xFFFFFFFF
    for byte in data:
        crc = crc >> 8 ^ _TABLE[(crc ^ byte) & 0xFF]
    return crc ^ 0xFFFFFFFF


def packet(source, destination, tag, chunk, parameters=b""):
    """One packet with one INIT or INIT ACK chunk; the tag of an INIT's header is 0."""
    parameters += bytes(-len(parameters) % 4)
    body = struct.pack("!BBHIIHHI", chunk, 0, 20 + len(parameters), 0x5eed, 65536, 1, 1, 1) + parameters
    head = struct.pack("!HHI", source, destination, tag)
    # The checksum goes in the order in which the CRC's bits leave (RFC 9260, appendix A): low byte first.
    return head + struct.pack("<I", _crc32c(head + bytes(4) + body)) + body


def _socket(family):
    return socket.socket(family, socket.SOCK_RAW, PROTOCOL)


def _payload(data, family):
    return data if family == socket.AF_INET6 else data[(data[0] & 15) * 4:]


class Servers:
    """Answers every INIT to `port` in these nodes, until close()."""

    def __init__(self, topology, nodes, port=8080):
        self._port, self._names = port, {}
        for node in nodes:
            with topology.inside(node):
                for family in (socket.AF_INET, socket.AF_INET6):
                    self._names[_socket(family)] = node
        self._end, self._told = os.pipe()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def close(self):
        os.write(self._told, b"x")
        self._thread.join(5)
        for s in self._names:
            s.close()

    def _run(self):
        while True:
            ready, _, _ = select.select([*self._names, self._end], [], [])
            if self._end in ready:
                return
            for s in ready:
                try:
                    data, peer = s.recvfrom(2048)
                    data = _payload(data, s.family)
                    source, destination, tag = struct.unpack("!HHI", data[:8])
                    if destination != self._port or tag != 0 or data[12] != INIT:
                        continue
                    said = f"{self._names[s]} {peer[0]}".encode()
                    cookie = struct.pack("!HH", STATE_COOKIE, 4 + len(said)) + said
                    s.sendto(packet(self._port, source, 0x5eed, INIT_ACK, cookie), (peer[0], 0))
                except OSError:  # an ICMP error about an earlier answer
                    pass


def ask(topology, node, ip, port, source=None, timeout=1.0):
    """One INIT: (name, peer, None), or (None, None, "timeout" or the name of an errno)."""
    with topology.inside(node):
        s = _socket(socket.AF_INET6 if ":" in ip else socket.AF_INET)
    own = 20000 + int.from_bytes(os.urandom(2), "big") % 40000
    with s:
        try:
            if source:
                s.bind((source, 0))
            s.connect((ip, 0))
            s.send(packet(own, port, 0, INIT))
            deadline = time.monotonic() + timeout
            while (left := deadline - time.monotonic()) > 0:
                s.settimeout(left)
                data = _payload(s.recv(2048), s.family)
                if struct.unpack("!HH", data[:4]) != (port, own) or data[12] != INIT_ACK:
                    continue
                kind, length = struct.unpack("!HH", data[32:36])
                assert kind == STATE_COOKIE
                name, peer = data[36:32 + length].decode().split()
                return name, peer, None
        except TimeoutError:
            pass
        except OSError as e:
            return None, None, errno.errorcode.get(e.errno, str(e))
    return None, None, "timeout"
