#include "speaker/core/planner.h"

#include <algorithm>

namespace fairlead::speaker {
namespace {

// Contributors that are no Service. Their elements are nobody else's, so their rank never matters.
const kube::Name kNodeOwner{"", "(node)"};
const kube::Name kClassOwner{"", "(classes)"};

}  // namespace

void Planner::set_service(const kube::Name& name, std::optional<kube::Service> service) {
  if (service) {
    services_.insert_or_assign(name, std::move(*service));
  } else {
    services_.erase(name);
  }
  dirty_.insert(name);
}

void Planner::set_slice(const kube::Name& name, std::optional<kube::EndpointSlice> slice) {
  const auto touch = [&](const kube::EndpointSlice& s, bool is_there) {
    const kube::Name service{s.meta.ns, s.service};
    auto& names = slices_by_service_[service];
    if (is_there) {
      names.insert(name);
    } else {
      names.erase(name);
    }
    if (names.empty()) slices_by_service_.erase(service);
    dirty_.insert(service);
  };
  // Its label may have moved it from one Service to another: both are dirty.
  if (const auto old = slices_.find(name); old != slices_.end()) {
    touch(old->second, false);
    slices_.erase(old);
  }
  if (!slice || slice->service.empty()) return;
  touch(*slice, true);
  slices_.emplace(name, std::move(*slice));
}

void Planner::set_facts(NodeFacts facts) {
  if (facts == facts_) return;
  facts_ = std::move(facts);
  facts_dirty_ = true;
  for (const auto& [name, service] : services_) dirty_.insert(name);
}

std::vector<const kube::EndpointSlice*> Planner::slices_of(const kube::Name& service) const {
  std::vector<const kube::EndpointSlice*> out;
  const auto found = slices_by_service_.find(service);
  if (found == slices_by_service_.end()) return out;
  out.reserve(found->second.size());
  for (const kube::Name& name : found->second) out.push_back(&slices_.at(name));
  return out;
}

void Planner::adopt(const Table::Have& kernel) {
  ledger_.adopt(kernel);
  adopting_ = kernel;
  facts_dirty_ = true;
  for (const auto& [name, service] : services_) dirty_.insert(name);
}

void Planner::plan_facts() {
  facts_dirty_ = false;
  std::vector<nft::Element> out;
  for (const Ip& ip : facts_.node_addresses) {
    if (!ip.is_loopback()) out.push_back(nft::node_address(ip));
  }
  for (const Family family : {Family::v4, Family::v6}) {
    if (!facts_.node_ports_everywhere(family)) continue;
    std::vector<nft::Element> all = nft::everywhere(family);
    std::move(all.begin(), all.end(), std::back_inserter(out));
  }
  const Detector& pods = facts_.detector;
  if (pods.is_by_interface() && !pods.interface.empty()) {
    out.push_back(nft::pod_link(pods.interface, pods.mode == Detector::Mode::interface_name_prefix));
  }
  // Interval sets refuse elements that overlap.
  for (const Prefix& p : without_nested(pods.pods)) out.push_back(nft::local_pods(p));
  for (const Prefix& p : without_nested(facts_.service_cidrs)) out.push_back(nft::service_cidr(p));
  table_.desired().set({0, kNodeOwner}, std::move(out));
}

/// All before the first new id is given, and in the order of precedence: the dump shows a frontend with the list of its
/// winner, and a Service that lost it must not take that list for its own.
void Planner::adopt_lists() {
  std::vector<Owner> order;
  order.reserve(services_.size());
  for (const auto& [name, service] : services_) order.push_back({service.meta.created, name});
  std::sort(order.begin(), order.end());
  std::unordered_set<nft::ElementKey> claimed;
  for (const Owner& o : order) ledger_.adopt(o.name, plan_service(services_.at(o.name), slices_of(o.name), facts_), *adopting_, claimed);
  adopting_.reset();
}

std::vector<Desired::Conflict> Planner::plan_some(std::size_t limit, TimePoint now) {
  std::vector<Desired::Conflict> conflicts;
  if (adopting_) adopt_lists();
  if (facts_dirty_) plan_facts();
  for (; limit > 0 && !dirty_.empty(); --limit) {
    const kube::Name name = *dirty_.begin();
    dirty_.erase(dirty_.begin());
    const auto service = services_.find(name);
    const bool is_there = service != services_.end();
    Planned next;
    if (is_there) next = {plan_service(service->second, slices_of(name), facts_), service->second.meta.created};
    const bool is_empty = next.plan == ServicePlan{};
    const auto old = plans_.find(name);
    if (old == plans_.end() ? is_empty : next == old->second) continue;
    auto found = table_.desired().set({next.created, name}, ledger_.elements(name, next.plan, now));
    std::move(found.begin(), found.end(), std::back_inserter(conflicts));
    if (is_empty) {
      plans_.erase(name);
    } else {
      plans_.insert_or_assign(name, std::move(next));
    }
  }
  if (ledger_.take_classes_changed()) table_.desired().set({0, kClassOwner}, ledger_.classes());
  return conflicts;
}

const ServicePlan* Planner::plan_of(const kube::Name& service) const {
  const auto found = plans_.find(service);
  return found == plans_.end() ? nullptr : &found->second.plan;
}

}  // namespace fairlead::speaker
