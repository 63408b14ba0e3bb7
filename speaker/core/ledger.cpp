#include "speaker/core/ledger.h"

#include <algorithm>
#include <charconv>
#include <cstring>
#include <utility>

#include "proto/base/check.h"

namespace fairlead::speaker {
namespace {

using nft::Element;
using nft::Handle;
using nft::ListId;
using nft::Map;
using nft::Masquerade;

std::string chain_of(std::size_t k) { return "spread-" + std::to_string(k); }

const std::string* value_at(const Ledger::Kernel& kernel, const nft::ElementKey& key) {
  const auto found = kernel.find(key);
  return found == kernel.end() ? nullptr : &found->second;
}

Element element_of(const Frontend& f, Handle handle) {
  return f.ip ? nft::frontend(*f.ip, f.protocol, f.port, handle) : nft::node_port(f.family, f.protocol, f.port, handle);
}

ListKey key_of(const Frontend& f, Scope scope) { return {f.port_name, f.protocol, f.family, scope}; }

/// The endpoints of a list as a dump shows them: indexes from 0 on without a gap.
std::vector<Target> order_in(const Ledger::Kernel& kernel, ListId id, Family family) {
  std::vector<Target> out;
  const Ip any = family == Family::v4 ? Ip(Ip4{}) : Ip(Ip6{});
  for (std::uint32_t index = 0;; ++index) {
    Element e = nft::endpoint(id, index, any, Port{});
    const std::string* value = value_at(kernel, e.key);
    if (value == nullptr) return out;
    e.value = *value;
    out.push_back(nft::endpoint_target(e));
  }
}

}  // namespace

std::vector<Target> reorder(std::vector<Target> order, std::span<const Target> wanted) {
  std::set<Target> arriving(wanted.begin(), wanted.end());
  std::vector<std::size_t> holes;
  for (std::size_t i = 0; i < order.size(); ++i) {
    if (arriving.erase(order[i]) == 0) holes.push_back(i);  // gone (or twice, which a damaged table may show)
  }
  auto next = arriving.begin();
  std::size_t filled = 0;
  for (; filled < holes.size() && next != arriving.end(); ++filled, ++next) order[holes[filled]] = *next;
  order.insert(order.end(), next, arriving.end());
  // What is left of the holes: from the back on, so that a hole at the end is just cut off.
  for (std::size_t i = holes.size(); i-- > filled;) {
    order[holes[i]] = order.back();
    order.pop_back();
  }
  return order;
}

void Ledger::adopt(const Kernel& kernel) {
  for (const auto& [key, value] : kernel) {
    if (key.map == Map::endpoints4 || key.map == Map::endpoints6) {
      used_.insert(nft::endpoint_slot(key).id.value);
    } else if (key.map == Map::classes && value.starts_with("spread-")) {
      std::size_t k = 0;
      const char* const end = value.data() + value.size();
      const auto [stop, error] = std::from_chars(value.data() + std::strlen("spread-"), end, k);
      std::uint32_t number = 0;
      std::memcpy(&number, key.bytes.data(), sizeof number);
      if (error == std::errc() && stop == end && k > nft::kTemplateSpread && number <= nft::kMaxClass &&
          number >= nft::kFirstAllocatedClass + nft::kTemplateSpread) {
        rare_[k] = nft::ClassNo{static_cast<std::uint16_t>(number)};
      }
    }
  }
  // Ids that only stale elements hold are freed when those are gone; new lists start above all of them.
  if (!used_.empty()) next_id_ = *used_.rbegin() + 1;
  used_.clear();
}

void Ledger::adopt(const kube::Name& service, const ServicePlan& plan, const Kernel& kernel,
                   std::unordered_set<nft::ElementKey>& claimed) {
  auto& mine = lists_[service];
  const auto take = [&](const ListKey& key, ListId id) {
    if (id.value == 0 || mine.contains(key) || used_.contains(id.value)) return;
    std::vector<Target> order = order_in(kernel, id, key.family);
    if (order.empty()) return;
    used_.insert(id.value);
    mine[key] = {id, std::move(order)};
  };
  for (const Frontend& f : plan.frontends) {
    const nft::ElementKey frontend = element_of(f, {}).key;
    if (!claimed.insert(frontend).second) continue;
    const std::string* value = value_at(kernel, frontend);
    if (value == nullptr) continue;
    const Handle handle = nft::handle_of(*value);
    if (!f.action.by_source) {
      if (f.action.everybody.kind == Choice::Kind::list && handle.cls().value >= nft::kFirstAllocatedClass) {
        take(key_of(f, f.action.everybody.list), handle.id());
      }
      continue;
    }
    if (handle.cls() != nft::kBySource) continue;
    take(key_of(f, Scope::cluster), handle.id());
    if (f.action.by_source->other.kind != Choice::Kind::list) continue;
    if (const std::string* other = value_at(kernel, nft::by_source(Map::by_other, handle.id(), {}).key)) {
      take(key_of(f, Scope::local), nft::handle_of(*other).id());
    }
  }
  if (mine.empty()) lists_.erase(service);
}

ListId Ledger::new_id(TimePoint now) {
  while (!quarantine_.empty() && quarantine_.front().first + kIdQuarantine <= now) {
    quarantined_.erase(quarantine_.front().second);
    quarantine_.pop_front();
  }
  // A million ids, handed out in turn: a second round is rare, and one without a free id would need as many lists.
  for (std::uint32_t tries = 0; tries <= nft::kMaxListId; ++tries) {
    if (next_id_ > nft::kMaxListId) next_id_ = 1;
    const std::uint32_t id = next_id_++;
    if (used_.contains(id) || quarantined_.contains(id)) continue;
    used_.insert(id);
    return ListId{id};
  }
  // All are in use or resting: the one that rested longest is the least harmful.
  FL_CHECK(!quarantine_.empty(), "more lists than ids");
  const std::uint32_t id = quarantine_.front().second;
  quarantine_.pop_front();
  quarantined_.erase(id);
  used_.insert(id);
  return ListId{id};
}

nft::ClassNo Ledger::spread(std::size_t k) {
  if (k <= nft::kTemplateSpread) return nft::ClassNo{static_cast<std::uint16_t>(nft::kFirstAllocatedClass + k - 1)};
  if (const auto found = rare_.find(k); found != rare_.end()) return found->second;
  std::set<std::uint16_t> taken;
  for (const auto& [size, cls] : rare_) taken.insert(cls.value);
  std::uint16_t number = nft::kFirstAllocatedClass + nft::kTemplateSpread;
  while (taken.contains(number)) ++number;
  if (number > nft::kMaxClass) return spread(nft::kTemplateSpread);  // no number left: the first 64 endpoints serve
  classes_changed_ = true;
  return rare_[k] = nft::ClassNo{number};
}

std::vector<Element> Ledger::classes() const {
  std::vector<Element> out;
  const auto add = [&](nft::ClassNo cls, std::string_view chain, bool after_source) {
    out.push_back(nft::spread_class(Map::classes, cls, chain));
    if (after_source) out.push_back(nft::spread_class(Map::resolved, cls, chain));
  };
  add(nft::kRefuse, "refuse", true);
  add(nft::kIgnore, "ignore", true);
  add(nft::kBySource, "by-source", false);  // the kernel refuses a way back
  for (std::size_t k = 1; k <= nft::kTemplateSpread; ++k) {
    add(nft::ClassNo{static_cast<std::uint16_t>(nft::kFirstAllocatedClass + k - 1)}, chain_of(k), true);
  }
  for (const auto& [k, cls] : rare_) add(cls, chain_of(k), true);
  return out;
}

bool Ledger::take_classes_changed() { return std::exchange(classes_changed_, false); }

const Ledger::List* Ledger::find(const kube::Name& service, const ListKey& key) const {
  const auto lists = lists_.find(service);
  if (lists == lists_.end()) return nullptr;
  const auto found = lists->second.find(key);
  return found == lists->second.end() ? nullptr : &found->second;
}

std::vector<Element> Ledger::elements(const kube::Name& service, const ServicePlan& plan, TimePoint now) {
  std::vector<Element> out;
  auto& mine = lists_[service];

  std::map<ListKey, List> kept;
  for (const EndpointList& l : plan.lists) {
    const auto found = mine.find(l.key);
    List list = found == mine.end() ? List{new_id(now), {}} : std::move(found->second);
    if (found != mine.end()) mine.erase(found);
    list.order = reorder(std::move(list.order), l.targets);
    for (std::uint32_t i = 0; i < list.order.size(); ++i) {
      out.push_back(nft::endpoint(list.id, i, list.order[i].ip, list.order[i].port));
    }
    kept.emplace(l.key, std::move(list));
  }
  for (const auto& [key, list] : mine) {
    used_.erase(list.id.value);
    quarantined_.insert(list.id.value);
    quarantine_.emplace_back(now, list.id.value);
  }
  mine = std::move(kept);

  const auto handle = [&](const Frontend& f, const Choice& c) {
    switch (c.kind) {
      case Choice::Kind::refuse: return Handle::of({}, Masquerade::never, nft::kRefuse);
      case Choice::Kind::ignore: return Handle::of({}, Masquerade::never, nft::kIgnore);
      case Choice::Kind::list: break;
    }
    const List& list = mine.at(key_of(f, c.list));
    return Handle::of(list.id, c.masquerade, spread(list.order.size()));
  };
  std::set<std::uint32_t> by_source_done;  // frontends of one port share these
  for (const Frontend& f : plan.frontends) {
    if (f.is_guarded) {
      out.push_back(nft::guarded(*f.ip, f.protocol, f.port));
      for (const Prefix& source : f.sources) out.push_back(nft::allowed(*f.ip, f.protocol, f.port, source));
    }
    if (!f.action.by_source) {
      out.push_back(element_of(f, handle(f, f.action.everybody)));
      continue;
    }
    const ListId id = mine.at(key_of(f, Scope::cluster)).id;
    out.push_back(element_of(f, Handle::of(id, Masquerade::never, nft::kBySource)));
    if (!by_source_done.insert(id.value).second) continue;
    out.push_back(nft::by_source(Map::by_pod, id, handle(f, f.action.by_source->pod)));
    out.push_back(nft::by_source(Map::by_node, id, handle(f, f.action.by_source->node)));
    out.push_back(nft::by_source(Map::by_other, id, handle(f, f.action.by_source->other)));
  }
  for (const Ip& ip : plan.refused) out.push_back(nft::refused(ip));
  for (const Ip& ip : plan.answering) out.push_back(nft::answering(ip));
  for (const Ip& ip : plan.hairpin) out.push_back(nft::hairpin(ip));
  if (mine.empty()) lists_.erase(service);
  return out;
}

}  // namespace fairlead::speaker
