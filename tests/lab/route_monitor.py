"""When routes come into this namespace's kernel and go: one line each, "TIME [Deleted ]PREFIX", TIME as of time.monotonic().

`ip monitor` has a small buffer: of ten thousand routes at once it loses some, and it writes a line before it takes the next."""
import ipaddress
import socket
import struct
import sys
import time

RTMGRP = {4: 0x40, 6: 0x400}  # RTMGRP_IPV4_ROUTE, RTMGRP_IPV6_ROUTE
RTM_NEWROUTE, RTM_DELROUTE, RTA_DST = 24, 25, 1
SO_RCVBUFFORCE = 33


def lines_of(packet):
    """"[Deleted ]PREFIX" of each route in one datagram."""
    at = 0
    while at + 16 <= len(packet):
        length, kind = struct.unpack_from("=IH", packet, at)
        if length < 16:
            return
        if kind in (RTM_NEWROUTE, RTM_DELROUTE):
            family, bits = struct.unpack_from("=BB", packet, at + 16)
            attribute = at + 28
            while attribute + 4 <= at + length:
                size, number = struct.unpack_from("=HH", packet, attribute)
                if size < 4:
                    break
                if number == RTA_DST:
                    address = ipaddress.ip_address(packet[attribute + 4:attribute + size])
                    prefix = f"{address}" if bits == address.max_prefixlen else f"{address}/{bits}"
                    yield ("Deleted " if kind == RTM_DELROUTE else "") + prefix
                attribute += (size + 3) & ~3
        at += (length + 3) & ~3


def main(family):
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 0) as s:
        s.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, 64 << 20)
        s.bind((0, RTMGRP[family]))
        print("ready", flush=True)
        while True:
            # First the times of all that is there, then their lines.
            seen = [(s.recv(65536), time.monotonic())]
            try:
                while True:
                    packet = s.recv(65536, socket.MSG_DONTWAIT)
                    seen.append((packet, time.monotonic()))
            except BlockingIOError:
                pass
            sys.stdout.write("".join(f"{when:.6f} {line}\n" for packet, when in seen for line in lines_of(packet)))
            sys.stdout.flush()


if __name__ == "__main__":
    main(int(sys.argv[1]))
