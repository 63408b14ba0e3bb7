#include "controller/webhook/admission.h"

#include <algorithm>
#include <map>
#include <optional>

#include "proto/api/parse.h"
#include "proto/runtime/json.h"

namespace fairlead::controller::webhook {
namespace {

using api::Key;
using api::Kind;
using api::Rule;
using api::Severity;
using api::Violation;
using runtime::at;
using runtime::Json;
using runtime::text_at;

constexpr std::size_t kMostReasons = 10;
constexpr std::size_t kMostWarning = 256;  // characters; an API server cuts longer ones, and drops many long ones
constexpr std::string_view kApiVersion = "admission.k8s.io/v1";

/// What is asked, taken apart.
struct Question {
  std::string uid;
  std::string operation;
  Key key;
  bool is_of_old_version = false;  // as the user wrote it
  Json now, before;                // null: none
};

std::string sentence(const std::string& object, const std::string& field, Rule rule, const std::string& reason) {
  return object + ": " + (field.empty() ? "" : field + ": ") + std::string(api::name(rule)) + ": " + reason;
}
std::string sentence(const Violation& v) { return sentence(v.object.str(), v.field, v.rule, v.reason); }

/// Order of writing decides about these, not the object.
bool is_a_matter_of_order(const Violation& v) {
  switch (v.rule) {
    case Rule::no_such_namespace:
    case Rule::no_such_pool:
    case Rule::no_such_peer:
    case Rule::no_such_community:
    case Rule::no_such_secret:
    case Rule::no_such_bfd_profile:
    case Rule::secret_type:
    case Rule::secret_key:
    case Rule::bfd_echo_ipv6: return true;
    case Rule::forbidden_character: return v.field == "spec.passwordSecret";
    case Rule::unsupported: return v.field == "spec.passwordSecret";
    default: return v.severity == Severity::transient;
  }
}

/// "spec.addresses[3]" -> "spec.addresses[]": an entry that has only moved is no news.
std::string without_indices(std::string_view text) {
  std::string out;
  bool is_inside = false;
  for (const char c : text) {
    if (is_inside && c >= '0' && c <= '9') continue;
    is_inside = c == '[';
    out += c;
  }
  return out;
}

bool involves(const Violation& v, const Key& key) {
  return v.object == key || std::find(v.related.begin(), v.related.end(), key) != v.related.end();
}

using Counted = std::map<std::string, std::size_t>;
std::string identity(const Violation& v) { return without_indices(sentence(v)); }

/// Violations of `set` that involve the object and are errors.
std::vector<Violation> errors_about(const Key& key, const api::ConfigSet& set, const api::Rules& rules, std::vector<Violation>* warnings = nullptr) {
  std::vector<Violation> out;
  for (Violation& v : api::validate(set, rules)) {
    if (is_a_matter_of_order(v) || !involves(v, key)) continue;
    if (v.severity == Severity::error) out.push_back(std::move(v));
    else if (warnings != nullptr && v.severity == Severity::warning && v.object == key) warnings->push_back(std::move(v));
  }
  return out;
}

template <class T>
void erase(std::vector<T>& list, const kube::Name& name) {
  std::erase_if(list, [&](const T& object) { return object.meta.name == name.name && object.meta.ns == name.ns; });
}
void erase(api::ConfigSet& set, const Key& key) {
  set.refused.erase(key);
  switch (key.kind) {
    case Kind::ip_address_pool: return erase(set.pools, key.name);
    case Kind::l2_advertisement: return erase(set.l2_advertisements, key.name);
    case Kind::bgp_advertisement: return erase(set.bgp_advertisements, key.name);
    case Kind::bgp_peer: return erase(set.peers, key.name);
    case Kind::bfd_profile: return erase(set.profiles, key.name);
    case Kind::community: return erase(set.communities, key.name);
    default: return;
  }
}

Review unreadable(std::string what) {
  Review out;
  out.status = 400;
  out.body = what + "\n";
  out.reasons.push_back(std::move(what));
  return out;
}

/// The name is what the API server made of generateName; one that does not do so before it asks sends none.
Json named(Json object, const Key& key) {
  if (!object.is_object()) return object;
  Json& metadata = object["metadata"];
  if (!metadata.is_object()) metadata = Json::object();
  metadata["name"] = key.name.name;
  metadata["namespace"] = key.name.ns;
  return object;
}

bool is_going(const Json& object) { return !text_at(at(object, "metadata"), "deletionTimestamp").empty(); }

class Judge {
 public:
  Judge(const api::ConfigSet& set, const Judging& how) : set_(set), how_(how) {}

  void judge(const Question& question, Review& out) const {
    if (question.operation == "DELETE") return judge_deletion(question.key, out);
    if (question.operation != "CREATE" && question.operation != "UPDATE") return;
    // Finalizers are taken off what is going; nothing may be in the way of that.
    if (is_going(question.now)) return;
    if (how_.rules.group == api::Group::metallb && !how_.ns.empty() && question.operation == "CREATE" && question.key.name.ns != how_.ns) {
      out.reasons.push_back(sentence(question.key.str(), "metadata.namespace", Rule::wrong_namespace,
                                     "only objects in namespace " + how_.ns + " are read: create it there"));
      return;
    }
    judge_object(question, out);
  }

 private:
  using Parsed = kube::Parsed<api::Object>;
  Parsed read(const Json& object, const Key& key) const { return api::parse(key.kind, named(object, key), how_.rules.group); }

  void judge_object(const Question& question, Review& out) const {
    const Key& key = question.key;
    if (question.is_of_old_version) {
      out.warnings.push_back(sentence(key.str(), "apiVersion", Rule::deprecated, "v1beta1 of BGPPeer is old: v1beta2 has more fields"));
    }
    Parsed now = read(question.now, key);
    std::optional<Parsed> before;
    if (!question.before.is_null()) before = read(question.before, key);
    if (const auto* const error = std::get_if<kube::FieldError>(&now)) {
      const auto* const old = before ? std::get_if<kube::FieldError>(&*before) : nullptr;
      if (old == nullptr || !(*old == *error)) out.reasons.push_back(sentence(key.str(), error->field, Rule::invalid_field, error->what));
      return;
    }
    // The newest stands last: of two with one name it is the one that is told.
    api::ConfigSet set = set_;
    erase(set, key);
    set.add(std::get<api::Object>(std::move(now)));
    std::vector<Violation> warnings;
    std::vector<Violation> errors = errors_about(key, set, how_.rules, &warnings);
    for (const Violation& v : warnings) out.warnings.push_back(sentence(v));
    if (errors.empty()) return;

    erase(set, key);
    if (before && std::holds_alternative<api::Object>(*before)) set.add(std::get<api::Object>(std::move(*before)));
    Counted had;
    for (const Violation& v : errors_about(key, set, how_.rules)) ++had[identity(v)];
    std::erase_if(errors, [&](const Violation& v) {
      std::size_t& left = had[identity(v)];
      return left > 0 && left-- > 0;
    });
    // What is said of both sides of a conflict is said once, of this side.
    const bool has_own = std::any_of(errors.begin(), errors.end(), [&](const Violation& v) { return v.object == key; });
    for (const Violation& v : errors) {
      if (!has_own || v.object == key) out.reasons.push_back(sentence(v));
    }
  }

  void judge_deletion(const Key& key, Review& out) const {
    if (key.kind != Kind::bfd_profile) return;
    // In fairlead.io mode objects are found by name in whatever namespace: another of that name will do.
    const auto is_other = [&](const api::BFDProfile& p) { return p.meta.name == key.name.name && p.meta.ns != key.name.ns; };
    if (std::any_of(set_.profiles.begin(), set_.profiles.end(), is_other)) return;
    for (const api::BGPPeer& peer : set_.peers) {
      if (peer.bfd_profile != key.name.name) continue;
      out.reasons.push_back(sentence(key.str(), "", Rule::no_such_bfd_profile,
                                     api::key_of(peer).str() + " names it in spec.bfdProfile: change or delete that one first"));
    }
  }

  const api::ConfigSet& set_;
  const Judging& how_;
};

std::string joined(const std::vector<std::string>& lines) {
  std::string out;
  for (std::size_t i = 0; i < lines.size() && i < kMostReasons; ++i) out += (i == 0 ? "" : "\n") + lines[i];
  if (lines.size() > kMostReasons) out += "\nand " + std::to_string(lines.size() - kMostReasons) + " more";
  return out;
}

std::string cut(const std::string& text) {
  if (text.size() <= kMostWarning) return text;
  std::size_t end = kMostWarning - 3;
  while (end > 0 && (static_cast<unsigned char>(text[end]) & 0xc0) == 0x80) --end;  // not inside a UTF-8 sequence
  return text.substr(0, end) + "...";
}

void answer(const std::string& uid, Review& out) {
  out.verdict = out.reasons.empty() ? Verdict::allowed : Verdict::refused;
  Json response{{"uid", uid}, {"allowed", out.reasons.empty()}};
  if (!out.reasons.empty()) {
    response["status"] = {{"status", "Failure"}, {"reason", "Invalid"}, {"code", 422}, {"message", joined(out.reasons)}};
  }
  for (const std::string& warning : out.warnings) response["warnings"].push_back(cut(warning));
  out.body = runtime::to_text({{"apiVersion", std::string(kApiVersion)}, {"kind", "AdmissionReview"}, {"response", std::move(response)}});
}

}  // namespace

std::string_view name(Verdict verdict) {
  switch (verdict) {
    case Verdict::allowed: return "allowed";
    case Verdict::refused: return "refused";
    case Verdict::unreadable: return "unreadable";
  }
  return "unknown";
}

Review review(std::string_view body, const api::ConfigSet& set, const Judging& how) {
  const Json document = kube::parse_json(body);
  if (!document.is_object()) return unreadable("the body is no JSON object, or nests too deep: an AdmissionReview is expected");
  if (text_at(document, "kind") != "AdmissionReview" || text_at(document, "apiVersion") != kApiVersion) {
    return unreadable("the body is no AdmissionReview of " + std::string(kApiVersion));
  }
  const Json& request = at(document, "request");
  Question question;
  question.uid = text_at(request, "uid");
  if (question.uid.empty()) return unreadable("the AdmissionReview has no request.uid");

  Review out;
  const Json& kind = at(request, "kind");
  const std::string version = text_at(kind, "group") + "/" + text_at(kind, "version");
  const auto known = api::kind_of(version, text_at(kind, "kind"), how.rules.group);
  // In our own mode a folder may hold MetalLB's objects; an API server's are left to MetalLB.
  const bool is_read = known && api::is_configuration(*known) && text_at(kind, "group") == api::name(how.rules.group);
  if (is_read && text_at(request, "subResource").empty()) {
    question.operation = text_at(request, "operation");
    question.now = at(request, "object");
    question.before = at(request, "oldObject");
    const Json& metadata = at(question.now.is_null() ? question.before : question.now, "metadata");
    question.key = {*known, {text_at(request, "namespace"), text_at(request, "name")}};
    if (question.key.name.name.empty()) question.key.name.name = text_at(metadata, "name");
    if (question.key.name.name.empty() && !text_at(metadata, "generateName").empty()) question.key.name.name = text_at(metadata, "generateName") + "x";
    question.is_of_old_version = *known == Kind::bgp_peer && (text_at(kind, "version") == "v1beta1" ||
                                                              text_at(at(request, "requestKind"), "version") == "v1beta1");
    out.kind = api::name(*known);
    out.object = question.key.str();
    Judge(set, how).judge(question, out);
  }
  answer(question.uid, out);
  return out;
}

}  // namespace fairlead::controller::webhook
