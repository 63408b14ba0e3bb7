/// A real directory and a real loop. Every wait ends as soon as what is waited for is there; the clock only bounds a
/// failure.
#include "proto/runtime/folder_source.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <thread>

#include "proto/runtime/folder_overlay.h"

namespace fairlead::runtime {
namespace {

namespace fs = std::filesystem;
using api::Kind;
using std::chrono::milliseconds;
using std::chrono::seconds;

std::string service(const std::string& name, int port = 80, const std::string& more = "") {
  return "apiVersion: v1\nkind: Service\nmetadata:\n  name: " + name +
         "\nspec:\n  type: LoadBalancer\n  selector: {app: " + name + "}\n" + more + "  ports:\n  - port: " +
         std::to_string(port) + "\n";
}
std::string pod(const std::string& name, const std::string& app, const std::string& ip) {
  return "apiVersion: v1\nkind: Pod\nmetadata: {name: " + name + ", labels: {app: " + app + "}}\nstatus: {podIP: " + ip + "}\n";
}
api::Key key(Kind kind, const std::string& name) { return {kind, {"default", name}}; }

const std::vector<Kind> kAll = {Kind::service, Kind::endpoint_slice,  Kind::node,
                                Kind::namespace_, Kind::service_cidr, Kind::ip_address_pool, Kind::l2_advertisement};

class FolderTest : public testing::Test {
 protected:
  void SetUp() override {
    std::string pattern = (fs::temp_directory_path() / "fairlead-folder-XXXXXX").string();
    ASSERT_NE(::mkdtemp(pattern.data()), nullptr);
    base = pattern;
    dir = base / "d";
    fs::create_directory(dir);
  }
  void TearDown() override {
    source.reset();
    fs::permissions(dir, fs::perms::owner_all, fs::perm_options::add);
    fs::remove_all(base);
  }
  void put(const std::string& file, const std::string& text) const {
    fs::create_directories((dir / file).parent_path());
    std::ofstream(dir / file, std::ios::binary) << text;
  }
  std::string get(const std::string& file) const {
    std::ifstream in(dir / file, std::ios::binary);
    return {std::istreambuf_iterator<char>(in), {}};
  }
  Source::Handlers handlers() {
    return {[this](std::vector<Change> changes) {
              ++batches;
              for (Change& c : changes) {
                seen.push_back(c.key.str() + (c.object ? "" : " gone"));
                if (c.object) objects[c.key] = *c.object;
                else objects.erase(c.key);
              }
            },
            [this] { ++synced; }, [this](const Fault& f) { faults.push_back(f); }, [this](const Fault& f) { mended.push_back(f); }};
  }
  void start(FolderOptions options = {}) {
    options.dir = dir.string();
    auto opened = open_folder(*loop, options);
    ASSERT_TRUE(opened) << opened.error().what;
    source = std::move(*opened);
    source->start(kAll, handlers());
    EXPECT_EQ(synced, 0) << "handlers are called from the loop only";
    ASSERT_TRUE(until([&] { return synced == 1; }));
  }
  /// Runs the loop until `done`, looked at after every turn; false after ten seconds.
  bool until(const std::function<bool()>& done, Duration most = seconds(10)) {
    if (done()) return true;
    const TimePoint end = loop->now() + most;
    while (loop->now() < end) {
      Timer tick(*loop, [this] { loop->stop(); });
      tick.arm(milliseconds(1));
      loop->run();
      if (done()) return true;
    }
    return false;
  }
  /// Lets everything that is under way arrive: a marker object is written and seen.
  void settle() {
    const std::string name = "marker" + std::to_string(++markers);
    put("zz-marker.yaml", "apiVersion: v1\nkind: Namespace\nmetadata: {name: " + name + "}\n");
    ASSERT_TRUE(until([&] { return objects.contains({Kind::namespace_, {"", name}}); }));
  }
  const kube::Service* web(const std::string& name = "web") {
    const auto found = objects.find(key(Kind::service, name));
    return found == objects.end() ? nullptr : &std::get<kube::Service>(found->second);
  }
  int web_port(const std::string& name = "web") {
    const auto* const s = web(name);
    return s == nullptr || s->ports.empty() ? 0 : s->ports[0].port.value;
  }
  Result<void> write(const ServiceWrite& what, const std::string& name = "web") {
    std::optional<Result<void>> result;
    source->write(kube::Name{"default", name}, what, [&](Result<void> r) { result = r; });
    EXPECT_FALSE(result) << "done is called from the loop";
    EXPECT_TRUE(until([&] { return result.has_value(); }));
    return result.value_or(Error{Errc::unavailable, "no answer"});
  }

  fs::path base, dir;
  std::unique_ptr<Loop> loop = Loop::create().value();
  std::unique_ptr<Source> source;
  std::map<api::Key, api::Object> objects;
  std::vector<std::string> seen;
  std::vector<Fault> faults, mended;
  int synced = 0;
  int batches = 0;
  int markers = 0;
};

TEST_F(FolderTest, ADirectoryThatIsNotThereIsAnError) {
  EXPECT_FALSE(open_folder(*loop, {(base / "none").string()}));
  put("file", "x");
  EXPECT_FALSE(open_folder(*loop, {(dir / "file").string()}));
}

TEST_F(FolderTest, WhatIsThereAtTheStartComesBeforeSynced) {
  put("a.yaml", service("web") + "---\n" + service("db"));
  put("sub/b.json", R"([{"apiVersion": "v1", "kind": "Node", "metadata": {"name": "n"}}])");
  put(".hidden/c.yaml", service("hidden"));
  put(".hidden.yaml", service("hidden"));
  put("notes.txt", "not: [yaml");
  put("deploy.yaml", "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: web}\n");
  start();
  EXPECT_EQ(batches, 1);
  EXPECT_EQ(objects.size(), 4U) << "two Services, a Node, and the advertisement for all";
  EXPECT_TRUE(objects.contains(key(Kind::l2_advertisement, "default")));
  EXPECT_TRUE(objects.contains({Kind::node, {"", "n"}}));
  EXPECT_TRUE(faults.empty());
  EXPECT_FALSE(fs::exists(dir / ".status")) << "a reader leaves no trace";
}

TEST_F(FolderTest, AServiceCidrBelongsToNoNamespace) {
  put("cidr.yaml", "apiVersion: networking.k8s.io/v1\nkind: ServiceCIDR\nmetadata: {name: kubernetes, namespace: x}\nspec: {cidrs: [10.96.0.0/16]}\n");
  start();
  ASSERT_TRUE(objects.contains({Kind::service_cidr, {"", "kubernetes"}}));
  put("cidr.yaml", "apiVersion: networking.k8s.io/v1\nkind: ServiceCIDR\nmetadata: {name: kubernetes}\nspec: {cidrs: [10.96.0.0]}\n");
  ASSERT_TRUE(until([&] { return !faults.empty(); }));
  EXPECT_EQ(faults[0].field, "spec.cidrs[0]");
  EXPECT_TRUE(objects.contains({Kind::service_cidr, {"", "kubernetes"}})) << "the last good version stays";
}

TEST_F(FolderTest, ChangesAreSeenAndOnlyThose) {
  put("a.yaml", service("web") + "---\n" + service("db"));
  start();
  seen.clear();
  put("a.yaml", service("web", 81) + "---\n" + service("db"));
  ASSERT_TRUE(until([&] { return web_port() == 81; }));
  EXPECT_EQ(seen, (std::vector<std::string>{"Service default/web"}));
  put("b.yaml", service("new"));
  ASSERT_TRUE(until([&] { return web("new") != nullptr; }));
  fs::remove(dir / "b.yaml");
  ASSERT_TRUE(until([&] { return web("new") == nullptr; }));
  put("a.yaml", service("web", 81));
  ASSERT_TRUE(until([&] { return web("db") == nullptr; }));
  EXPECT_EQ(web_port(), 81);
  EXPECT_TRUE(faults.empty());
}

TEST_F(FolderTest, ARenamedFileChangesNothing) {
  put("a.yaml", service("web"));
  start();
  seen.clear();
  fs::rename(dir / "a.yaml", dir / "b.yaml");
  settle();
  EXPECT_EQ(seen, (std::vector<std::string>{"Namespace marker1"}));
  EXPECT_TRUE(faults.empty()) << faults[0].what;
  put(".tmp", service("web", 81));
  fs::rename(dir / ".tmp", dir / "b.yaml");
  EXPECT_TRUE(until([&] { return web_port() == 81; })) << "an atomic replacement is read";
}

TEST_F(FolderTest, AFileIsNotReadBeforeItIsClosed) {
  start();
  std::ofstream out(dir / "a.yaml", std::ios::binary);
  out << service("web");
  out.flush();
  settle();
  EXPECT_EQ(web(), nullptr);
  out.close();
  EXPECT_TRUE(until([&] { return web() != nullptr; }));
  // Truncated and half written again: what was read stays.
  out.open(dir / "a.yaml", std::ios::binary | std::ios::trunc);
  settle();
  EXPECT_EQ(web_port(), 80);
  out << service("web", 81);
  out.close();
  EXPECT_TRUE(until([&] { return web_port() == 81; }));
  EXPECT_TRUE(faults.empty());
}

TEST_F(FolderTest, AFileRewrittenAllTheTimeNeverFlaps) {
  put("a.yaml", service("web", 1));
  start();
  seen.clear();
  constexpr int kTimes = 2000;
  std::thread writer([&] {
    for (int i = 1; i <= kTimes; ++i) {
      put("a.yaml", service("web", i));
      std::this_thread::sleep_for(std::chrono::microseconds(100));
    }
  });
  // A busy disk makes the writer slow, not the reader wrong.
  EXPECT_TRUE(until([&] { return web_port() == kTimes; }, seconds(60)));
  writer.join();
  EXPECT_TRUE(faults.empty()) << faults[0].where << " " << faults[0].what;
  EXPECT_EQ(std::count(seen.begin(), seen.end(), "Service default/web gone"), 0);
  EXPECT_GT(seen.size(), 20U) << "and it keeps up";
}

TEST_F(FolderTest, AWriterWhoseCloseIsNotHeardIsWaitedFor) {
  start();
  const fs::path outside = dir.string() + ".outside.yaml";
  std::ofstream out(outside, std::ios::binary);
  out << service("web", 81);
  out.flush();
  fs::create_hard_link(outside, dir / "a.yaml");  // seen, and busy
  settle();
  EXPECT_EQ(web(), nullptr);
  out.close();  // tells the folder outside only
  EXPECT_TRUE(until([&] { return web_port() == 81; }));
  fs::remove(outside);
}

TEST_F(FolderTest, DirectoriesComeAndGo) {
  start();
  put("x/y/a.yaml", service("web"));
  ASSERT_TRUE(until([&] { return web() != nullptr; }));
  put("x/y/a.yaml", service("web", 81));
  ASSERT_TRUE(until([&] { return web_port() == 81; }));
  fs::rename(dir / "x", dir / "z");
  settle();
  EXPECT_EQ(web_port(), 81);
  put("z/y/a.yaml", service("web", 82));
  ASSERT_TRUE(until([&] { return web_port() == 82; }));
  fs::remove_all(dir / "z");
  EXPECT_TRUE(until([&] { return web() == nullptr; }));
}

TEST_F(FolderTest, LinksAreFollowedAndLoopsAreNot) {
  put("real/a.yaml", service("web"));
  fs::create_directory_symlink(dir, dir / "real" / "self");
  fs::create_directory(base / "outside");
  std::ofstream(base / "outside" / "t") << service("far");
  fs::create_symlink(base / "outside" / "t", dir / "far.yaml");
  fs::create_symlink("nowhere", dir / "dangling.yaml");
  start();
  EXPECT_TRUE(faults.empty()) << faults[0].what;
  ASSERT_NE(web("far"), nullptr);
  std::ofstream(base / "outside" / "t") << service("far", 81);
  EXPECT_TRUE(until([&] { return web_port("far") == 81; }));
  fs::create_symlink(base / "outside" / "t", dir / "far.tmp");
  fs::remove(dir / "far.yaml");
  EXPECT_TRUE(until([&] { return web("far") == nullptr; }));
}

TEST_F(FolderTest, AConfigMapVolumeIsSwappedAsAWhole) {
  put("..1/a.yaml", service("web", 1));
  put("..1/b.yaml", service("db", 1));
  fs::create_symlink("..1", dir / "..data");
  fs::create_symlink("..data/a.yaml", dir / "a.yaml");
  fs::create_symlink("..data/b.yaml", dir / "b.yaml");
  start();
  EXPECT_EQ(web_port(), 1);
  for (int i = 2; i <= 4; ++i) {
    put("..x" + std::to_string(i) + "/a.yaml", service("web", i));
    put("..x" + std::to_string(i) + "/b.yaml", service("db", i));
    fs::create_symlink("..x" + std::to_string(i), dir / "..data_tmp");
    const int before = batches;
    fs::rename(dir / "..data_tmp", dir / "..data");
    ASSERT_TRUE(until([&] { return web_port() == i && web_port("db") == i; })) << i;
    EXPECT_EQ(batches, before + 1) << "both at once";
  }
  EXPECT_TRUE(faults.empty());
}

TEST_F(FolderTest, AFolderThatIsReplacedIsReadAgain) {
  put("a.yaml", service("web"));
  start();
  fs::rename(dir, base / "away");
  ASSERT_TRUE(until([&] { return faults.size() == 1; }));
  EXPECT_EQ(faults[0].where, dir.string());
  until([] { return false; }, milliseconds(450));
  EXPECT_EQ(faults.size(), 1U) << "one warning";
  EXPECT_EQ(web_port(), 80) << "the last state stays";
  fs::create_directory(base / "new");
  std::ofstream(base / "new" / "a.yaml") << service("web", 81);
  fs::rename(base / "new", dir);
  ASSERT_TRUE(until([&] { return web_port() == 81; }));
  put("a.yaml", service("web", 82));
  EXPECT_TRUE(until([&] { return web_port() == 82; })) << "and it is watched again";
}

TEST_F(FolderTest, AFolderThatIsRemovedWithItsFilesKeepsTheLastState) {
  put("a.yaml", service("web"));
  put("b.yaml", service("db"));
  start();
  fs::remove_all(dir);
  ASSERT_TRUE(until([&] { return !faults.empty(); }));
  EXPECT_EQ(web_port(), 80);
  fs::create_directory(base / "new");
  std::ofstream(base / "new" / "a.yaml") << service("web", 81);
  fs::rename(base / "new", dir);
  ASSERT_TRUE(until([&] { return web_port() == 81; }));
  EXPECT_TRUE(until([&] { return web("db") == nullptr; }));
}

TEST_F(FolderTest, WhatIsWrongIsNamedByFileLineObjectAndField) {
  put("a.yaml", service("web") + "---\n" + service("bad", 99999) + "---\n" + service("db"));
  start();
  EXPECT_NE(web(), nullptr);
  EXPECT_NE(web("db"), nullptr) << "the others of the file apply";
  EXPECT_EQ(web("bad"), nullptr);
  ASSERT_EQ(faults.size(), 1U);
  EXPECT_EQ(faults[0], (Fault{(dir / "a.yaml").string() + ":19", "Service default/bad", "spec.ports[0].port",
                              "99999 is not a port (1 to 65535)"}));
  put("a.yaml", service("web", 81) + "---\n" + service("bad", 99999) + "---\n" + service("db"));
  ASSERT_TRUE(until([&] { return web_port() == 81; }));
  EXPECT_EQ(faults.size(), 1U) << "not repeated while it is the same";
  put("a.yaml", service("web", 82) + "---\n" + service("bad", 9999) + "---\n" + service("db"));
  ASSERT_TRUE(until([&] { return web_port("bad") == 9999; })) << "corrected: it recovers by itself";
  put("a.yaml", service("web", 83) + "---\n" + service("bad", 99999) + "---\n" + service("db"));
  ASSERT_TRUE(until([&] { return web_port() == 83; }));
  EXPECT_EQ(web_port("bad"), 9999) << "its last good version stays";
  EXPECT_EQ(faults.size(), 2U);
}

TEST_F(FolderTest, ASyntaxErrorLeavesWhatWasKnown) {
  put("a.yaml", service("web") + "---\n" + service("db"));
  start();
  put("a.yaml", service("web", 81) + "---\nkind: [\n");
  ASSERT_TRUE(until([&] { return web_port() == 81; })) << "what comes before the error applies";
  ASSERT_EQ(faults.size(), 1U);
  EXPECT_TRUE(faults[0].where.starts_with((dir / "a.yaml").string() + ":1")) << faults[0].where;
  EXPECT_NE(web("db"), nullptr);
  put("a.yaml", service("web", 82));
  EXPECT_TRUE(until([&] { return web("db") == nullptr; })) << "a good file counts as it is";
}

TEST_F(FolderTest, FilesThatCannotBeUsedAreNamed) {
  put("big.yaml", service("big"));
  put("bad.yaml", "a: \xff\n");
  put("none.yaml", "metadata: {name: x}\n");
  ASSERT_EQ(::mkfifo((dir / "fifo.yaml").c_str(), 0600), 0);
  FolderOptions options;
  options.max_file_bytes = 100;
  start(options);
  std::vector<std::string> where;
  for (const Fault& f : faults) where.push_back(f.where.substr(dir.string().size() + 1));
  EXPECT_EQ(where, (std::vector<std::string>{"bad.yaml:1", "big.yaml", "fifo.yaml", "none.yaml:1"}));
  put("big.yaml", "apiVersion: v1\nkind: Namespace\nmetadata: {name: small}\n");
  EXPECT_TRUE(until([&] { return objects.contains({Kind::namespace_, {"", "small"}}); }));
}

TEST_F(FolderTest, AFileBecomesReadable) {
  if (::geteuid() == 0) GTEST_SKIP() << "root reads everything";
  put("a.yaml", service("web"));
  fs::permissions(dir / "a.yaml", fs::perms::none);
  start();
  EXPECT_EQ(faults.size(), 1U);
  fs::permissions(dir / "a.yaml", fs::perms::owner_read);
  EXPECT_TRUE(until([&] { return web() != nullptr; }));
}

TEST_F(FolderTest, OfTwoFilesWithOneObjectTheFirstCounts) {
  put("b.yaml", service("web", 2));
  start();
  EXPECT_EQ(web_port(), 2);
  put("a.yaml", service("web", 1));
  ASSERT_TRUE(until([&] { return web_port() == 1; }));
  ASSERT_EQ(faults.size(), 1U);
  EXPECT_EQ(faults[0].where, (dir / "b.yaml").string());
  EXPECT_NE(faults[0].what.find("a.yaml"), std::string::npos);
  put("b.yaml", service("web", 3));
  settle();
  EXPECT_EQ(web_port(), 1);
  fs::remove(dir / "a.yaml");
  ASSERT_TRUE(until([&] { return web_port() == 3; })) << "the other takes over";
  EXPECT_EQ(std::count(seen.begin(), seen.end(), "Service default/web gone"), 0);
}

TEST_F(FolderTest, SlicesFollowPodsServicesAndEndpoints) {
  put("web.yaml", service("web") + "---\n" + service("db"));
  put("pods.yaml", pod("p1", "web", "10.0.0.1") + "---\n" + pod("p2", "db", "10.0.0.2"));
  start();
  const auto slice = [&](const std::string& name) -> const kube::EndpointSlice* {
    const auto found = objects.find(key(Kind::endpoint_slice, name));
    return found == objects.end() ? nullptr : &std::get<kube::EndpointSlice>(found->second);
  };
  ASSERT_NE(slice("web~pods~v4"), nullptr);
  EXPECT_EQ(slice("web~pods~v4")->endpoints.size(), 1U);
  seen.clear();
  put("pods.yaml", pod("p1", "web", "10.0.0.1") + "---\n" + pod("p2", "web", "10.0.0.2"));  // moves from db to web
  ASSERT_TRUE(until([&] { return slice("web~pods~v4")->endpoints.size() == 2; }));
  EXPECT_EQ(slice("db~pods~v4"), nullptr);
  EXPECT_EQ(seen.size(), 2U) << "only the two slices";
  put("e.yaml", "apiVersion: v1\nkind: Endpoints\nmetadata: {name: web}\nsubsets:\n- addresses: [{ip: 10.0.0.1}, {ip: 10.0.0.9}]\n  ports: [{port: 80}]\n");
  ASSERT_TRUE(until([&] { return slice("web~endpoints~0~v4") != nullptr; }));
  EXPECT_EQ(slice("web~endpoints~0~v4")->endpoints.size(), 1U) << "10.0.0.1 is a Pod's";
  fs::remove(dir / "pods.yaml");
  ASSERT_TRUE(until([&] { return slice("web~pods~v4") == nullptr; }));
  EXPECT_EQ(slice("web~endpoints~0~v4")->endpoints.size(), 2U);
}

TEST_F(FolderTest, TheAdvertisementForAllGivesWayToARealOne) {
  start();
  EXPECT_TRUE(objects.contains(key(Kind::l2_advertisement, "default")));
  put("ad.yaml", "apiVersion: fairlead.io/v1\nkind: L2Advertisement\nmetadata: {name: mine}\n");
  ASSERT_TRUE(until([&] { return objects.contains(key(Kind::l2_advertisement, "mine")); }));
  EXPECT_FALSE(objects.contains(key(Kind::l2_advertisement, "default")));
  fs::remove(dir / "ad.yaml");
  ASSERT_TRUE(until([&] { return objects.contains(key(Kind::l2_advertisement, "default")); }));
  put("bgp.yaml", "apiVersion: metallb.io/v1beta2\nkind: BGPPeer\nmetadata: {name: mine}\n");
  EXPECT_TRUE(until([&] { return !objects.contains(key(Kind::l2_advertisement, "default")); }));
}

TEST_F(FolderTest, AnAnnotationOfTheManifestCanBeTakenAway) {
  put("a.yaml", "apiVersion: v1\nkind: Service\nmetadata:\n  name: web\n  annotations: {fairlead.io/ip-allocated-from-pool: old}\n"
                "spec: {ports: [{port: 80}]}\nstatus: {loadBalancer: {ingress: [{ip: 192.0.2.7}]}}\n");
  start();
  ServiceWrite what;
  what.ingress.emplace();
  what.pool = "";
  ASSERT_TRUE(write(what));
  ASSERT_TRUE(until([&] { return web()->meta.annotations.empty(); }));
  EXPECT_TRUE(web()->ingress.empty());
  what.pool = "new";
  ASSERT_TRUE(write(what));
  ASSERT_TRUE(until([&] { return web()->meta.annotations == kube::Labels{{"fairlead.io/ip-allocated-from-pool", "new"}}; }));
}

TEST_F(FolderTest, MetallbsObjectsAloneAndInOnePlace) {
  const auto of = [](const std::string& group, const std::string& meta, const std::string& range) {
    return "apiVersion: " + group + "\nkind: IPAddressPool\nmetadata: {" + meta + "}\nspec: {addresses: [" + range + "]}\n---\n";
  };
  put("a.yaml", of("metallb.io/v1beta1", "name: bare", "192.0.2.0/28") + of("metallb.io/v1beta1", "name: far, namespace: default", "192.0.2.16/28") +
                    of("fairlead.io/v1", "name: ours", "192.0.2.32/28") + service("web"));
  FolderOptions options;
  options.group = api::Group::metallb;
  start(options);
  EXPECT_TRUE(objects.contains({Kind::ip_address_pool, {"metallb-system", "bare"}}));
  EXPECT_TRUE(objects.contains({Kind::ip_address_pool, {"default", "far"}})) << "who reads says which namespace counts";
  EXPECT_FALSE(objects.contains(key(Kind::ip_address_pool, "ours")));
  const auto& bare = std::get<api::IPAddressPool>(objects.at({Kind::ip_address_pool, {"metallb-system", "bare"}}));
  EXPECT_TRUE(bare.allow_cross_namespace_sharing);
  ServiceWrite what;
  what.pool = "bare";
  ASSERT_TRUE(write(what));
  ASSERT_TRUE(until([&] { return web()->meta.annotations.contains("metallb.io/ip-allocated-from-pool"); }));
  std::optional<Result<void>> result;
  source->write(kube::Name{"metallb-system", "bare"}, PoolStatus{1, 0, 15, 0}, [&](Result<void> r) { result = r; });
  ASSERT_TRUE(until([&] { return result.has_value(); }));
  EXPECT_TRUE(get(".status/IPAddressPool/metallb-system/bare.yaml").starts_with("apiVersion: metallb.io/v1beta1\n"));
}

TEST_F(FolderTest, WhatIsWrittenComesBack) {
  put("a.yaml", service("web"));
  start();
  ServiceWrite what;
  what.cluster_ips = {{*parse_ip("10.96.0.7"), *parse_ip("fd00::7")}};
  what.node_ports = {{Port{30080}}};
  what.ingress = {{{*parse_ip("192.0.2.7"), "", true}}};
  what.pool = "p";
  ASSERT_TRUE(write(what));
  ASSERT_TRUE(until([&] { return web()->ingress.size() == 1; }));
  EXPECT_EQ(web()->cluster_ips.size(), 2U);
  EXPECT_EQ(web()->ports[0].node_port.value, 30080);
  EXPECT_EQ(web()->meta.annotations.at("fairlead.io/ip-allocated-from-pool"), "p");
  EXPECT_EQ(get(".status/Service/default/web.yaml"),
            "apiVersion: v1\nkind: Service\nmetadata:\n  annotations:\n    fairlead.io/ip-allocated-from-pool: p\n"
            "  name: web\n  namespace: default\nspec:\n  clusterIP: 10.96.0.7\n  clusterIPs:\n    - 10.96.0.7\n"
            "    - \"fd00::7\"\n  ports:\n    - nodePort: 30080\n      port: 80\n      protocol: TCP\n"
            "status:\n  loadBalancer:\n    ingress:\n      - ip: 192.0.2.7\n        ipMode: VIP\n");
  struct stat before {};
  ASSERT_EQ(::stat((dir / ".status/Service/default/web.yaml").c_str(), &before), 0);
  EXPECT_EQ(before.st_mode & 0777, 0644U);
  ASSERT_TRUE(write(what));
  struct stat after {};
  ASSERT_EQ(::stat((dir / ".status/Service/default/web.yaml").c_str(), &after), 0);
  EXPECT_EQ(before.st_ino, after.st_ino) << "nothing changed: nothing is written";
  ServiceWrite release;
  release.ingress.emplace();
  release.pool = "";
  ASSERT_TRUE(write(release));
  ASSERT_TRUE(until([&] { return web()->ingress.empty(); }));
  EXPECT_TRUE(web()->meta.annotations.empty());
  EXPECT_EQ(web()->cluster_ips.size(), 2U) << "an absent member stays as it is";
  ServiceWrite wrong;
  wrong.node_ports = {{Port{1}, Port{2}}};
  EXPECT_EQ(write(wrong).error().code, Errc::conflict);
  EXPECT_EQ(write(release, "nobody").error().code, Errc::not_found);
}

TEST_F(FolderTest, TheManifestWinsOverTheOverlay) {
  put(".status/Service/default/web.yaml", "spec: {clusterIPs: [10.96.0.7], ports: [{port: 80, protocol: TCP, nodePort: 30080}]}\n");
  put("a.yaml", service("web", 80, "  clusterIP: 10.96.0.9\n"));
  start();
  EXPECT_EQ(web()->cluster_ips, (std::vector<Ip>{*parse_ip("10.96.0.9")}));
  EXPECT_EQ(web()->ports[0].node_port.value, 30080);
  put("a.yaml", service("web"));
  ASSERT_TRUE(until([&] { return web()->cluster_ips == std::vector<Ip>{*parse_ip("10.96.0.7")}; }));
  put("a.yaml", "apiVersion: v1\nkind: Service\nmetadata: {name: web}\nspec: {ports: [{port: 80}]}\n");
  ASSERT_TRUE(until([&] { return web()->type == kube::ServiceType::cluster_ip; }));
  EXPECT_EQ(web()->ports[0].node_port.value, 0) << "the type wants none any more";
  put(".status/Service/default/web.yaml", "spec: [\n");
  ASSERT_TRUE(until([&] { return faults.size() == 1; }));
  ASSERT_TRUE(until([&] { return web()->cluster_ips.empty(); })) << "a broken overlay is no overlay";
  put(".status/Service/default/web.yaml", "spec: {clusterIPs: [nonsense]}\n");
  EXPECT_TRUE(until([&] { return faults.size() == 2; }));
  EXPECT_NE(web(), nullptr);
}

TEST_F(FolderTest, PoolStatusAndEventsAreForPeople) {
  put("p.yaml", "apiVersion: fairlead.io/v1\nkind: IPAddressPool\nmetadata: {name: p}\nspec: {addresses: [192.0.2.0/30]}\n");
  start();
  std::optional<Result<void>> result;
  source->write(kube::Name{"default", "p"}, PoolStatus{1, 0, 3, 0}, [&](Result<void> r) { result = r; });
  ASSERT_TRUE(until([&] { return result.has_value(); }));
  ASSERT_TRUE(*result);
  EXPECT_NE(get(".status/IPAddressPool/default/p.yaml").find("availableIPv4: 3"), std::string::npos);
  source->event(key(Kind::service, "web"), EventType::warning, "AllocationFailed", "no address\nleft");
  const std::string log = get(".status/events.log");
  EXPECT_NE(log.find("Z Warning Service default/web AllocationFailed no address left\n"), std::string::npos) << log;
  fs::resize_file(dir / ".status/events.log", 1 << 20);
  source->event(key(Kind::service, "web"), EventType::normal, "IPAllocated", "192.0.2.1");
  EXPECT_TRUE(fs::exists(dir / ".status/events.log.1"));
  EXPECT_LT(fs::file_size(dir / ".status/events.log"), 200U);
}

TEST_F(FolderTest, AFolderThatCannotBeWrittenSaysSo) {
  if (::geteuid() == 0) GTEST_SKIP() << "root writes everywhere";
  put("a.yaml", service("web"));
  fs::permissions(dir, fs::perms::owner_read | fs::perms::owner_exec);
  start();
  ServiceWrite what;
  what.pool = "p";
  EXPECT_EQ(write(what).error().code, Errc::denied);
}

TEST_F(FolderTest, OneLeadsAndTheNextFollows) {
  start();
  int first = 0;
  int second = 0;
  source->lead("controller", [&](bool leads) { first += leads ? 1 : -1; });
  ASSERT_TRUE(until([&] { return first == 1; }));
  auto other = std::move(*open_folder(*loop, {dir.string()}));
  other->lead("controller", [&](bool leads) { second += leads ? 1 : -1; });
  until([] { return false; }, milliseconds(300));
  EXPECT_EQ(second, 0);
  source.reset();
  EXPECT_TRUE(until([&] { return second == 1; }));
  fs::remove_all(dir / ".status");
  EXPECT_TRUE(until([&] { return second == 0; })) << "a lease whose file is gone is lost";
  EXPECT_TRUE(until([&] { return second == 1; })) << "and taken again";
}

TEST_F(FolderTest, TheLeaderRemovesOverlaysOfObjectsThatAreGone) {
  put("a.yaml", service("web"));
  put("b.yaml", service("db"));
  put(".status/Service/default/web.yaml", "spec: {clusterIPs: [10.96.0.7]}\n");
  put(".status/Service/default/db.yaml", "spec: {clusterIPs: [10.96.0.8]}\n");
  start();
  source->lead("controller", [](bool) {});
  fs::remove(dir / "b.yaml");
  EXPECT_TRUE(until([&] { return !fs::exists(dir / ".status/Service/default/db.yaml"); }));
  EXPECT_TRUE(fs::exists(dir / ".status/Service/default/web.yaml"));
}

TEST_F(FolderTest, TheLeaderRemovesFromOverlaysWhatNobodyHasAUseForAnyMore) {
  const std::string path = ".status/Service/default/web.yaml";
  put("a.yaml", service("web"));
  put(path, "spec: {clusterIPs: [10.96.0.7], ports: [{port: 80, protocol: TCP, nodePort: 30080}, {port: 81, protocol: TCP, nodePort: 30081}]}\n");
  start();
  source->lead("controller", [](bool) {});
  const auto holds = [&](const char* text) {
    std::ifstream file(dir / path);
    return std::string(std::istreambuf_iterator<char>(file), {}).find(text) != std::string::npos;
  };
  put("a.yaml", service("web", 82));
  EXPECT_TRUE(until([&] { return !holds("30080") && !holds("30081"); }));
  EXPECT_TRUE(holds("10.96.0.7")) << "which it has";
  put("a.yaml", service("web", 82, "  clusterIP: 10.96.0.9\n"));
  EXPECT_TRUE(until([&] { return !holds("10.96.0.7"); }));
}

TEST_F(FolderTest, AThousandOverlaysOfOneFileAreNotQuadratic) {
  std::string text;
  for (int i = 0; i < 1000; ++i) text += service("s" + std::to_string(i)) + "---\n";
  put("a.yaml", text);
  start();
  const TimePoint begin = loop->now();
  int answers = 0;
  for (int i = 0; i < 1000; ++i) {
    ServiceWrite what;
    what.cluster_ips = {{Ip(Ip4::of(0x0a600001U + static_cast<std::uint32_t>(i)))}};
    source->write(kube::Name{"default", "s" + std::to_string(i)}, what, [&](const Result<void>& r) { answers += r ? 1 : 0; });
  }
  ASSERT_TRUE(until([&] {
    return answers == 1000 && std::all_of(objects.begin(), objects.end(), [](const auto& o) {
             return o.first.kind != Kind::service || !std::get<kube::Service>(o.second).cluster_ips.empty();
           });
  }));
  EXPECT_LT(loop->now() - begin, seconds(5));
}

TEST_F(FolderTest, ASourceMayEndWhileThingsAreUnderWay) {
  put("a.yaml", service("web"));
  start();
  ServiceWrite what;
  what.pool = "p";
  source->write(kube::Name{"default", "web"}, what, [](const Result<void>&) { FAIL() << "the source is gone"; });
  put("a.yaml", service("web", 81));
  source.reset();
  until([] { return false; }, milliseconds(20));
}

TEST_F(FolderTest, StatusObjectsAreWholeFilesThatNobodyReadsBack) {
  put("web.yaml", service("web"));
  start({.dir = "", .ns = "lb"});
  int done = 0;
  const auto count = [&](const Result<void>& r) { done += r ? 1 : 100; };
  source->write({"l2-web", {{"node", "a"}}, L2Status{"a", "web", "default", {"eth0"}}}, count);
  source->write({"l2-db", {{"node", "b"}}, L2Status{"b", "db", "default", {}}}, count);
  source->write({"bgp-web", {{"node", "a"}}, BgpStatus{"a", "web", "default", {"tor", "tor2"}}}, nullptr);
  ASSERT_TRUE(until([&] { return done == 2; }));
  EXPECT_EQ(get(".status/ServiceL2Status/lb/l2-web.yaml"),
            "apiVersion: fairlead.io/v1\nkind: ServiceL2Status\nmetadata:\n  labels:\n    fairlead.io/node: a\n  name: l2-web\n  namespace: lb\n"
            "status:\n  interfaces:\n    - name: eth0\n  node: a\n  serviceName: web\n  serviceNamespace: default\n");
  std::optional<std::vector<std::string>> names;
  source->list(StatusKind::service_l2_status, "node", "a", [&](Result<std::vector<std::string>> r) { names = *r; });
  ASSERT_TRUE(until([&] { return names.has_value(); }));
  EXPECT_EQ(*names, std::vector<std::string>{"l2-web"});
  source->remove(StatusKind::service_l2_status, "l2-web", count);
  source->remove(StatusKind::service_l2_status, "never", count);
  ASSERT_TRUE(until([&] { return done == 4; }));
  EXPECT_FALSE(fs::exists(dir / ".status/ServiceL2Status/lb/l2-web.yaml"));
  EXPECT_TRUE(fs::exists(dir / ".status/ServiceL2Status/lb/l2-db.yaml"));
  source->write({"../web", {}, BgpStatus{"a", "web", "default", {}}}, count);
  ASSERT_TRUE(until([&] { return done == 104; })) << "refused";
  settle();
  EXPECT_TRUE(faults.empty());
  EXPECT_EQ(batches, 2) << "the Service, and the marker";
  for (const auto& entry : fs::recursive_directory_iterator(dir / ".status")) EXPECT_NE(entry.path().extension(), ".tmp");
}

TEST_F(FolderTest, WhatIsReadableAgainOrGoneIsSaid) {
  put("a.yaml", service("web") + "---\napiVersion: v1\nkind: Service\nmetadata: {name: bad}\nspec: {ports: [{port: 99999}]}\n");
  put("b.yaml", service("web", 81));
  put("c.yaml", "kind: [\n");
  start();
  ASSERT_EQ(faults.size(), 3U);
  put("a.yaml", service("other"));
  ASSERT_TRUE(until([&] { return mended.size() == 2; })) << "the field, and the duplicate";
  fs::remove(dir / "c.yaml");
  ASSERT_TRUE(until([&] { return mended.size() == 3; }));
  std::set<std::string> told, untold;
  for (const Fault& f : faults) told.insert(f.where + f.object + f.what);
  for (const Fault& f : mended) untold.insert(f.where + f.object + f.what);
  EXPECT_EQ(told, untold) << "word for word";
  EXPECT_EQ(faults.size(), 3U);
}

}  // namespace
}  // namespace fairlead::runtime
