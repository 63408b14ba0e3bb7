#!/bin/bash
# Routes as a network would have them: each node's pods behind the node, all else towards the control plane, which knows
# no further and says so. $1: how many nodes; NUMBER: which one this is (none: the control plane).
for i in $(seq "$1"); do
  [ "$i" != "${NUMBER:-0}" ] || continue
  ip route replace "10.244.$i.0/24" via "$NET4.1$i"
  ip -6 route replace "fd00:244:$i::/64" via "$NET6:1$i"
done
[ -z "${NUMBER:-}" ] || { ip route replace default via "$NET4.10"; ip -6 route replace default via "$NET6:10"; }
