#include "speaker/feed/address_feed.h"

#include <algorithm>

#include "proto/base/log.h"

namespace fairlead::speaker {

AddressFeed::AddressFeed(runtime::Loop& loop, runtime::Source& source, std::string node, Ask ask)
    : loop_(loop),
      source_(source),
      node_(std::move(node)),
      record_(std::string(api::kSpeakerRecordPrefix) + node_),
      ask_(std::move(ask)),
      timer_(loop, [this] { step(); }) {}

void AddressFeed::changes(const std::vector<runtime::Change>& changes) {
  bool is_news = false;
  for (const runtime::Change& change : changes) is_news = apply(change) || is_news;
  if (is_news) refresh();
}

bool AddressFeed::apply(const runtime::Change& change) {
  if (change.key.kind == api::Kind::node) {
    const auto* node = change.object ? std::get_if<kube::Node>(&*change.object) : nullptr;
    if (node != nullptr) nodes_.insert_or_assign(node->meta.name, node->internal_ips);
    else nodes_.erase(change.key.name.name);
    return !asked_.empty();
  }
  if (change.key.kind != api::Kind::address_record) return false;
  const auto* record = change.object ? std::get_if<api::AddressRecord>(&*change.object) : nullptr;
  if (change.key.name.name == record_) {
    told_ = record != nullptr ? record->notes.heard : std::vector<api::AddressNotes::Hearing>();
  } else if (record != nullptr && !record->notes.asked.empty()) {
    asked_.insert_or_assign(change.key.name, record->notes.asked);
  } else {
    asked_.erase(change.key.name);
  }
  return true;
}

void AddressFeed::set_links(const std::map<IfIndex, rtnl::Link>& links, const std::set<rtnl::Address>& addresses) {
  links_ = links;
  addresses_ = addresses;
  refresh();
}

void AddressFeed::refresh() {
  std::vector<AddressChecks::Question> questions;
  std::map<Ip, IfIndex> own;
  for (const auto& [name, asked] : asked_) {
    for (const api::AddressNotes::Question& q : asked) {
      std::set<IfIndex> on;
      for (const rtnl::Address& a : addresses_) {
        if (a.ip == q.address) own.emplace(a.ip, a.index);
        const Prefix prefix = Prefix::of(a.ip, a.prefix_length);
        const bool is_here = a.is_global && a.ip.family() == q.address.family() && prefix.range().contains(q.address);
        if (is_here && asks_about(q.address, node_, prefix, nodes_)) on.insert(a.index);
      }
      if (!on.empty()) questions.push_back({q, std::move(on)});
    }
  }
  checks_.set_questions(std::move(questions), loop_.now());
  for (const auto& [ip, index] : own) {
    if (const auto link = links_.find(index); link != links_.end()) checks_.settle(ip, link->second.mac, link->second.name);
  }
  step();
}

void AddressFeed::heard(const ForeignClaim& claim) {
  checks_.heard(claim);
  tell();
}

void AddressFeed::step() {
  for (const AddressChecks::Due& due : checks_.due(loop_.now())) {
    const bool is_sent = std::count_if(due.on.begin(), due.on.end(), [&](IfIndex on) { return ask_(due.address, on); }) > 0;
    if (!is_sent) checks_.drop(due.address);
  }
  tell();
  if (const auto next = checks_.next()) timer_.arm(std::max<Duration>(*next - loop_.now(), Duration{}));
  else timer_.cancel();
}

/// Without an answer: the source goes on until it is written, and a newer one takes its place.
void AddressFeed::tell() {
  std::vector<api::AddressNotes::Hearing> now = checks_.answers();
  if (now == told_) return;
  told_ = std::move(now);
  if (told_.empty()) return source_.remove(runtime::StatusKind::address_record, record_, nullptr);
  for (const api::AddressNotes::Hearing& h : told_) log::debug("address_asked", {{"address", h.address.str()}, {"answered_by", h.hardware_address}});
  source_.write({record_, {{runtime::kComponentTypeLabel, "speaker"}, {runtime::kNodeNameLabel, node_}}, api::AddressNotes{.asked = {}, .heard = told_, .held_down = {}}}, nullptr);
}

}  // namespace fairlead::speaker
