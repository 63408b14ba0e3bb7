#pragma once
/// What a folder holds, and what follows from it: who wins where two files have the same object, overlays merged over
/// Services, slices made of Pods and Endpoints, the advertisement that a folder without one gets. Pure: files come in as
/// parsed manifests, changes and faults go out.
///
/// Only what an update touches is computed again. Memory: of a Service there is the compact text of the manifest and the
/// merged struct, of all else the struct; whatever nobody asked for (`wanted`) is not kept.
#include <array>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "proto/runtime/folder_manifest.h"

namespace fairlead::runtime {

class FolderStore {
 public:
  /// `dir` is for the texts of faults.
  FolderStore(std::string dir, const std::vector<api::Kind>& wanted);

  /// `path` is relative to the folder.
  void update(const std::string& path, Manifest manifest);
  void remove(const std::string& path);
  /// The file is there but cannot be used: what it held stays.
  void refuse(const std::string& path, std::string what);
  /// The overlay of a Service as compact JSON, or none.
  void set_overlay(const kube::Name& service, std::optional<std::string> overlay);

  /// What has changed since the last call; objects that ended as they began are not named.
  std::vector<Change> take_changes();
  /// Faults that were not told before.
  std::vector<Fault> take_faults() { return std::exchange(new_faults_, {}); }
  /// Faults that were told and hold no more. Taken first: one that comes back is among both.
  std::vector<Fault> take_mended() { return std::exchange(new_mended_, {}); }
  /// Kinds that mean nothing here, each once: "apps/v1 Deployment" and a file that has one.
  std::vector<std::pair<std::string, std::string>> take_ignored() { return std::exchange(new_ignored_, {}); }

  const kube::Service* service(const kube::Name& name) const;
  bool has(const api::Key& key) const;
  /// A Service as its own file has it, and what was written about it; compact JSON, null: none.
  const std::string* manifest(const kube::Name& service) const;
  const std::string* overlay(const kube::Name& service) const;
  /// Whether the Service's own file says it, whatever an overlay says.
  bool manifest_has_annotation(const kube::Name& service, const std::string& annotation) const;
  /// As has(), but true for kinds that are not kept.
  bool may_have(const api::Key& key) const;
  /// Something in the folder could not be read, so that an object that is not here may be there all the same.
  bool has_refused() const;
  std::size_t files() const { return files_.size(); }
  std::size_t objects() const { return slots_.size(); }

 private:
  struct File {
    std::set<FolderKey> keys;
    std::vector<Fault> faults;
    std::size_t advertisements = 0;
  };
  /// One file's version of an object.
  struct Claim {
    const std::string* path = nullptr;  // the key in files_
    Item item;
    std::unique_ptr<Fault> told;  // about this loser
  };
  using Slot = std::vector<Claim>;  // in byte order of the paths: the first wins
  struct PodTouch {
    std::string ns;
    kube::Labels labels;
  };
  using PodIndex = std::map<std::string, std::vector<const kube::Pod*>>;

  bool is_kept(FolderKind kind) const;
  bool is_wanted(api::Kind kind) const { return wanted_[static_cast<std::size_t>(kind)]; }
  std::string shown(const std::string& path) const { return dir_ + "/" + path; }
  const Item* winner(const FolderKey& key) const;
  template <class T>
  const T* winner_as(FolderKind kind, const kube::Name& name) const;
  void mark(const FolderKey& key);
  void touch_pod(const Item& item);
  void set(const std::string& path, const FolderKey& key, std::optional<Item> item);
  void tell_duplicates(const FolderKey& key, Slot& slot);
  void mend(Claim& claim);
  void mend_overlay(const kube::Name& service);
  void tell(File& file, std::vector<Fault> faults);

  void change_plain(const FolderKey& key, const std::optional<Item>& before, std::vector<Change>& out);
  void change_service(const kube::Name& name, std::vector<Change>& out);
  std::optional<kube::Service> merge(const kube::Name& name);
  void find_services_of_pods();
  void change_slices(const kube::Name& service, const PodIndex* index, std::vector<Change>& out);
  std::vector<const kube::Pod*> candidates(const kube::Service& service, const PodIndex* index) const;
  PodIndex index_pods() const;
  void change_default_advertisement(std::vector<Change>& out);

  std::string dir_;
  std::array<bool, api::kKinds> wanted_{};
  std::map<std::string, File> files_;
  std::map<FolderKey, Slot> slots_;
  std::map<kube::Name, std::string> overlays_;  // compact JSON
  std::map<kube::Name, std::vector<Fault>> overlay_faults_;

  std::map<kube::Name, kube::Service> services_;                     // merged: as delivered
  std::map<kube::Name, std::vector<kube::EndpointSlice>> made_;      // by Service: as delivered
  std::size_t advertisements_ = 0;  // of all files
  bool has_default_advertisement_ = false;

  std::map<FolderKey, std::optional<Item>> dirty_;  // with what was there at the last take_changes()
  std::set<kube::Name> dirty_services_;             // by manifest or overlay
  std::set<kube::Name> dirty_slices_;               // Services whose slices are to be made again
  std::vector<PodTouch> pod_touches_;
  std::vector<Fault> new_faults_, new_mended_;
  std::vector<std::pair<std::string, std::string>> new_ignored_;
  std::set<std::string> ignored_;
};

}  // namespace fairlead::runtime
