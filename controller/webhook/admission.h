#pragma once
/// Admission reviews (admission.k8s.io/v1): may this object be written? Text in, text out, judged by the rules of
/// proto/api over the objects that the controller knows. Pure; any bytes are safe input.
///
/// What counts is what the write changes: a violation that is there without it is nobody's business here, so that one
/// broken object never stands in the way of others, nor in the way of its own mending. Nothing is deleted in vain: only a
/// BFDProfile that a BGPPeer names is kept.
///
/// References that may be a matter of order are not judged, as in MetalLB: bfdProfile (and what follows from it),
/// passwordSecret, aliases of communities, names of pools and peers. What the controller knows is as old as its watch:
/// two objects that exclude each other and are written at once may both pass.
#include <string>
#include <string_view>
#include <vector>

#include "proto/api/validate.h"

namespace fairlead::controller::webhook {

struct Judging {
  api::Rules rules;
  std::string ns;  // metallb.io mode: where its objects are; a CREATE elsewhere is refused
};

enum class Verdict { allowed, refused, unreadable };
std::string_view name(Verdict verdict);  // "allowed"; a label of the metric

struct Review {
  Verdict verdict = Verdict::unreadable;
  std::string kind;                    // "IPAddressPool"; "" for what is none of ours
  std::string object;                  // "IPAddressPool fairlead-system/lan"; "" as well
  std::vector<std::string> reasons;    // of a refusal, as `fairleadctl validate` words them; of `unreadable` one
  std::vector<std::string> warnings;
  unsigned status = 200;               // HTTP
  std::string body;
};

Review review(std::string_view body, const api::ConfigSet& set, const Judging& how);

}  // namespace fairlead::controller::webhook
