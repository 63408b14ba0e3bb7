#!/bin/bash
# Runs in a router's container: BIRD with a session of each family to every node (ours AS 65000, theirs 65001), BFD with
# 50 ms x 3, what is learned in the kernel with all its next hops. NODES, NUMBER, NET4, NET6: see cluster.
mkdir -p /run/bird
{
  cat <<END
log stderr all;
router id $NET4.$NUMBER;
protocol device { scan time 10; }
protocol kernel { merge paths on; ipv4 { import none; export where source = RTS_BGP; }; }
protocol kernel { merge paths on; ipv6 { import none; export where source = RTS_BGP; }; }
protocol bfd { interface "*" { interval 50 ms; multiplier 3; }; }
template bgp node { local as 65000; connect delay time 1; connect retry time 1; error wait time 1, 2; bfd on; }
END
  for i in $(seq "$NODES"); do
    echo "protocol bgp node${i}_4 from node { neighbor $NET4.1$i as 65001; ipv4 { import all; export none; }; }"
    echo "protocol bgp node${i}_6 from node { neighbor $NET6:1$i as 65001; ipv6 { import all; export none; }; }"
  done
} >/run/bird/bird.conf
exec bird -f -c /run/bird/bird.conf -s /run/bird/bird.ctl
