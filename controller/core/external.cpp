#include "controller/core/external.h"

#include <numeric>
#include <utility>

#include "proto/api/validate.h"

namespace fairlead::controller::core {
namespace {

using kube::Service;

std::vector<Family> sorted(std::vector<Family> families) {
  std::sort(families.begin(), families.end());
  return families;
}
std::vector<Family> families_of(const std::vector<Ip>& ips) {
  std::vector<Family> out;
  for (const Ip& ip : ips) out.push_back(ip.family());
  return sorted(std::move(out));
}
std::string text_of(const Wanted& wanted) {
  if (wanted.families.size() == 1) return str(wanted.families[0]);
  return wanted.all_or_nothing ? "IPv4 and IPv6" : "IPv4 or IPv6";
}
std::string text_of(const std::vector<Family>& families) {
  return families.size() == 1 ? str(families[0]) : "IPv4 and IPv6";
}

std::vector<Ip> without_repeats(const std::vector<Ip>& ips) {
  std::vector<Ip> out;
  for (const Ip& ip : ips) {
    if (std::find(out.begin(), out.end(), ip) == out.end()) out.push_back(ip);
  }
  return out;
}

/// How it shares, in one text.
std::string manner_text(const Task& t) {
  std::string out(t.manner.sharing_key);
  out.append(1, '\n').append(t.manner.backends);
  for (const std::uint32_t port : t.manner.ports) out.append(1, '\n').append(std::to_string(port));
  return out;
}

std::span<const kube::Node* const> nodes_to_avoid(const Snapshot& snapshot, const Config& config) {
  if (config.group == api::Group::metallb) return {};  // MetalLB does not look
  return snapshot.nodes;
}

}  // namespace

External::External(const Snapshot& snapshot, const Config& config, Memory& memory, std::vector<Task>& tasks)
    : snapshot_(snapshot),
      config_(config),
      memory_(memory),
      tasks_(tasks),
      namespaces_(snapshot.namespaces != nullptr ? *snapshot.namespaces : no_namespaces_),
      is_metallb_(config.group == api::Group::metallb),
      time_{config.hold_down, snapshot.now, snapshot.wall_now},
      judged_(snapshot.pools, nodes_to_avoid(snapshot, config)) {
  if (is_metallb_) judge_communities();
  is_stale_ = is_metallb_ && (snapshot.has_unreadable_pool || !judged_.refused().empty() || !bad_communities_.empty());
  if (is_stale_ && memory.good_pools) {
    for (const api::IPAddressPool& p : *memory.good_pools) good_.push_back(&p);
    last_good_.emplace(good_, std::span<const kube::Node* const>());
  }
  addresses_.emplace(pools());
  words_.emplace(pools(), namespaces_, memory.probes);
}

void External::judge_communities() {
  api::ConfigSet set;
  for (const api::Community* c : snapshot_.communities) set.communities.push_back(*c);
  for (const api::Violation& v : api::validate_pools(set, api::Rules::of(api::Group::metallb))) {
    if (v.severity != api::Severity::error) continue;
    bad_communities_.push_back({v.object, Reason::community_invalid, v.object.str() + ": " + v.field + " " + v.reason});
  }
}

void External::run(std::vector<Notice>& problems) {
  std::vector<Task*> order;
  for (Task& t : tasks_) {
    prepare(t, config_, problems);
    if (t.is_ours) order.push_back(&t);
  }
  if (is_frozen()) {
    for (Task* const t : order) {
      t->held = ingress_ips(*t->service);
      t->home = pool_annotation(*t->service, config_.group);
      if (!t->held.empty() || t->waits) continue;
      t->pending = {Reason::configuration_invalid,
                    "the IPAddressPools and Communities are refused as a whole, as MetalLB does: correct the one that is reported"};
    }
    return;
  }
  // Who has changed how it shares an address comes last, so that it moves and the others do not.
  std::stable_partition(order.begin(), order.end(), [&](const Task* t) { return !has_changed(*t); });
  for (Task* const t : order) claim(*t);
  if (config_.probes_addresses || config_.hold_down > Duration::zero()) {
    for (const Task* const t : order) in_use_.insert(t->held.begin(), t->held.end());
  }
  begin_hold_down();
  begin_probes();
  give_all();
  tell_skipped(problems);
}

bool External::has_changed(const Task& t) const {
  const auto before = memory_.manners.find(name_of(t.service->meta));
  return before != memory_.manners.end() && before->second != manner_text(t);
}

// --- what is shown: stays or goes ---

void External::drop(Task& t, const Ip& ip, Reason reason, const std::string& why) {
  t.events.push_back({key_of(*t.service), reason, object(*t.service) + " gives up " + ip.str() + ": " + why});
}
void External::drop_all(Task& t, const std::vector<Ip>& ips, Reason reason, const std::string& why) {
  for (const Ip& ip : ips) drop(t, ip, reason, why);
}
void External::give_back(Task& t) {
  for (const Ip& ip : t.held) addresses_->release(ip, *t.service);
  t.held.clear();
  t.home.clear();
  t.home_pool.reset();
}

std::optional<External::Home> External::home_of(const Task& t, const Ip& ip) const {
  if (const auto index = pools().at(ip)) return Home{pool(*index).meta.name, index};
  const std::string named(pool_annotation(*t.service, config_.group));
  if (const auto* refused = pools().holder_of(ip, named)) return Home{refused->meta.name, std::nullopt};
  const bool may_be_hidden = snapshot_.may_miss_pools && !named.empty() &&
                             (snapshot_.gone_pools == nullptr || !snapshot_.gone_pools->contains(named)) &&
                             std::none_of(snapshot_.pools.begin(), snapshot_.pools.end(),
                                          [&](const auto* p) { return p->meta.name == named; });
  if (may_be_hidden) return Home{named, std::nullopt};
  return std::nullopt;
}

/// The Service asks for other addresses than those that it shows.
bool External::asks_for_others(Task& t, std::vector<Ip> shown) {
  const Request& r = t.request;
  if (r.ips.empty()) return false;  // also where they cannot be read: what runs goes on
  std::sort(shown.begin(), shown.end());
  if (shown == r.ips) return false;
  drop_all(t, shown, Reason::other_address_requested, "it asks for " + join(r.ips));
  return true;
}

/// One address that the status shows. Says no with an event.
bool External::may_keep(Task& t, const Ip& ip) {
  const Service& s = *t.service;
  const auto& families = t.wanted.families;
  if (contains(t.held, ip.family()) ||
      (!families.empty() && std::find(families.begin(), families.end(), ip.family()) == families.end())) {
    drop(t, ip, Reason::family_not_wanted, "it gets one address of each family of its cluster addresses");
    return false;
  }
  if (const auto clash = addresses_->clash(ip, t.user())) {
    if (clash->reason != Reason::address_in_use) {
      drop(t, ip, Reason::address_taken, words_->in_the_way(ip, *clash));
      return false;
    }
    const Service& user = *clash->with;
    drop(t, ip, Reason::address_taken, object(user) + " has it");
    // Its clients may have been answered by the other one meanwhile: the one that keeps it is told as well. Not so where
    // the two have shared it.
    if (t.manner.sharing_key.empty() && read_request(user).sharing_key.empty()) {
      t.events.push_back(
          {key_of(user), Reason::address_kept, object(user) + " keeps " + ip.str() + ": " + object(s) + " showed it too"});
    }
    return false;
  }
  const auto home = home_of(t, ip);
  if (!home) {
    drop(t, ip, Reason::address_in_no_pool, "it is in no pool any more");
    return false;
  }
  // MetalLB asks for the pool before it reads the addresses; to us what cannot be read as a whole changes nothing.
  if (const Request& r = t.request; (r.fault.empty() || is_metallb_) && !r.pool.empty() && r.pool != home->pool) {
    drop(t, ip, Reason::other_pool_requested, "it asks for pool " + std::string(r.pool));
    return false;
  }
  if (home->index) {
    const api::IPAddressPool& p = pool(*home->index);
    if (p.avoid_buggy_ips && is_buggy(ip)) {
      drop(t, ip, Reason::address_avoided, "pool " + p.meta.name + " avoids addresses that end in .0 or .255");
      return false;
    }
    if (!match::pool_serves(p, s, namespaces_)) {
      drop(t, ip, Reason::pool_does_not_serve, "the serviceAllocation of pool " + p.meta.name + " excludes it");
      return false;
    }
  }
  if (t.held.empty()) {
    t.home = home->pool;
    t.home_pool = home->index;
    return true;
  }
  if (home->pool == t.home) return true;
  // Two valid pools are never combined. But where the pool that gave both is refused now, and another one has got one
  // of the two addresses, both stay; the refused pool's name stays too, because it is what holds the other.
  const bool is_held = !home->index.has_value();
  const bool other_is_held = !t.home_pool.has_value();
  if (is_held == other_is_held) {
    drop(t, ip, Reason::addresses_in_two_pools, "its other address is in pool " + t.home);
    return false;
  }
  if (is_held) t.home = home->pool;
  t.home_pool.reset();
  return true;
}

void External::claim(Task& t) {
  const std::vector<Ip> shown = without_repeats(ingress_ips(*t.service));
  if (shown.empty()) return;
  if (is_metallb_ && t.wanted.families.empty()) {
    return drop_all(t, shown, Reason::no_families, "its cluster addresses do not say which families it wants");
  }
  if (is_metallb_ && t.wanted.all_or_nothing && shown.size() < 2) {
    return drop_all(t, shown, Reason::dual_stack_incomplete, "it has one address and needs two from one pool");
  }
  if (asks_for_others(t, shown)) return;
  bool has_lost = false;
  for (const Ip& ip : shown) {
    if (!may_keep(t, ip)) {
      has_lost = true;
      continue;
    }
    addresses_->take(ip, t.user());
    t.held.push_back(ip);
  }
  const bool is_whole = is_metallb_ || !t.request.ips.empty();
  if (!has_lost || !is_whole || t.held.empty()) return;
  drop_all(t, t.held, Reason::dual_stack_incomplete, "it has lost its other address, and both are given together");
  give_back(t);
}

// --- what is missing: given ---

// --- what rests, and what is asked about before it is given ---

void External::begin_hold_down() {
  if (config_.hold_down <= Duration::zero()) return;
  memory_.hold_down.learn(snapshot_.records, time_);
  memory_.hold_down.begin(in_use_, time_);
  for (const auto& [ip, released] : memory_.hold_down.released()) {
    addresses_->hold_down(ip, released.last);
    last_held_[released.last].push_back(ip);
  }
}

void External::begin_probes() {
  if (!config_.probes_addresses) return;
  memory_.probes.begin(snapshot_.now);
  for (const api::AddressRecord* record : snapshot_.records) memory_.probes.learn(*record, snapshot_.now);
  for (const auto& [ip, taken] : memory_.probes.taken()) addresses_->block(ip);
}

/// What was just given to a Service is not, as long as it is not known that nobody has it. It stays nobody else's.
void External::reserve(Task& t) {
  if (!config_.probes_addresses || t.given.empty()) return;
  bool is_free = true;
  for (const Ip& ip : t.given) {
    if (!in_use_.contains(ip)) is_free = memory_.probes.is_free(ip, name_of(t.service->meta), snapshot_.now) && is_free;
  }
  if (is_free) return;
  t.pending = {Reason::address_being_probed, "whether somebody on the network has " + join(t.given) + " is being asked: wait"};
  std::erase_if(t.held, [&](const Ip& ip) { return std::find(t.given.begin(), t.given.end(), ip) != t.given.end(); });
  t.reserved = std::exchange(t.given, {});
  if (!t.held.empty()) return;
  t.home.clear();
  t.home_pool.reset();
}

/// The Services that got another address, or have to wait: once each while they are there.
void External::tell_skipped(std::vector<Notice>& problems) const {
  if (!config_.probes_addresses || memory_.probes.taken().empty()) return;
  std::map<kube::Name, const Task*> by_name;
  for (const Task& t : tasks_) {
    if (t.is_ours) by_name.emplace(name_of(t.service->meta), &t);
  }
  for (const auto& [ip, taken] : memory_.probes.taken()) {
    const auto found = by_name.find(taken.wanted_by);
    if (found == by_name.end()) continue;
    const Task& t = *found->second;
    if (t.pending && t.pending->reason == Reason::address_answered) continue;  // which says it
    problems.push_back(problem(*t.service, Reason::address_skipped,
                               "it does not get " + ip.str() + ": " + words_->who_answers(ip) +
                                   ": take it from that station, or out of spec.addresses of IPAddressPool " +
                                   (pools().at(ip) ? pool(*pools().at(ip)).meta.name : "that has it")));
  }
}

void External::give_all() {
  // Again when something was given back: an older Service that found the pools full would otherwise get it in the next
  // pass only. Ends, because a Service gives back once at most.
  for (bool again = true; again;) {
    again = false;
    for (Task& t : tasks_) {
      for (const Ip& ip : std::exchange(t.reserved, {})) addresses_->release(ip, *t.service);  // it chooses again, too
    }
    for (Task& t : tasks_) {
      if (!t.is_ours || t.waits) continue;
      if (t.held.size() >= t.wanted.families.size()) {
        if (!t.held.empty() && !t.request.fault.empty()) t.pending = {Reason::request_ignored, t.request.fault};
        continue;
      }
      again |= give(t);
      reserve(t);
    }
  }
  // Who waits is told why by what everybody has in the end, as the next pass will see it.
  for (Task& t : tasks_) {
    if (t.pending && t.reserved.empty()) give(t);
    std::sort(t.held.begin(), t.held.end());
  }
}

/// True when an address was given back, which may help a Service that came earlier.
bool External::give(Task& t) {
  t.pending.reset();
  const Request& r = t.request;
  if (!r.fault.empty()) {
    t.pending = {t.held.empty() ? Reason::request_invalid : Reason::request_ignored, r.fault};
    return false;
  }
  if (!t.held.empty() && !r.ips.empty()) return false;  // it has what it asks for
  bool has_released = false;
  if (!t.held.empty()) {
    if (give_second(t)) return false;
    has_released = true;
  }
  if (!r.ips.empty()) {
    give_requested(t);
    return has_released;
  }
  if (r.pool.empty()) {
    const auto candidates = addresses_->candidates(*t.service, namespaces_);
    if (candidates.empty()) t.pending = words_->no_candidate(*t.service, addresses_->has_automatic());
    else give_from(t, candidates);
    return has_released;
  }
  const std::string quoted = "IPAddressPool " + std::string(r.pool);
  const auto index = pools().named(r.pool);
  if (!index && pools().refused_named(r.pool) != nullptr) {
    t.pending = {Reason::pool_named_refused, "the annotation address-pool names " + quoted + ", which is refused: correct that pool, or name another"};
  } else if (!index) {
    t.pending = {Reason::pool_named_missing, "the annotation address-pool names " + quoted + ", which does not exist: create it, or name another"};
  } else if (!match::pool_serves(pool(*index), *t.service, namespaces_)) {
    t.pending = {Reason::pool_not_compatible, quoted + " excludes it: widen its spec.serviceAllocation, or ask for another pool"};
  } else {
    const std::size_t only[] = {*index};
    give_from(t, only);
  }
  return has_released;
}

/// One of two is there, and the other has to come from the same pool. False: the one was given back.
bool External::give_second(Task& t) {
  const Family missing = other(t.held.front().family());
  if (const auto ip = t.home_pool ? addresses_->assign_from(*t.home_pool, missing, t.user()) : std::nullopt) {
    t.held.push_back(*ip);
    t.given.push_back(*ip);
    return true;
  }
  if (!t.wanted.all_or_nothing) {
    t.pending = {Reason::additional_family_missing, "pool " + t.home + " has no " + str(missing) +
                                                        " address free for it, so it has one family only: add a range"};
    return true;
  }
  drop(t, t.held.front(), Reason::dual_stack_incomplete,
       "pool " + t.home + " has no " + str(missing) + " address for it, and RequireDualStack needs both from one");
  const Ip given_back = t.held.front();
  give_back(t);
  if (config_.hold_down > Duration::zero()) {
    addresses_->hold_down(given_back, memory_.hold_down.release(given_back, name_of(t.service->meta), time_));
  }
  return false;
}

void External::give_requested(Task& t) {
  const Request& r = t.request;
  const Service& s = *t.service;
  const auto no = [&](Reason reason, std::string what) { t.pending = {reason, std::move(what)}; };
  if (families_of(r.ips) != sorted(t.wanted.families)) {
    return no(Reason::request_family_mismatch,
              "it asks for " + join(r.ips) + " and its cluster addresses are " + text_of(sorted(t.wanted.families)) +
                  ": ask for one address of each of these families");
  }
  for (const Ip& ip : r.ips) {
    if (pools().at(ip)) continue;
    return no(Reason::request_outside_pools,
              "it asks for " + ip.str() + ", which is in no valid IPAddressPool: ask for another, or add it to a pool");
  }
  const std::size_t index = *pools().at(r.ips.front());
  const api::IPAddressPool& from = pool(index);
  if (pools().at(r.ips.back()) != index) {
    return no(Reason::request_in_two_pools,
              "it asks for " + join(r.ips) + ", which are in two IPAddressPools: ask for two of one pool");
  }
  if (!r.pool.empty() && from.meta.name != r.pool) {
    return no(Reason::request_not_in_pool, "it asks for " + join(r.ips) + " of IPAddressPool " + from.meta.name +
                                               " and for IPAddressPool " + std::string(r.pool) +
                                               ": change one of the two");
  }
  if (!match::pool_serves(from, s, namespaces_)) {
    return no(Reason::pool_not_compatible, "IPAddressPool " + from.meta.name +
                                               " excludes it: widen its spec.serviceAllocation, or ask for another pool");
  }
  for (const Ip& ip : r.ips) {
    if (from.avoid_buggy_ips && is_buggy(ip)) {
      return no(Reason::request_avoided, "it asks for " + ip.str() + " and IPAddressPool " + from.meta.name +
                                             " avoids .0 and .255: ask for another, or set avoidBuggyIPs: false");
    }
    if (const auto clash = addresses_->clash(ip, t.user())) {
      t.pending = words_->refused_request(ip, *clash);
      return;
    }
  }
  for (const Ip& ip : r.ips) addresses_->take(ip, t.user());
  t.held = t.given = r.ips;
  t.home = from.meta.name;
  t.home_pool = index;
}

/// What it had until a moment ago, where that is held down for it.
bool External::give_last(Task& t, std::span<const std::size_t> candidates) {
  const auto found = last_held_.find(name_of(t.service->meta));
  if (found == last_held_.end()) return false;
  for (const std::size_t c : candidates) {
    std::vector<Ip> ips;
    for (const Ip& ip : found->second) {
      const bool is_avoided = pool(c).avoid_buggy_ips && is_buggy(ip);
      if (pools().at(ip) == c && !is_avoided && !contains(ips, ip.family()) && !addresses_->clash(ip, t.user())) {
        ips.push_back(ip);
      }
    }
    if (families_of(ips) != sorted(t.wanted.families)) continue;
    std::sort(ips.begin(), ips.end());
    for (const Ip& ip : ips) addresses_->take(ip, t.user());
    t.held = t.given = ips;
    t.home = pool(c).meta.name;
    t.home_pool = c;
    return true;
  }
  return false;
}

void External::give_from(Task& t, std::span<const std::size_t> candidates) {
  if (give_last(t, candidates)) return;
  const Allocator::Answer answer = addresses_->assign(candidates, t.wanted, t.user());
  if (const auto* reason = std::get_if<Reason>(&answer)) {
    const std::string where =
        t.request.pool.empty() ? "the IPAddressPools that serve it" : "IPAddressPool " + std::string(t.request.pool);
    if (*reason == Reason::no_pool_of_family) {
      t.pending = {*reason, "there are no " + text_of(t.wanted) + " addresses in " + where + ": add a range"};
    } else {
      t.pending = {*reason, "no " + text_of(t.wanted) + " address is free in " + where + ": enlarge one or delete a Service"};
    }
    return;
  }
  const auto& given = std::get<Allocator::Given>(answer);
  t.held = t.given = given.ips;
  t.home = pool(given.pool).meta.name;
  t.home_pool = given.pool;
  if (t.held.size() < t.wanted.families.size()) {
    t.pending = {Reason::additional_family_missing, "pool " + t.home + " has no " + str(other(t.held.front().family())) +
                                                        " address free for it, so it has one family only: add a range"};
  }
}

// --- afterwards ---

void External::tell_pools(Decisions& out) const {
  out.problems.insert(out.problems.end(), bad_communities_.begin(), bad_communities_.end());
  for (const Refusal& r : judged_.refused()) {
    out.problems.push_back({{api::Kind::ip_address_pool, name_of(r.pool->meta)}, r.reason, r.what});
  }
  std::map<std::string_view, std::array<std::int64_t, 2>> kept;  // by pools that are not valid
  std::set<Ip> counted;
  for (const Task& t : tasks_) {
    for (const Ip& ip : t.held) {
      if ((is_frozen() || !pools().at(ip)) && counted.insert(ip).second) ++kept[t.home][ip.is4() ? 0 : 1];
    }
  }
  std::vector<const api::IPAddressPool*> all = snapshot_.pools;
  std::sort(all.begin(), all.end(), [](const auto* a, const auto* b) {
    return std::tie(a->meta.name, a->meta.ns) < std::tie(b->meta.name, b->meta.ns);
  });
  for (const api::IPAddressPool* p : all) {
    const auto index = is_frozen() ? std::nullopt : pools().named(p->meta.name);
    if (index && name_of(pool(*index).meta) == name_of(p->meta)) {
      const auto used = addresses_->assigned(*index);
      const auto most = capacity(pool(*index));
      out.pools.push_back({name_of(p->meta), used[0], used[1], most[0] - used[0], most[1] - used[1]});
    } else {
      const auto used = kept[p->meta.name];
      out.pools.push_back({name_of(p->meta), used[0], used[1], 0, 0});
    }
  }
}

void External::remember(Decisions& out) {
  if (is_metallb_ && !is_stale_) {
    const auto same = [](const api::IPAddressPool& a, const api::IPAddressPool* b) { return a == *b; };
    const auto& now = judged_.valid();
    if (!memory_.good_pools ||
        !std::equal(memory_.good_pools->begin(), memory_.good_pools->end(), now.begin(), now.end(), same)) {
      memory_.good_pools.emplace();
      for (const api::IPAddressPool* p : now) memory_.good_pools->push_back(*p);
    }
  }
  memory_.manners.clear();
  for (const Task& t : tasks_) {
    if (!t.manner.sharing_key.empty()) memory_.manners.emplace(name_of(t.service->meta), manner_text(t));
  }
  if (config_.probes_addresses) {
    memory_.probes.end();
    out.notes.asked = memory_.probes.questions();
    out.wake_at = memory_.probes.next();
  }
  if (config_.hold_down <= Duration::zero()) return;
  std::map<Ip, kube::Name> holders;
  for (const Task& t : tasks_) {
    for (const Ip& ip : t.held) holders.emplace(ip, name_of(t.service->meta));
  }
  memory_.hold_down.end(std::move(holders), time_);
  out.notes.held_down = memory_.hold_down.notes();
  if (const auto next = memory_.hold_down.next()) out.wake_at = std::min(out.wake_at.value_or(*next), *next);
}

}  // namespace fairlead::controller::core
