#pragma once
/// A small API server made of one directory: the embedded default (plain hosts and VMs, quickstart, lab tests).
///
/// Files *.yaml, *.yml and *.json below the directory hold objects (YAML multi-document, or JSON: one object, an array
/// or a List). `.status/` holds what programs write:
///   .status/<Kind>/<namespace>/<name>.yaml   an overlay: merged over the object of that name before anyone sees it
///   .status/<Kind>/<namespace>/<name>.yaml   of the kinds of status_object.h: whole objects; nobody reads them back
///   .status/events.log                       events, one line each
///   .status/<lease>.lease                    flock: who holds it leads
/// Two pure functions that a cluster runs elsewhere run here (folder_objects.h): selector + Pod -> EndpointSlice, and
/// Endpoints -> EndpointSlice. A folder without any advertisement gets an L2Advertisement for all pools, named
/// "default" (announcing by ARP/NDP is what a folder is for).
/// A file is read when inotify says that it was closed or moved in; an overflow, a replaced directory or a `..data`
/// symlink swap (ConfigMap volumes) leads to a rescan.
#include <memory>
#include <string>

#include "proto/runtime/loop.h"
#include "proto/runtime/source.h"

namespace fairlead::runtime {

struct FolderOptions {
  std::string dir;
  api::Group group = api::Group::fairlead;
  std::string metallb_namespace = "metallb-system";  // of objects of metallb.io that name none, in metallb.io mode
  std::string ns = "fairlead-system";                // of status objects, in fairlead.io mode
  std::size_t max_file_bytes = 16U << 20;
  /// For a run that ends before the second in which an object may come back.
  bool prunes_at_once = false;
};

/// Fails when the directory does not exist or cannot be read.
Result<std::unique_ptr<Source>> open_folder(Loop& loop, FolderOptions options);

}  // namespace fairlead::runtime
