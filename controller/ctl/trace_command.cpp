#include "controller/ctl/trace_command.h"

#include <csignal>
#include <cstdio>
#include <variant>

#include "controller/ctl/question.h"
#include "proto/runtime/loop.h"
#include "speaker/core/node_facts.h"
#include "speaker/core/planner.h"

namespace fairlead::ctl {
namespace {

constexpr int kAnswered = 0;
constexpr int kNoAnswer = 2;
constexpr Duration kPatience = std::chrono::seconds(15);

int fail(const std::string& what) {
  std::fprintf(stderr, "fairleadctl: %s\n", what.c_str());
  return kNoAnswer;
}

/// What one node's plan is made of, as it is now.
class Picture {
 public:
  void take(std::vector<runtime::Change> changes) {
    for (runtime::Change& c : changes) take(std::move(c));
  }

  bool has_node(const std::string& name) const { return cluster_.nodes.contains(name); }
  bool has_nodes() const { return !cluster_.nodes.empty(); }

  speaker::Answer ask(const speaker::Question& question, const std::string& node, const speaker::DataPlaneFlags& flags) {
    // Only the Node object tells which addresses the host has.
    speaker::HostAddresses host;
    if (const auto self = cluster_.nodes.find(node); self != cluster_.nodes.end()) host.best_first = host.all = self->second.internal_ips;
    planner_.set_facts(speaker::node_facts(flags, node, cluster_, host));
    while (planner_.is_dirty()) planner_.plan_some(1000, TimePoint{});
    return speaker::trace(planner_, question);
  }

 private:
  void take(runtime::Change&& c) {
    const kube::Name& name = c.key.name;
    switch (c.key.kind) {
      case api::Kind::service: return planner_.set_service(name, as<kube::Service>(std::move(c.object)));
      case api::Kind::endpoint_slice: return planner_.set_slice(name, as<kube::EndpointSlice>(std::move(c.object)));
      case api::Kind::node: return put(cluster_.nodes, name.name, std::move(c.object));
      case api::Kind::service_cidr: return put(cluster_.service_cidrs, name.name, std::move(c.object));
      case api::Kind::ip_address_pool: return put(cluster_.pools, name, std::move(c.object));
      default: return;
    }
  }

  template <class T>
  static std::optional<T> as(std::optional<api::Object>&& object) {
    if (!object) return std::nullopt;
    return std::get<T>(std::move(*object));
  }
  template <class T, class K>
  static void put(std::map<K, T>& map, const K& key, std::optional<api::Object>&& object) {
    if (object) {
      map.insert_or_assign(key, std::get<T>(std::move(*object)));
    } else {
      map.erase(key);
    }
  }

  speaker::Cluster cluster_;
  speaker::Planner planner_;
};

}  // namespace

int run_trace(const TraceFlags& flags) {
  const auto question = parse_question(flags.source_text, flags.destination, flags.from);
  if (const auto* what = std::get_if<std::string>(&question)) return fail(*what);
  const auto data_plane = speaker::parse_flags(flags.data_plane);
  if (!data_plane) return fail(data_plane.error().what);

  std::signal(SIGPIPE, SIG_IGN);
  auto loop = runtime::Loop::create();
  if (!loop) return fail(loop.error().what);
  auto source = runtime::open_source(**loop, flags.source, {.name = "fairleadctl"});
  if (!source) return fail(source.error().what);

  Picture picture;
  std::string last_fault;
  runtime::Timer patience(**loop, [&] {
    (*loop)->stop(fail("no answer from the API server within " + std::to_string(std::chrono::duration_cast<std::chrono::seconds>(kPatience).count()) +
                       " s" + (last_fault.empty() ? "" : ": " + last_fault)));
  });
  patience.arm(kPatience);
  using api::Kind;
  (*source)->start({Kind::service, Kind::endpoint_slice, Kind::node, Kind::service_cidr, Kind::ip_address_pool},
                   {.changes = [&](std::vector<runtime::Change> c) { picture.take(std::move(c)); },
                    .synced = [&] { (*loop)->stop(kAnswered); },
                    .fault = [&](const runtime::Fault& f) {
                      last_fault = f.what;
                      std::fprintf(stderr, "fairleadctl: left out: %s %s %s: %s\n", f.where.c_str(), f.object.c_str(), f.field.c_str(), f.what.c_str());
                    }});
  if (const int code = (*loop)->run(); code != kAnswered) return code;

  if (picture.has_nodes() && !picture.has_node(flags.node)) {
    return fail("no Node is called \"" + flags.node + "\": name one with --node");
  }
  const speaker::Answer answer = picture.ask(std::get<speaker::Question>(question), flags.node, *data_plane);
  std::printf("%s\n", (flags.is_json ? to_json(answer) : to_text(answer)).c_str());
  return kAnswered;
}

}  // namespace fairlead::ctl
