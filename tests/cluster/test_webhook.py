"""The optional validating webhook on a real API server: what is refused, and how its certificate is kept."""
import base64
import datetime
import json
import subprocess

import pytest
from kube import CHART, NAMESPACE, STATE, is_ready, pool, run, wait_until

HOOKS = "/apis/admissionregistration.k8s.io/v1/validatingwebhookconfigurations/fairlead-webhook"
SECRET = f"/api/v1/namespaces/{NAMESPACE}/secrets/fairlead-webhook-cert"
POOLS = f"/apis/fairlead.io/v1/namespaces/{NAMESPACE}/ipaddresspools"
NAMES = [f"fairlead-webhook.{NAMESPACE}.svc", f"fairlead-webhook.{NAMESPACE}.svc.cluster.local"]
OVERLAP = "IPAddressPool fairlead-system/bad: spec.addresses[0]: pool_overlap: 198.18.0.204-198.18.0.206 overlaps"


class Hook:
    def __init__(self, kubernetes, image):
        self.kubernetes, self.api = kubernetes, kubernetes.api
        repository, tag = image.rsplit(":", 1)
        self.values = f"image.repository={repository},image.tag={tag},image.pullPolicy=Never,dataplane.clusterCIDRs={{10.244.0.0/16}},webhook.enabled=true"

    def upgrade(self):
        self.kubernetes.helm("upgrade", "--install", "fairlead", CHART, "--namespace", NAMESPACE, "--create-namespace", "--set", self.values)

    def bundles(self):
        return [base64.b64decode(h["clientConfig"].get("caBundle", "")).decode() for h in self.api.get(HOOKS)["webhooks"]]

    def secret(self):
        """{key: text}; empty: there is none, or nothing in it."""
        code, found = self.api.call("GET", SECRET)
        data = {k: base64.b64decode(v).decode() for k, v in (found.get("data") or {}).items()} if code == 200 else {}
        return data if all(data.values()) else {}

    def is_kept(self):
        ca = self.secret().get("ca.crt")
        return ca and all(b == ca for b in self.bundles())

    def is_shown_by_all(self):
        """Both controllers show the certificate that the Secret holds."""
        node, ips = self.kubernetes.nodes["node1"], [p["status"]["podIP"] for p in self.kubernetes.pods("controller")]
        shown = [node.run("curl", "-sk", "--max-time", 5, "-o", "/dev/null", "-w", "%{certs}", f"https://{ip}:9443/", check=False) for ip in ips]
        certificate = self.secret().get("tls.crt")
        return certificate and all(certificate.strip() in s for s in shown)

    def apply(self, *objects):
        """(code, what kubectl says)"""
        done = subprocess.run([STATE / "bin/kubectl", "--kubeconfig", self.kubernetes.keys / "admin.conf", "apply", "-f", "-"],
                              input=json.dumps({"apiVersion": "v1", "kind": "List", "items": objects}), text=True, capture_output=True, timeout=60)
        return done.returncode, done.stdout + done.stderr

    def names(self):
        return {o["metadata"]["name"] for o in self.api.items(POOLS)}

    def refuses(self):
        """The bad pool is not stored."""
        code, said = self.apply(pool("bad", ["198.18.0.204-198.18.0.206"]))
        if code == 0:
            self.api.delete(pool("bad"))
        return code != 0 and OVERLAP in said and "bad" not in self.names()


@pytest.fixture(scope="module")
def hook(kubernetes, loaded):
    h = Hook(kubernetes, loaded)
    h.upgrade()
    wait_until(lambda: len(pods := kubernetes.pods("controller")) == 2 and all(map(is_ready, pods)), 120, "two controllers ready", 0.5)
    wait_until(h.is_kept, 60, lambda: f"a certificate that is trusted; bundles {h.bundles()}", 0.5)
    code, said = h.apply(pool("good", ["198.18.0.200-198.18.0.210"]))
    assert code == 0, said
    wait_until(h.refuses, 60, "the first refusal", 0.5)
    # The API server asks either replica: what follows is about one that both of them show.
    wait_until(h.is_shown_by_all, 10, "the same certificate from both controllers", 0.5)
    return h


def test_what_is_wrong_is_refused_in_words_and_not_stored(hook):
    code, said = hook.apply(pool("bad", ["198.18.0.204-198.18.0.206"]))
    assert code != 0 and OVERLAP in said and "denied the request" in said, said
    assert "bad" not in hook.names()
    code, said = hook.apply(pool("other", ["198.18.0.220-198.18.0.230"]))
    assert code == 0, said
    assert "other" in hook.names()
    code, said = hook.apply(pool("other", ["198.18.0.220-198.18.0.230", "198.18.0.201/32"]))
    assert code != 0 and "pool_overlap" in said, said
    assert hook.api.get(f"{POOLS}/other")["spec"]["addresses"] == ["198.18.0.220-198.18.0.230"]


def test_a_profile_in_use_is_kept_and_what_is_old_is_warned_of(hook):
    profile = {"apiVersion": "fairlead.io/v1", "kind": "BFDProfile", "metadata": {"name": "fast", "namespace": NAMESPACE}, "spec": {}}
    peer = {"apiVersion": "fairlead.io/v1", "kind": "BGPPeer", "metadata": {"name": "tor", "namespace": NAMESPACE},
            "spec": {"myASN": 64512, "peerASN": 64513, "peerAddress": "198.18.0.99", "bfdProfile": "fast", "disableMP": True}}
    code, said = hook.apply(peer, profile)  # the reference first: not judged
    assert code == 0 and "Warning: BGPPeer fairlead-system/tor: spec.disableMP: deprecated" in said, said
    path = f"/apis/fairlead.io/v1/namespaces/{NAMESPACE}"

    def refused():
        code, answer = hook.api.call("DELETE", f"{path}/bfdprofiles/fast", {"apiVersion": "v1", "kind": "DeleteOptions", "dryRun": ["All"]})
        return code == 422 and "BGPPeer fairlead-system/tor names it in spec.bfdProfile" in answer["message"]
    wait_until(refused, 10, "a refusal of the deletion")
    assert hook.api.call("DELETE", f"{path}/bgppeers/tor")[0] == 200
    wait_until(lambda: hook.api.call("DELETE", f"{path}/bfdprofiles/fast")[0] == 200, 10, "the deletion")


def test_metrics_and_rights(hook):
    ips = [p["status"]["podIP"] for p in hook.kubernetes.pods("controller")]
    texts = "".join(hook.kubernetes.nodes["node1"].run("curl", "-sf", "--max-time", "5", f"http://{ip}:7481/metrics") for ip in ips)
    assert 'fairlead_webhook_reviews_total{kind="IPAddressPool",verdict="refused"}' in texts
    account = f"system:serviceaccount:{NAMESPACE}:fairlead-controller"
    for question, answer in ((["get", "secrets/fairlead-webhook-cert"], "yes"), (["get", "secrets/other"], "no"), (["create", "secrets"], "no"),
                             (["list", "secrets"], "no"), (["patch", "secrets/other"], "no"),
                             (["patch", "validatingwebhookconfigurations/fairlead-webhook"], "yes"),
                             (["patch", "validatingwebhookconfigurations/other"], "no"), (["list", "validatingwebhookconfigurations"], "no")):
        said = hook.kubernetes.kubectl("auth", "can-i", *question, "-n", NAMESPACE, "--as", account, check=False, stderr=subprocess.STDOUT)
        assert said.split()[-1] == answer, (question, said)


def test_a_second_upgrade_changes_nothing(hook):
    before = hook.api.get(HOOKS), hook.api.get(SECRET)
    hook.upgrade()
    after = hook.api.get(HOOKS), hook.api.get(SECRET)
    assert [o["metadata"]["resourceVersion"] for o in after] == [o["metadata"]["resourceVersion"] for o in before]
    managed = {f["manager"] for f in after[0]["metadata"]["managedFields"] if "caBundle" in json.dumps(f["fieldsV1"])}
    assert managed == {"fairlead-webhook"}, managed
    assert after[1]["metadata"]["ownerReferences"][0]["uid"] == after[0]["metadata"]["uid"]


@pytest.mark.parametrize("how", ["deleted", "emptied"])
def test_a_secret_that_is_gone_is_made_again(hook, how):
    wait_until(hook.is_shown_by_all, 30, "both controllers show the one before", 0.5)
    before = hook.secret()
    if how == "deleted":
        assert hook.api.call("DELETE", SECRET)[0] == 200
    else:
        code, answer = hook.api.call("PATCH", SECRET, {"data": {"ca.crt": "", "tls.crt": "", "tls.key": ""}}, "application/merge-patch+json")
        assert code == 200, answer
    wait_until(lambda: hook.secret() and hook.secret()["tls.crt"] != before["tls.crt"] and hook.is_kept(), 60, "another certificate, trusted", 0.5)
    assert hook.refuses(), "the one before is trusted until replicas show the new one"


def old_certificate(folder):
    """Self-signed, for the right names; a year long, and ten days of it left."""
    (folder / "index.txt").write_text("")
    (folder / "serial").write_text("01\n")
    (folder / "ca.conf").write_text(f"""[ca]
default_ca = own
[own]
database = {folder}/index.txt
serial = {folder}/serial
new_certs_dir = {folder}
default_md = sha256
policy = any
x509_extensions = server
[any]
commonName = supplied
[server]
subjectAltName = {",".join("DNS:" + n for n in NAMES)}
[req]
distinguished_name = name
[name]
""")
    run(["openssl", "req", "-new", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", folder / "key", "-out", folder / "csr",
         "-subj", "/CN=old", "-config", folder / "ca.conf"])
    now = datetime.datetime.now(datetime.timezone.utc)
    start, end = ((now + datetime.timedelta(days=d)).strftime("%Y%m%d%H%M%SZ") for d in (-355, 10))
    run(["openssl", "ca", "-batch", "-notext", "-selfsign", "-config", folder / "ca.conf", "-keyfile", folder / "key", "-in", folder / "csr",
         "-out", folder / "crt", "-startdate", start, "-enddate", end])
    return (folder / "crt").read_text(), (folder / "key").read_text()


def test_a_certificate_near_its_end_is_renewed(hook, tmp_path):
    certificate, key = old_certificate(tmp_path)
    data = {k: base64.b64encode(v.encode()).decode() for k, v in {"ca.crt": certificate, "tls.crt": certificate, "tls.key": key}.items()}
    code, answer = hook.api.call("PATCH", SECRET, {"data": data}, "application/merge-patch+json")
    assert code == 200, answer
    wait_until(lambda: hook.secret().get("tls.crt") not in (None, certificate) and hook.is_kept(), 60, "a renewed certificate, trusted", 0.5)
    assert hook.secret()["ca.crt"].count("BEGIN CERTIFICATE") == 2, "the CA before is trusted for a while"
    logs = "".join(hook.kubernetes.kubectl("-n", NAMESPACE, "logs", p["metadata"]["name"]) for p in hook.kubernetes.pods("controller"))
    assert "event=webhook_certificate_made reason=expiring" in logs
    wait_until(hook.refuses, 60, "a refusal under the new certificate", 1)


def test_without_a_controller_everything_goes_through(hook):
    hook.kubernetes.kubectl("-n", NAMESPACE, "scale", "deployment/fairlead-controller", "--replicas=0")
    wait_until(lambda: not hook.kubernetes.pods("controller"), 60, "no controller", 0.5)
    code, said = hook.apply(pool("bad", ["198.18.0.204-198.18.0.206"]))
    assert code == 0 and "bad" in hook.names(), said
    hook.kubernetes.kubectl("-n", NAMESPACE, "scale", "deployment/fairlead-controller", "--replicas=2")
    wait_until(lambda: len(pods := hook.kubernetes.pods("controller")) == 2 and all(map(is_ready, pods)), 60, "two controllers ready", 0.5)

    def refused():  # a new fault; the answer is a dry run's
        body = pool("worse", ["198.18.0.225-198.18.0.226"])
        return hook.api.call("POST", f"{POOLS}?dryRun=All", body)[0] == 422
    wait_until(refused, 60, "the webhook answers again", 0.5)
    code, said = hook.apply(pool("other", ["198.18.0.220-198.18.0.231"]))
    assert code == 0, f"an edit beside a broken object: {said}"
    code, said = hook.apply(pool("bad", ["198.18.0.240-198.18.0.241"]))
    assert code == 0, f"mending: {said}"


def test_switched_off_nothing_of_it_is_left(hook):
    hook.kubernetes.helm("upgrade", "fairlead", CHART, "--namespace", NAMESPACE, "--set", hook.values.replace("webhook.enabled=true", "webhook.enabled=false"))
    assert hook.api.call("GET", HOOKS)[0] == 404
    wait_until(lambda: hook.api.call("GET", SECRET)[0] == 404, 60, "the Secret goes with its owner", 0.5)
