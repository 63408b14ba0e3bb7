#pragma once
/// Services and slices in, dirty Services planned, the table's desired elements out. Everything here is a pure core; the
/// only state is the snapshot and what was planned from it. Single-threaded.
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "proto/base/clock.h"
#include "speaker/core/facts.h"
#include "speaker/core/ledger.h"
#include "speaker/core/plan.h"
#include "speaker/core/table.h"

namespace fairlead::speaker {

class Planner {
 public:
  // --- the snapshot; each call marks dirty what it may have changed ---
  void set_service(const kube::Name& name, std::optional<kube::Service> service);
  void set_slice(const kube::Name& name, std::optional<kube::EndpointSlice> slice);
  void set_facts(NodeFacts facts);

  const std::map<kube::Name, kube::Service>& services() const { return services_; }
  const NodeFacts& facts() const { return facts_; }
  std::vector<const kube::EndpointSlice*> slices_of(const kube::Name& service) const;

  /// Ids and orders are taken from this dump, for all Services at once, when they are planned next; all become dirty.
  void adopt(const Table::Have& kernel);

  bool is_dirty() const { return !dirty_.empty() || facts_dirty_; }
  /// Plans at most `limit` Services. Conflicts found on the way are returned once each.
  std::vector<Desired::Conflict> plan_some(std::size_t limit, TimePoint now);

  const ServicePlan* plan_of(const kube::Name& service) const;
  const Ledger& ledger() const { return ledger_; }
  Table& table() { return table_; }
  const Table& table() const { return table_; }

 private:
  struct Planned {
    ServicePlan plan;
    std::int64_t created = 0;  // the Service's rank, where two want the same frontend
    bool operator==(const Planned&) const = default;
  };

  void plan_facts();
  void adopt_lists();

  std::map<kube::Name, kube::Service> services_;
  std::map<kube::Name, kube::EndpointSlice> slices_;
  std::map<kube::Name, std::set<kube::Name>> slices_by_service_;
  NodeFacts facts_;

  std::set<kube::Name> dirty_;
  bool facts_dirty_ = true;
  std::map<kube::Name, Planned> plans_;  // of the Services that contribute something
  std::optional<Table::Have> adopting_;
  Ledger ledger_;
  Table table_;
};

}  // namespace fairlead::speaker
