#pragma once
/// The words of `fairleadctl trace`: addresses with ports in, an answer as text or JSON out. Pure.
#include <string>
#include <string_view>
#include <variant>

#include "speaker/core/trace.h"

namespace fairlead::ctl {

/// SRC[:PORT] and DST:PORT[/PROTO]: "10.0.0.1", "10.0.0.1:4711", "[fd00::1]:4711"; "10.96.0.1:80/TCP", "[fd00::1]:80/udp".
/// IPv6 without brackets is read where only one reading is possible. The sentence names what is wrong and how it should look.
std::variant<speaker::Question, std::string> parse_question(std::string_view source, std::string_view destination,
                                                            std::string_view from);

/// {"verdict":"endpoints|reject|drop|pass","endpoints":["IP:PORT"],"masquerade":bool,"row":"...","service":"ns/name","why":"..."}
std::string to_json(const speaker::Answer& answer);
/// One line for people.
std::string to_text(const speaker::Answer& answer);

}  // namespace fairlead::ctl
