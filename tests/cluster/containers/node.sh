#!/bin/bash
# Runs in a node's container: containerd and kubelet (and kube-proxy, when asked for). Restarting the container is the
# node's reboot: processes, addresses, rules and /run are gone; /var and what containerd has stored stay.
set -e
mount -o remount,rw /sys 2>/dev/null || true
mount --make-rshared /
mkdir -p /etc/containerd /etc/cni/net.d /var/lib/kubelet
cat >/etc/containerd/config.toml <<END
version = 2
[plugins."io.containerd.grpc.v1.cri"]
  restrict_oom_score_adj = true
  sandbox_image = "$PAUSE"
  [plugins."io.containerd.grpc.v1.cri".containerd]
    snapshotter = "overlayfs"
    default_runtime_name = "runc"
    [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc]
      runtime_type = "io.containerd.runc.v2"
  [plugins."io.containerd.grpc.v1.cri".cni]
    bin_dir = "/usr/lib/cni"
    conf_dir = "/etc/cni/net.d"
END
cat >/etc/cni/net.d/10-pods.conflist <<END
{"cniVersion": "0.4.0", "name": "pods", "plugins": [
  {"type": "ptp", "ipMasq": false, "mtu": 1500, "ipam": {"type": "host-local",
    "ranges": [[{"subnet": "10.244.$NUMBER.0/24"}], [{"subnet": "fd00:244:$NUMBER::/64"}]],
    "routes": [{"dst": "0.0.0.0/0"}, {"dst": "::/0"}]}},
  {"type": "portmap", "capabilities": {"portMappings": true}}]}
END
cat >/var/lib/kubelet/config.yaml <<END
apiVersion: kubelet.config.k8s.io/v1beta1
kind: KubeletConfiguration
authentication: {anonymous: {enabled: true}, webhook: {enabled: false}}
authorization: {mode: AlwaysAllow}
cgroupDriver: cgroupfs
cgroupsPerQOS: false
enforceNodeAllocatable: []
failSwapOn: false
failCgroupV1: false
containerRuntimeEndpoint: unix:///run/containerd/containerd.sock
clusterDNS: [10.96.0.10]
clusterDomain: cluster.local
# This is somebody's machine: how full its disk is says nothing about the node.
evictionHard: {memory.available: 1Mi, nodefs.available: 0%, imagefs.available: 0%}
imageGCHighThresholdPercent: 100
localStorageCapacityIsolation: false
nodeStatusUpdateFrequency: 4s
nodeLeaseDurationSeconds: 12
# What a test kills on purpose, again and again, is back soon.
featureGates: {KubeletCrashLoopBackOffMax: true}
crashLoopBackOff: {maxContainerRestartPeriod: 3s}
END
sysctl -qw net.ipv4.ip_forward=1 net.ipv6.conf.all.forwarding=1
bash /containers/routes.sh "$NODES"
containerd >>/var/log/containerd.log 2>&1 &
until ctr version >/dev/null 2>&1; do sleep 0.2; done
for image in /images/*.tar; do
  [ -e "/var/lib/containerd/$(basename "$image").imported" ] && continue
  ctr -n k8s.io images import "$image" >/dev/null
  touch "/var/lib/containerd/$(basename "$image").imported"
done
if [ "$PROXY" != none ]; then
  kube-proxy --kubeconfig /keys/admin.conf --proxy-mode "$PROXY" --hostname-override "node$NUMBER" \
    --cluster-cidr 10.244.0.0/16,fd00:244::/32 --conntrack-max-per-core=0 >>/var/log/kube-proxy.log 2>&1 &
fi
exec kubelet --config=/var/lib/kubelet/config.yaml --kubeconfig="/keys/node$NUMBER.conf" \
  --hostname-override="node$NUMBER" --node-ip="$NET4.1$NUMBER,$NET6:1$NUMBER" >>/var/log/kubelet.log 2>&1
