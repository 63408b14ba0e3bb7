#include "proto/runtime/folder_store.h"

#include <algorithm>

#include "proto/match/selector.h"
#include "proto/runtime/folder_objects.h"
#include "proto/runtime/folder_overlay.h"

namespace fairlead::runtime {
namespace {

/// Above this many Pods or Services at once, looking at all of them together is cheaper than at each alone.
constexpr std::size_t kMany = 16;

const api::Key kDefaultAdvertisement{api::Kind::l2_advertisement, {"default", "default"}};

api::L2Advertisement default_advertisement() {
  api::L2Advertisement out;
  out.meta.ns = kDefaultAdvertisement.name.ns;
  out.meta.name = kDefaultAdvertisement.name.name;
  return out;
}

api::Object to_object(const Item& item) {
  return std::visit(
      [](const auto& value) -> api::Object {
        using T = std::decay_t<decltype(value)>;
        if constexpr (std::is_constructible_v<api::Object, const T&>) return value;
        else return kube::Service{};  // Services, Pods and Endpoints are never delivered as they are
      },
      item);
}

/// Whether the slices that are made for a Service would be others.
bool same_slices(const kube::Service& a, const kube::Service& b) {
  return a.type == b.type && a.selector == b.selector && a.ports == b.ports &&
         a.publish_not_ready_addresses == b.publish_not_ready_addresses;
}

std::string pair_key(const std::string& ns, const std::string& key, const std::string& value) {
  std::string out = ns;
  out += '\0';
  out += key;
  out += '\0';
  return out += value;
}

}  // namespace

FolderStore::FolderStore(std::string dir, const std::vector<api::Kind>& wanted) : dir_(std::move(dir)) {
  for (const api::Kind kind : wanted) wanted_[static_cast<std::size_t>(kind)] = true;
}

bool FolderStore::is_kept(FolderKind kind) const {
  const bool makes_slices = is_wanted(api::Kind::endpoint_slice);
  if (kind == FolderKind::pod || kind == FolderKind::endpoints) return makes_slices;
  if (kind == FolderKind::service) return makes_slices || is_wanted(api::Kind::service);
  return is_wanted(static_cast<api::Kind>(kind));
}

const Item* FolderStore::winner(const FolderKey& key) const {
  const auto found = slots_.find(key);
  return found == slots_.end() ? nullptr : &found->second.front().item;
}

template <class T>
const T* FolderStore::winner_as(FolderKind kind, const kube::Name& name) const {
  const Item* const item = winner({kind, name});
  return item == nullptr ? nullptr : std::get_if<T>(item);
}

void FolderStore::touch_pod(const Item& item) {
  const auto* const pod = std::get_if<kube::Pod>(&item);
  if (pod == nullptr || pod_touches_.size() > kMany) return;
  pod_touches_.push_back({pod->meta.ns, pod->meta.labels});
}

/// To be called before the slot changes: remembers what was there.
void FolderStore::mark(const FolderKey& key) {
  const Item* const before = winner(key);
  switch (key.kind) {
    case FolderKind::service: dirty_services_.insert(key.name); return;
    case FolderKind::endpoints: dirty_slices_.insert(key.name); return;
    case FolderKind::pod:
      if (before != nullptr) touch_pod(*before);
      return;
    default: dirty_.try_emplace(key, before == nullptr ? std::nullopt : std::optional<Item>(*before));
  }
}

void FolderStore::set(const std::string& path, const FolderKey& key, std::optional<Item> item) {
  const auto found = slots_.find(key);
  const auto at_path = [&](const Claim& claim) { return *claim.path == path; };
  if (found != slots_.end()) {
    Slot& slot = found->second;
    const auto ours = std::find_if(slot.begin(), slot.end(), at_path);
    if (ours != slot.end() && item && ours->item == *item) return;
    mark(key);
    if (ours != slot.end()) {
      mend(*ours);
      slot.erase(ours);
    }
  } else if (item) {
    mark(key);
  }
  Slot* slot = found == slots_.end() ? nullptr : &found->second;
  if (item) {
    if (slot == nullptr) slot = &slots_[key];
    touch_pod(*item);
    const auto file = files_.find(path);
    const auto after = std::find_if(slot->begin(), slot->end(), [&](const Claim& c) { return path < *c.path; });
    slot->insert(after, Claim{&file->first, *std::move(item), nullptr});
  }
  if (slot == nullptr) return;
  if (slot->empty()) {
    slots_.erase(key);
    return;
  }
  if (const auto* const pod = std::get_if<kube::Pod>(&slot->front().item); pod != nullptr) touch_pod(slot->front().item);
  tell_duplicates(key, *slot);
}

void FolderStore::tell_duplicates(const FolderKey& key, Slot& slot) {
  const std::string* const first = slot.front().path;
  mend(slot.front());
  for (Claim& claim : slot) {
    if (claim.path == first) continue;
    Fault fault{shown(*claim.path), key.str(), "", "is also in " + shown(*first) + ", which comes first and counts: remove one of the two"};
    if (claim.told && *claim.told == fault) continue;
    mend(claim);
    claim.told = std::make_unique<Fault>(fault);
    new_faults_.push_back(std::move(fault));
  }
}

void FolderStore::mend(Claim& claim) {
  if (claim.told) new_mended_.push_back(std::move(*claim.told));
  claim.told.reset();
}

void FolderStore::mend_overlay(const kube::Name& service) {
  const auto found = overlay_faults_.find(service);
  if (found == overlay_faults_.end()) return;
  new_mended_.insert(new_mended_.end(), found->second.begin(), found->second.end());
  overlay_faults_.erase(found);
}

void FolderStore::tell(File& file, std::vector<Fault> faults) {
  for (const Fault& fault : faults) {
    if (std::find(file.faults.begin(), file.faults.end(), fault) == file.faults.end()) new_faults_.push_back(fault);
  }
  for (const Fault& fault : file.faults) {
    if (std::find(faults.begin(), faults.end(), fault) == faults.end()) new_mended_.push_back(fault);
  }
  file.faults = std::move(faults);
}

void FolderStore::update(const std::string& path, Manifest manifest) {
  File& file = files_[path];
  for (const std::string& kind : manifest.ignored) {
    if (ignored_.insert(kind).second) new_ignored_.emplace_back(kind, shown(path));
  }
  tell(file, std::move(manifest.faults));
  const std::size_t count =
      manifest.is_incomplete ? std::max(file.advertisements, manifest.advertisements) : manifest.advertisements;
  advertisements_ = advertisements_ - std::exchange(file.advertisements, count) + count;
  std::set<FolderKey> keys;
  if (manifest.is_incomplete) keys = file.keys;
  for (const FolderKey& key : manifest.refused) {
    if (file.keys.contains(key)) keys.insert(key);  // its last good version stays
  }
  for (auto& [key, item] : manifest.objects) {
    if (!is_kept(key.kind)) continue;
    if (auto* const pod = std::get_if<kube::Pod>(&item)) pod->meta.annotations.clear();  // nobody asks; there are many
    set(path, key, std::move(item));
    keys.insert(key);
  }
  for (const FolderKey& key : file.keys) {
    if (!keys.contains(key)) set(path, key, std::nullopt);
  }
  file.keys = std::move(keys);
}

void FolderStore::remove(const std::string& path) {
  const auto found = files_.find(path);
  if (found == files_.end()) return;
  for (const FolderKey& key : found->second.keys) set(path, key, std::nullopt);
  advertisements_ -= found->second.advertisements;
  tell(found->second, {});
  files_.erase(found);
}

void FolderStore::refuse(const std::string& path, std::string what) {
  tell(files_[path], {Fault{shown(path), "", "", std::move(what)}});
}

void FolderStore::set_overlay(const kube::Name& service, std::optional<std::string> overlay) {
  dirty_services_.insert(service);
  mend_overlay(service);
  if (overlay) overlays_[service] = *std::move(overlay);
  else overlays_.erase(service);
}

const kube::Service* FolderStore::service(const kube::Name& name) const {
  const auto found = services_.find(name);
  return found == services_.end() ? nullptr : &found->second;
}

bool FolderStore::has(const api::Key& key) const { return slots_.contains({folder_kind(key.kind), key.name}); }
const std::string* FolderStore::manifest(const kube::Name& service) const {
  const auto* const text = winner_as<ServiceText>(FolderKind::service, service);
  return text == nullptr ? nullptr : &text->json;
}

const std::string* FolderStore::overlay(const kube::Name& service) const {
  const auto found = overlays_.find(service);
  return found == overlays_.end() ? nullptr : &found->second;
}

bool FolderStore::manifest_has_annotation(const kube::Name& service, const std::string& annotation) const {
  const auto* const text = winner_as<ServiceText>(FolderKind::service, service);
  if (text == nullptr) return false;
  const auto parsed = parse_merged(text->json, nullptr);
  const auto* const object = std::get_if<kube::Service>(&parsed);
  return object != nullptr && object->meta.annotations.contains(annotation);
}
bool FolderStore::may_have(const api::Key& key) const { return !is_kept(folder_kind(key.kind)) || has(key); }

bool FolderStore::has_refused() const {
  return std::any_of(files_.begin(), files_.end(), [](const auto& file) { return !file.second.faults.empty(); });
}

std::vector<Change> FolderStore::take_changes() {
  std::vector<Change> out;
  for (const auto& [key, before] : std::exchange(dirty_, {})) change_plain(key, before, out);
  change_default_advertisement(out);
  for (const kube::Name& name : std::exchange(dirty_services_, {})) change_service(name, out);
  if (is_wanted(api::Kind::endpoint_slice)) {
    find_services_of_pods();
    const auto dirty = std::exchange(dirty_slices_, {});
    const PodIndex index = dirty.size() > kMany ? index_pods() : PodIndex();
    for (const kube::Name& name : dirty) change_slices(name, dirty.size() > kMany ? &index : nullptr, out);
  }
  return out;
}

void FolderStore::change_plain(const FolderKey& key, const std::optional<Item>& before, std::vector<Change>& out) {
  const Item* const now = winner(key);
  if (before.has_value() == (now != nullptr) && (now == nullptr || *before == *now)) return;
  Change change{{static_cast<api::Kind>(key.kind), key.name}, std::nullopt};
  if (now != nullptr) change.object = to_object(*now);
  out.push_back(std::move(change));
}

void FolderStore::change_default_advertisement(std::vector<Change>& out) {
  if (!is_wanted(api::Kind::l2_advertisement)) return;
  const bool is_needed = advertisements_ == 0;
  if (is_needed == has_default_advertisement_) return;
  has_default_advertisement_ = is_needed;
  if (is_needed) out.push_back({kDefaultAdvertisement, default_advertisement()});
  else if (!has(kDefaultAdvertisement)) out.push_back({kDefaultAdvertisement, std::nullopt});
}

/// The Service with its overlay; without it when the two together make no sense, and the overlay is told to be broken.
std::optional<kube::Service> FolderStore::merge(const kube::Name& name) {
  const auto* const text = winner_as<ServiceText>(FolderKind::service, name);
  if (text == nullptr) return std::nullopt;
  if (const auto overlay = overlays_.find(name); overlay != overlays_.end()) {
    auto parsed = parse_merged(text->json, &overlay->second);
    if (auto* const service = std::get_if<kube::Service>(&parsed)) return std::move(*service);
    const auto& error = std::get<kube::FieldError>(parsed);
    const std::string where = shown(".status/Service/" + name.ns + "/" + name.name + ".yaml");
    const std::vector<Fault> faults{{where, "Service " + name.str(), error.field, error.what}};
    if (std::exchange(overlay_faults_[name], faults) != faults) new_faults_.push_back(faults.front());
  }
  auto parsed = parse_merged(text->json, nullptr);
  auto* const service = std::get_if<kube::Service>(&parsed);
  return service == nullptr ? std::nullopt : std::optional(std::move(*service));
}

void FolderStore::change_service(const kube::Name& name, std::vector<Change>& out) {
  auto now = merge(name);
  const auto found = services_.find(name);
  const bool was_there = found != services_.end();
  if (now && was_there && *now == found->second) return;
  if (!now && !was_there) return;
  if (!now || !was_there || !same_slices(*now, found->second)) dirty_slices_.insert(name);
  if (is_wanted(api::Kind::service)) {
    Change change{{api::Kind::service, name}, std::nullopt};
    if (now) change.object = *now;
    out.push_back(std::move(change));
  }
  if (now) services_.insert_or_assign(name, *std::move(now));
  else services_.erase(found);
}

void FolderStore::find_services_of_pods() {
  const auto touches = std::exchange(pod_touches_, {});
  if (touches.size() > kMany) {
    for (const auto& [name, service] : services_) dirty_slices_.insert(name);
    return;
  }
  for (const PodTouch& touch : touches) {
    for (auto at = services_.lower_bound({touch.ns, ""}); at != services_.end() && at->first.ns == touch.ns; ++at) {
      if (match::selects(at->second.selector, touch.labels)) dirty_slices_.insert(at->first);
    }
  }
}

FolderStore::PodIndex FolderStore::index_pods() const {
  PodIndex out;
  for (auto at = slots_.lower_bound({FolderKind::pod, {}}); at != slots_.end() && at->first.kind == FolderKind::pod; ++at) {
    const auto& pod = std::get<kube::Pod>(at->second.front().item);
    for (const auto& [key, value] : pod.meta.labels) out[pair_key(pod.meta.ns, key, value)].push_back(&pod);
  }
  return out;
}

/// The Pods that may be selected: all of the namespace, or with an index those with the rarest label.
std::vector<const kube::Pod*> FolderStore::candidates(const kube::Service& service, const PodIndex* index) const {
  std::vector<const kube::Pod*> out;
  if (service.selector.empty()) return out;
  if (index != nullptr) {
    const std::vector<const kube::Pod*>* fewest = nullptr;
    for (const auto& [key, value] : service.selector) {
      const auto found = index->find(pair_key(service.meta.ns, key, value));
      if (found == index->end()) return out;
      if (fewest == nullptr || found->second.size() < fewest->size()) fewest = &found->second;
    }
    return *fewest;
  }
  const kube::Name first{service.meta.ns, ""};
  for (auto at = slots_.lower_bound({FolderKind::pod, first});
       at != slots_.end() && at->first.kind == FolderKind::pod && at->first.name.ns == service.meta.ns; ++at) {
    const auto& pod = std::get<kube::Pod>(at->second.front().item);
    if (match::selects(service.selector, pod.meta.labels)) out.push_back(&pod);
  }
  return out;
}

void FolderStore::change_slices(const kube::Name& name, const PodIndex* index, std::vector<Change>& out) {
  const kube::Service* const service = this->service(name);
  const auto* const endpoints = winner_as<kube::Endpoints>(FolderKind::endpoints, name);
  std::vector<const kube::Pod*> pods;
  if (service != nullptr) pods = candidates(*service, index);
  auto now = make_slices(service, endpoints, pods);
  const auto before = std::exchange(made_[name], now);
  const auto key = [](const kube::EndpointSlice& s) { return api::Key{api::Kind::endpoint_slice, {s.meta.ns, s.meta.name}}; };
  const auto find = [](const std::vector<kube::EndpointSlice>& in, const std::string& slice) {
    return std::find_if(in.begin(), in.end(), [&](const auto& s) { return s.meta.name == slice; });
  };
  for (auto& slice : now) {
    const auto old = find(before, slice.meta.name);
    if (old == before.end() || *old != slice) out.push_back({key(slice), slice});
  }
  for (const auto& slice : before) {
    if (find(now, slice.meta.name) == now.end()) out.push_back({key(slice), std::nullopt});
  }
  if (now.empty()) made_.erase(name);
}

}  // namespace fairlead::runtime
