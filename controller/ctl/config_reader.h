#pragma once
/// A configuration as text (manifests, files of any number and order) to what is wrong with it: reads, parses, applies
/// the rules of proto/api. What `fairleadctl validate` says, without the files. Pure; any text is safe input.
///
/// All that is read is one world: whatever an object names must be among it. Kinds of other groups are passed over; of
/// Kubernetes' own, Services are parsed, and Secrets, Nodes and Namespaces are used by the rules.
///
/// Namespaces. With MetalLB's group only objects in MetalLB's namespace count, as there: the one given, else
/// metallb-system, as with the controller. An object without a namespace is in it (kubectl's -n says where), one in
/// another namespace is a violation. With our own group a namespace is asked for only when one was given.
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "proto/api/validate.h"
#include "proto/runtime/yaml.h"

namespace fairlead::ctl {

/// A violation and where it is. `kind` and `name` are empty where that cannot be known.
struct Finding {
  std::string file;
  int line = 0;
  std::string kind;
  kube::Name name;
  std::string field;
  api::Rule rule = api::Rule::invalid_yaml;
  api::Severity severity = api::Severity::error;
  std::string reason;
  std::vector<std::string> related;  // "IPAddressPool metallb-system/lan"

  /// "BGPPeer metallb-system/tor", or "file:line" when there is no object.
  std::string object() const;
  /// One line, without its end: "BGPPeer metallb-system/tor: spec.holdTime: hold_time: ..."
  std::string str() const;
};

struct Report {
  std::vector<Finding> findings;  // in the order of files and lines
  std::size_t objects = 0;        // that were judged
};

class ConfigReader {
 public:
  /// `ns` may be empty.
  ConfigReader(api::Rules rules, std::string ns) : rules_(rules), ns_(std::move(ns)) {}

  void read(const std::string& file, std::string text, runtime::Format format);
  Report finish() &&;

 private:
  struct Spot {
    std::size_t file = 0;
    runtime::Place place;
  };
  struct Entry {
    api::Key key;
    std::optional<api::Object> object;  // none: it is refused
    std::optional<api::Object> partly;  // what could be read of it then
    std::vector<std::string> refused;   // the fields that could not
    bool has_namespace = false;
    bool is_ours = false;  // of our group or MetalLB's
    Spot spot;
  };

  void read_object(const runtime::Json& object, const Spot& spot);
  void read_known(api::Kind kind, const runtime::Json& object, const Spot& spot);
  void judge_unknown(const std::string& api_version, const std::string& kind, const runtime::Json& object, const Spot& spot);
  std::string home() const;
  void settle_namespaces();
  std::vector<api::Violation> judge() const;
  void find_lines();
  void add(const Spot& spot, std::string kind, kube::Name name, std::string field, api::Rule rule,
           api::Severity severity, std::string reason);

  api::Rules rules_;
  std::string ns_;
  std::vector<std::pair<std::string, std::string>> files_;  // name, text: for line numbers
  std::vector<Entry> entries_;
  std::vector<std::pair<Spot, Finding>> found_;
};

}  // namespace fairlead::ctl
