#include "speaker/nft/data_plane.h"

#include <malloc.h>
#include <sys/epoll.h>

#include <algorithm>

#include "proto/base/log.h"

namespace fairlead::speaker {
namespace {

using namespace std::chrono_literals;

constexpr std::size_t kBatchBytes = 1 << 20;  // some 15,000 elements: packets are served between two of them
constexpr Duration kPlanSlice = 2ms;
constexpr std::size_t kPlanStep = 16;          // Services between two looks at the clock
constexpr Duration kLookDelay = 5ms;
constexpr Duration kLookPause = 100ms;
constexpr Duration kFirstBackoff = 50ms;
constexpr Duration kLastBackoff = 10s;

/// Puts changes into the batch until it is full; answers how many. Within one map what is removed goes before what is
/// added: an interval may take the place of one that it overlaps.
std::size_t fill(nft::Batch& batch, const std::string& table, const std::vector<Change>& changes, std::size_t from) {
  std::size_t at = from;
  while (at < changes.size() && batch.size() < kBatchBytes) {
    const nft::Map map = changes[at].element.key.map;
    std::vector<nft::Element> removed;
    std::vector<nft::Element> added;
    // Bounded by count too, so that one large map does not become one large batch.
    constexpr std::size_t kMost = 4096;
    for (; at < changes.size() && changes[at].element.key.map == map && removed.size() + added.size() < kMost; ++at) {
      const Change& c = changes[at];
      if (c.kind != Change::Kind::add) removed.push_back({c.element.key, {}});
      if (c.kind != Change::Kind::remove) added.push_back(c.element);
    }
    if (map == nft::Map::classes) {  // a rare class needs its chain first
      for (const nft::Element& e : added) {
        if (nft::is_rare_class(e.value)) {
          batch.add_spread_chain(table, e.value, static_cast<std::uint32_t>(std::stoul(e.value.substr(e.value.find('-') + 1))));
        }
      }
    }
    batch.remove(table, removed);
    batch.add(table, added);
  }
  return at - from;
}

}  // namespace

DataPlane::DataPlane(runtime::Loop& loop, Planner& planner, std::unique_ptr<NftSession> session, DataPlaneOptions options,
                     Handlers handlers)
    : loop_(loop),
      planner_(planner),
      session_(std::move(session)),
      options_(std::move(options)),
      handlers_(std::move(handlers)),
      look_timer_(loop, [this] { look(); }),
      retry_timer_(loop, [this] { work(); }) {
  monitor_ = loop_.watch(session_->monitor_fd(), EPOLLIN, [this](std::uint32_t) {
    if (!session_->others_touched_our_tables() || !is_attached_) return;
    // At once, but not for ever: somebody who touches our table all the time must not keep us dumping it.
    look_timer_.arm_if_idle(std::max<Duration>(kLookDelay, last_look_ + kLookPause - loop_.now()));
  });
}

void DataPlane::begin() {
  table_ = table_name(options_.layout);
  changed();
}

void DataPlane::changed() {
  if (table_.empty() || is_posted_ || retry_timer_.is_armed()) return;
  if (!is_working_) started_ = loop_.now();
  is_working_ = true;
  is_posted_ = true;
  loop_.post([this] {
    is_posted_ = false;
    work();
  });
}

Result<void> DataPlane::attach() {
  auto tables = session_->tables();
  if (!tables) return tables.error();
  std::erase_if(*tables, [](const nft::TableInfo& t) { return !is_table_of_ours(t.name); });
  // A dormant one is a fill that was cut short: begun again, as nobody knows how far it came.
  const auto serving = std::find_if(tables->begin(), tables->end(), [](const nft::TableInfo& t) { return !t.is_dormant(); });
  if (serving != tables->end()) {
    auto have = session_->elements(serving->name);
    if (!have && have.error().code == Errc::conflict) return have.error();
    if (have && !has_adopted_) {
      planner_.adopt(*have);
      has_adopted_ = true;
    }
    const bool same_layout = serving->name == table_name(options_.layout) || serving->name == table_name(options_.layout, true);
    const auto skeleton = session_->skeleton(serving->name);
    if (!skeleton) return skeleton.error();
    if (have && same_layout && !skeleton->has_damaged_class() &&
        skeleton->marker() == nft::marker_name(template_hash(), skeleton->fingerprint())) {
      table_ = serving->name;
      is_dormant_ = false;
      planner_.table().reset(std::move(*have));
      is_attached_ = true;
      log::info("table_adopted", {{"table", table_}, {"elements", planner_.table().have().size()}});
      return remove_others();
    }
    log::info("table_replaced", {{"table", serving->name}, {"reason", !same_layout ? "layout" : "damaged"}});
    if (serving->name == table_name(options_.layout)) table_ = table_name(options_.layout, true);
    if (serving->name == table_name(options_.layout, true)) table_ = table_name(options_.layout);
  } else {
    table_ = table_name(options_.layout);
  }
  has_adopted_ = true;  // from here on our own ledger is the better memory
  return load_beside();
}

Result<void> DataPlane::load_beside() {
  const auto tables = session_->tables();
  if (!tables) return tables.error();
  for (const nft::TableInfo& t : *tables) {
    if (t.name != table_) continue;  // a leftover of the same name: never the one that serves, see attach()
    nft::Batch batch = session_->batch();
    batch.remove_table(table_);
    if (const auto done = session_->commit(std::move(batch)); !done) return done;
  }
  if (const auto done = session_->load(options_.nft_program, render(table_, options_.layout)); !done) return done;
  const auto skeleton = session_->skeleton(table_);
  if (!skeleton) return skeleton.error();
  nft::Batch batch = session_->batch();
  batch.add_chain(table_, nft::marker_name(template_hash(), skeleton->fingerprint()));
  if (const auto done = session_->commit(std::move(batch)); !done) return done;
  planner_.table().reset({});
  is_dormant_ = true;
  is_attached_ = true;
  return {};
}

Result<void> DataPlane::remove_others() {
  const auto tables = session_->tables();
  if (!tables) return tables.error();
  nft::Batch batch = session_->batch();
  for (const nft::TableInfo& t : *tables) {
    if (is_table_of_ours(t.name) && t.name != table_) batch.remove_table(t.name);
  }
  if (batch.empty()) return {};
  return session_->commit(std::move(batch));
}

Result<void> DataPlane::wake() {
  const auto tables = session_->tables();
  if (!tables) return tables.error();
  nft::Batch batch = session_->batch();
  batch.add_table(table_);
  for (const nft::TableInfo& t : *tables) {
    if (is_table_of_ours(t.name) && t.name != table_) batch.remove_table(t.name);
  }
  if (auto done = session_->commit(std::move(batch)); !done) return done;
  is_dormant_ = false;
  ++counts_.batches;
  log::info("table_awake", {{"table", table_}});
  return {};
}

bool DataPlane::plan_slice() {
  const TimePoint end = loop_.now() + kPlanSlice;
  while (planner_.is_dirty() && loop_.now() < end) {
    for (const Desired::Conflict& c : planner_.plan_some(kPlanStep, loop_.now())) {
      if (!told_conflicts_.insert(c.key.bytes + c.loser.str()).second) continue;
      log::warn("frontend_conflict", {{"frontend", nft::describe(c.key)}, {"winner", c.winner.str()}, {"loser", c.loser.str()}});
    }
  }
  return !planner_.is_dirty();
}

Result<bool> DataPlane::apply_one() {
  const Steps steps = planner_.table().steps();
  const std::vector<Change>& next = steps.first.empty() ? steps.second : steps.first;
  if (next.empty()) return false;
  nft::Batch batch = session_->batch();
  const std::size_t n = fill(batch, table_, next, 0);
  if (const auto done = session_->commit(std::move(batch)); !done) return done.error();
  planner_.table().applied(std::vector<Change>(next.begin(), next.begin() + static_cast<std::ptrdiff_t>(n)));
  ++counts_.batches;
  counts_.elements += n;
  return true;
}

void DataPlane::work() {
  if (!is_attached_) {
    if (const auto done = attach(); !done) return failed(done.error());
  }
  if (!plan_slice()) return changed();  // packets first, then the next slice
  const auto sent = apply_one();
  if (!sent) return failed(sent.error());
  if (*sent) return changed();
  if (is_dormant_) {
    if (const auto done = wake(); !done) return failed(done.error());
  }
  in_sync();
}

void DataPlane::in_sync() {
  backoff_ = {};
  is_working_ = false;
  if (!is_synced_ || counts_.batches > 0) {
    log::write(is_synced_ ? log::Level::debug : log::Level::info, "synced",
               {{"table", table_},
                {"batches", counts_.batches},
                {"elements", counts_.elements},
                {"services", planner_.services().size()},
                {"ms", milliseconds(loop_.now() - started_)}});
  }
  if (handlers_.settled) handlers_.settled(counts_, loop_.now() - started_);
  counts_ = {};
  if (!is_synced_) {
    is_synced_ = true;
    ::malloc_trim(0);  // the first fill needs more than anything after it
    handlers_.synced();
  }
}

void DataPlane::failed(const Error& error) {
  // Whatever went wrong, our picture of the kernel is in doubt: the next try starts with a dump.
  is_attached_ = false;
  backoff_ = backoff_ == Duration{} ? kFirstBackoff : std::min(backoff_ * 2, kLastBackoff);
  log::warn("data_plane_failed", {{"table", table_}, {"error", name(error.code)}, {"what", error.what}, {"retry_ms", milliseconds(backoff_)}});
  if (handlers_.failed) handlers_.failed(name(error.code));
  retry_timer_.arm(backoff_);
}

void DataPlane::look() {
  if (!is_attached_) return;  // an attach is under way and looks by itself
  last_look_ = loop_.now();
  log::info("table_touched", {{"table", table_}});
  is_attached_ = false;
  changed();
}

}  // namespace fairlead::speaker
