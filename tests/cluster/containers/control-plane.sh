#!/bin/bash
# Runs in the control plane's container: etcd, kube-apiserver, kube-controller-manager, kube-scheduler. It is no node and
# has no Service forwarding, so the API server calls webhooks at their endpoints. Stopped and started again, it goes on with the same objects.
cd /keys
bash /containers/routes.sh "$NODES"
etcd --data-dir /var/lib/etcd --unsafe-no-fsync >>/var/log/etcd.log 2>&1 &
kube-apiserver --etcd-servers=http://127.0.0.1:2379 --secure-port=6443 --advertise-address="$ADDRESS" \
  --tls-cert-file=api.crt --tls-private-key-file=api.key --client-ca-file=ca.crt \
  --kubelet-client-certificate=admin.crt --kubelet-client-key=admin.key --kubelet-preferred-address-types=InternalIP \
  --service-account-issuer=https://kubernetes.default.svc --service-account-key-file=accounts.pub \
  --service-account-signing-key-file=accounts.key --service-cluster-ip-range="$SERVICE_CIDRS" \
  --authorization-mode=Node,RBAC --allow-privileged=true --enable-aggregator-routing=true \
  --audit-policy-file=/containers/audit.yaml --audit-log-path=/var/log/audit.log --audit-log-mode=batch \
  --audit-log-batch-max-wait=1s >>/var/log/kube-apiserver.log 2>&1 &
until curl -ksf --cert admin.crt --key admin.key https://127.0.0.1:6443/readyz >/dev/null; do sleep 0.2; done
kube-controller-manager --kubeconfig admin.conf --service-account-private-key-file=accounts.key --root-ca-file=ca.crt \
  --service-cluster-ip-range="$SERVICE_CIDRS" --use-service-account-credentials=true --node-monitor-grace-period=12s \
  --kube-api-qps=200 --kube-api-burst=400 --leader-elect=false >>/var/log/kube-controller-manager.log 2>&1 &
exec kube-scheduler --kubeconfig admin.conf --leader-elect=false >>/var/log/kube-scheduler.log 2>&1
