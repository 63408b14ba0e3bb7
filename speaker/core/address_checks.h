#pragma once
/// Whether a station on the segment has an address that the controller wants to give: three questions (RFC 5227 section 2.1,
/// RFC 4862 section 5.4), and who answers them. Pure: time is an argument.
///
/// An answer to the first question alone is none: the speaker that announced the address for another Service until a moment
/// ago may not have heard yet that this is over.
#include <map>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <vector>

#include "proto/api/objects.h"
#include "proto/base/clock.h"
#include "speaker/core/foreign_claims.h"

namespace fairlead::speaker {

/// Whether this node is one of the two that ask. `prefix`: a network of this node that the address is in. `nodes`: all, with
/// their addresses: who has one in that network could ask as well. Where none has, everybody on the segment asks.
bool asks_about(const Ip& address, const std::string& self, const Prefix& prefix, const std::map<std::string, std::vector<Ip>>& nodes);

class AddressChecks {
 public:
  static constexpr unsigned kQuestions = 3;
  static constexpr Duration kEvery = std::chrono::milliseconds(200);
  static constexpr Duration kListenAfterwards = std::chrono::milliseconds(500);

  struct Question {
    api::AddressNotes::Question what;
    std::set<IfIndex> on;  // where the address would be
  };
  /// All there are, and no others: what was asked before goes on where its id is the same.
  void set_questions(std::vector<Question> questions, TimePoint now);
  /// This host has the address.
  void settle(const Ip& address, const Mac& mac, const std::string& interface);

  /// It cannot be asked about here: no answer.
  void drop(const Ip& address) { checks_.erase(address); }

  bool is_asked(const Ip& address) const { return checks_.contains(address); }
  void heard(const ForeignClaim& claim);

  struct Due {
    Ip address;
    std::set<IfIndex> on;
  };
  /// What to ask now. Afterwards answers() may be longer.
  std::vector<Due> due(TimePoint now);
  std::optional<TimePoint> next() const;

  /// Of the questions that are done, by address.
  std::vector<api::AddressNotes::Hearing> answers() const;

 private:
  struct Check {
    Question question;
    unsigned sent = 0;
    TimePoint step{};  // the next question, or the end
    std::optional<api::AddressNotes::Hearing> answer;
  };
  std::map<Ip, Check> checks_;
};

}  // namespace fairlead::speaker
