"""The chart as text: what a cluster would be asked for. Needs Helm (`cluster build`), no cluster."""
import os
import re
import subprocess

import pytest
import yaml
from kube import CHART, HERE, STATE, run

pytestmark = pytest.mark.anywhere
GOLDEN = HERE / "golden"
SETS = {
    "defaults": ["--set", "apiServer.endpoints={192.0.2.10:6443,[2001:db8::10]:6443}"],
    "all-set": ["-f", str(GOLDEN / "all-set.values.yaml")],
    "cleanup": ["--set", "cleanup=true"],
    "webhook": ["--set", "webhook.enabled=true,apiServer.endpoints={192.0.2.10:6443}"],
    "metallb": ["--set", "apiGroup=metallb.io,metallbNamespace=metallb-system,bgp.enabled=true,apiServer.endpoints={192.0.2.10:6443}"],
}
KINDS = {"ipaddresspools", "l2advertisements", "bgpadvertisements", "bgppeers", "bfdprofiles", "communities"}


@pytest.fixture(scope="module")
def helm(built):
    return lambda *a, **o: run([STATE / "bin/helm", *a], **o)


def render(helm, *arguments, **options):
    return helm("template", "fairlead", CHART, "--namespace", "fairlead-system", "--kube-version", "1.34.0", *arguments, **options)


def test_lint(helm):
    assert "0 chart(s) failed" in helm("lint", "--strict", CHART)


@pytest.mark.parametrize("name", SETS)
def test_golden(helm, name):
    """Rewritten with FAIRLEAD_GOLDEN=write."""
    text = render(helm, *SETS[name])
    path = GOLDEN / f"{name}.yaml"
    if os.environ.get("FAIRLEAD_GOLDEN") == "write":
        path.write_text(text)
    assert text == path.read_text()


def objects(helm, *arguments):
    return {(o["kind"], o["metadata"]["name"]): o for o in yaml.safe_load_all(render(helm, *arguments)) if o}


def test_nothing_runs_with_more_than_it_needs(helm):
    for name in SETS:
        for (kind, owner), o in objects(helm, *SETS[name]).items():
            if kind not in ("Deployment", "DaemonSet"):
                continue
            spec = o["spec"]["template"]["spec"]
            assert spec["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
            assert not spec.get("hostPID") and not spec.get("hostIPC")
            for c in spec["containers"] + spec.get("initContainers", []):
                security = c["securityContext"]
                assert not security.get("privileged"), owner
                assert security["readOnlyRootFilesystem"] and not security["allowPrivilegeEscalation"], owner
                assert security["capabilities"]["drop"] == ["ALL"]
                port_179 = {"NET_BIND_SERVICE"} if c["name"] == "bird" else set()
                assert set(security["capabilities"].get("add", [])) <= {"NET_ADMIN", "NET_RAW"} | port_179
                assert kind == "DaemonSet" or spec["securityContext"]["runAsNonRoot"] and "add" not in security["capabilities"]


def test_no_rule_of_rbac_has_a_wildcard_or_reads_secrets(helm):
    for (kind, name), o in objects(helm).items():
        for rule in o.get("rules", []) if kind in ("ClusterRole", "Role") else []:
            assert "*" not in rule["apiGroups"] + rule["resources"] + rule["verbs"], name
            assert "secrets" not in rule["resources"], name


def test_metallbs_objects_are_read_in_their_namespace_and_no_others(helm):
    """The programs are told, and every right to objects of the group is in that namespace alone."""
    rendered = objects(helm, *SETS["metallb"])
    for kind, name in (("Deployment", "fairlead-controller"), ("DaemonSet", "fairlead-speaker")):
        args = rendered[kind, name]["spec"]["template"]["spec"]["containers"][0]["args"]
        assert {"--api-group=metallb.io", "--namespace=metallb-system"} <= set(args), name
    assert not [name for (kind, name), o in rendered.items() if kind == "ClusterRole" and any("metallb.io" in r["apiGroups"] for r in o["rules"])]
    for name in ("fairlead-controller", "fairlead-speaker"):
        assert rendered["Role", name]["metadata"]["namespace"] == rendered["RoleBinding", name]["metadata"]["namespace"] == "metallb-system"
        may = {(r, v) for rule in rendered["Role", name]["rules"] if rule["apiGroups"] == ["metallb.io"]
               for r in rule["resources"] for v in rule["verbs"]}
        assert {("ipaddresspools", "watch"), ("bgppeers", "list"), ("configurationstates/status", "patch")} <= may
        assert ("servicebgpstatuses", "create") in may or name == "fairlead-controller"
    assert "fairlead.io" not in {g for (kind, _), o in rendered.items() for r in o.get("rules") or [] for g in r["apiGroups"]}
    default = render(helm, *SETS["defaults"])
    assert "--api-group" not in default and "metallb" not in default, "our own group is what the programs take by themselves"


@pytest.mark.parametrize("mode", ["auto", "full", "loadbalancer", "off"])
def test_the_mode_is_handed_on(helm, mode):
    speaker = objects(helm, "--set", f"dataplane.mode={mode}")["DaemonSet", "fairlead-speaker"]
    assert f"--mode={mode}" in speaker["spec"]["template"]["spec"]["containers"][0]["args"]


def test_only_the_container_that_sets_sysctls_may_write_them(helm):
    for values, expected in (("sysctls.manage=true", ["sysctls"]), ("sysctls.manage=false", [])):
        spec = objects(helm, "--set", values)["DaemonSet", "fairlead-speaker"]["spec"]["template"]["spec"]
        assert [v["name"] for v in spec["volumes"] if v.get("hostPath", {}).get("path", "").startswith("/proc")] == expected
        assert [c["name"] for c in spec.get("initContainers", [])] == expected
        assert not any(m["name"] == "sysctls" for c in spec["containers"] for m in c["volumeMounts"])


@pytest.mark.parametrize("port", [7480, 9000, 0])
def test_the_speakers_probes_ask_where_it_shows_itself(helm, port):
    speaker = objects(helm, "--set", f"speaker.metricsPort={port}")["DaemonSet", "fairlead-speaker"]["spec"]["template"]["spec"]["containers"][0]
    at = next(i for i, a in enumerate(speaker["args"]) if a.startswith("--metrics-address"))
    if port:
        assert speaker["args"][at] == f"--metrics-address=127.0.0.1:{port}"
    else:
        assert speaker["args"][at:at + 2] == ["--metrics-address", ""]
    for probe, path in (("livenessProbe", "/healthz"), ("readinessProbe", "/readyz")):
        assert (probe in speaker) == bool(port)
        assert not port or speaker[probe]["httpGet"] == {"host": "127.0.0.1", "path": path, "port": port}


def test_without_a_cluster_to_ask_and_without_endpoints_nothing_is_made_up(helm):
    assert "--api-server" not in render(helm)


def test_the_webhook_is_asked_about_all_kinds_and_told_nothing_by_chance(helm):
    assert render(helm, *SETS["webhook"]) == render(helm, *SETS["webhook"])
    assert not any("webhook" in name for _, name in objects(helm)), "off by default"
    assert not any("webhook" in name for _, name in objects(helm, *SETS["webhook"], "--set", "cleanup=true"))
    found = objects(helm, *SETS["webhook"])
    service, = (o for (kind, _), o in found.items() if kind == "Service")
    hooks = found["ValidatingWebhookConfiguration", "fairlead-webhook"]["webhooks"]
    assert {r for h in hooks for r in h["rules"][0]["resources"]} == KINDS and len(hooks) == len(KINDS)
    assert len({h["name"] for h in hooks}) == len(hooks)
    for h in hooks:
        operations = ["CREATE", "UPDATE"] + ["DELETE"] * (h["rules"][0]["resources"] == ["bfdprofiles"])
        assert h["rules"] == [{"apiGroups": ["fairlead.io"], "apiVersions": ["v1"], "operations": operations,
                               "resources": h["rules"][0]["resources"], "scope": "Namespaced"}]
        assert h["clientConfig"] == {"service": {"name": service["metadata"]["name"], "namespace": "fairlead-system", "path": "/validate", "port": 443}}
        assert (h["failurePolicy"], h["sideEffects"], h["timeoutSeconds"]) == ("Ignore", "None", 5)
    container = found["Deployment", "fairlead-controller"]["spec"]["template"]["spec"]["containers"][0]
    assert service["spec"]["ports"][0]["targetPort"] in [p["name"] for p in container["ports"]]
    assert "--webhook-service=fairlead-system/fairlead-webhook" in container["args"]
    assert not any(kind == "Secret" for kind, _ in found), "what the chart does not name it does not undo"


def test_the_webhook_may_write_its_own_secret_and_configuration_only(helm):
    default, found = objects(helm, *SETS["defaults"]), objects(helm, *SETS["webhook"])
    more = {key: o["rules"] for key, o in found.items() if key[0] in ("Role", "ClusterRole") and o.get("rules") != default.get(key, {}).get("rules")}
    assert more == {
        ("Role", "fairlead-webhook"): [{"apiGroups": [""], "resources": ["secrets"], "resourceNames": ["fairlead-webhook-cert"],
                                        "verbs": ["get", "create", "patch"]}],
        ("ClusterRole", "fairlead-webhook"): [{"apiGroups": ["admissionregistration.k8s.io"], "resources": ["validatingwebhookconfigurations"],
                                               "resourceNames": ["fairlead-webhook"], "verbs": ["get", "patch"]}]}


def test_cert_manager_makes_the_certificate_and_the_controller_gets_no_right(helm):
    values = [*SETS["webhook"], "--set", "webhook.certManager.enabled=true"]
    found = objects(helm, *values)
    assert not any(kind in ("Role", "ClusterRole") and "webhook" in name for kind, name in found)
    certificate = found["Certificate", "fairlead-webhook"]
    assert certificate["spec"]["dnsNames"] == ["fairlead-webhook.fairlead-system.svc", "fairlead-webhook.fairlead-system.svc.cluster.local"]
    assert certificate["spec"]["issuerRef"]["name"] == found["Issuer", "fairlead-webhook"]["metadata"]["name"]
    annotations = found["ValidatingWebhookConfiguration", "fairlead-webhook"]["metadata"]["annotations"]
    assert annotations["cert-manager.io/inject-ca-from"] == "fairlead-system/fairlead-webhook"
    spec = found["Deployment", "fairlead-controller"]["spec"]["template"]["spec"]
    volume, = spec["volumes"]
    assert volume["secret"] == {"secretName": certificate["spec"]["secretName"], "optional": True}
    mount, = spec["containers"][0]["volumeMounts"]
    assert mount["name"] == volume["name"] and f"--webhook-cert-dir={mount['mountPath']}" in spec["containers"][0]["args"]


@pytest.mark.parametrize("wrong", ["apiServer.endpoints={192.0.2.10}", "apiServer.endpoints={2001:db8::10:6443}", "logLevel=loud",
                                   "dataplane.mode=fast", "image.pullPolicy=Maybe", "controller.replicas=0", "speakers.x=1",
                                   "dataplane.clusterCIDRs={10.244.0.0}", "apiGroup=example.com", "metallbNamespace=A_b",
                                   "webhook.failurePolicy=Maybe", "webhook.port=443"])
def test_wrong_values_are_refused(helm, wrong):
    command = [STATE / "bin/helm", "template", "x", CHART, "--kube-version", "1.34.0", "--set", wrong]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode != 0 and re.search(r"values don't meet the specifications of the schema|additional", done.stderr, re.I), done.stderr


def test_what_is_asked_of_the_network_needs_rights_only_where_it_is_wanted(helm):
    for values, flags, writers in (((), [], []),
                                   (("addresses.holdDown=5m",), [["--hold-down=5m"], []], ["controller"]),
                                   (("addresses.probe=true",), [["--probe-addresses"]] * 2, ["controller", "speaker"]),
                                   (("addresses.probe=true", "apiGroup=metallb.io"), [["--probe-addresses"]] * 2, ["controller", "speaker"])):
        rendered = objects(helm, *(a for v in values for a in ("--set", v)))
        for program, kind, want in zip(("controller", "speaker"), ("Deployment", "DaemonSet"), flags or [[], []]):
            args = rendered[kind, f"fairlead-{program}"]["spec"]["template"]["spec"]["containers"][0]["args"]
            assert [a for a in args if a.startswith(("--probe", "--hold"))] == want, values
            for role, verbs in (("ClusterRole", ["list", "watch"]), ("Role", ["create", "patch", "delete"])):
                found = [r for r in rendered[role, f"fairlead-{program}"]["rules"] if "addressrecords" in r["resources"]]
                assert [(r["apiGroups"], r["verbs"]) for r in found] == ([(["fairlead.io"], verbs)] if program in writers else []), (values, role)
