"""Who answers ARP for an address, as a neighbour sees it: who_has.py SECONDS IP [IP...]

One line for each address, round after round until SECONDS are over, one round at least: "TIME IP MAC[,MAC...]" (- for
nobody). All answers of a window count, so that two who answer are two; nobody is said only after three questions.
"""
import socket
import struct
import sys
import time

DEVICE, WINDOW, TRIES = "eth0", 0.15, 3

raw = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(0x0806))
raw.bind((DEVICE, 0x0806))
mac = raw.getsockname()[4]
probe = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)


def ask(ip):
    probe.connect((ip, 9))  # sends nothing; says which of our addresses would be used
    target = socket.inet_aton(ip)
    request = struct.pack("!HHBBH6s4s6s4s", 1, 0x0800, 6, 4, 1, mac, socket.inet_aton(probe.getsockname()[0]), bytes(6), target)
    raw.send(b"\xff" * 6 + mac + b"\x08\x06" + request)
    found, end = set(), time.monotonic() + WINDOW
    while (left := end - time.monotonic()) > 0:
        raw.settimeout(left)
        try:
            frame = raw.recv(128)
        except socket.timeout:
            break
        if frame[20:22] == b"\0\2" and frame[28:32] == target:
            found.add(frame[22:28].hex(":"))
    return found


end = time.monotonic() + float(sys.argv[1])
while True:
    for ip in sys.argv[2:]:
        for _ in range(TRIES):
            if found := ask(ip):
                break
        print(time.monotonic(), ip, ",".join(sorted(found)) or "-", flush=True)
    if time.monotonic() >= end:
        break
