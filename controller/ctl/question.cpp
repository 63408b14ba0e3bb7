#include "controller/ctl/question.h"

#include <algorithm>
#include <cctype>
#include <charconv>
#include <nlohmann/json.hpp>
#include <optional>

namespace fairlead::ctl {
namespace {

using speaker::Answer;
using speaker::From;
using speaker::Question;

std::optional<Port> parse_port(std::string_view text) {
  std::uint16_t value = 0;
  const auto [stop, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || stop != text.data() + text.size() || value == 0) return std::nullopt;
  return Port{value};
}

struct Place {
  Ip ip;
  std::optional<Port> port;
};

/// "IP", "IP:PORT", "[IP]", "[IP]:PORT".
std::optional<Place> parse_place(std::string_view text, bool wants_port) {
  if (text.starts_with('[')) {
    const std::size_t close = text.find(']');
    if (close == std::string_view::npos) return std::nullopt;
    const auto ip = parse_ip(text.substr(1, close - 1));
    const std::string_view rest = text.substr(close + 1);
    if (!ip || rest.empty()) return ip ? std::optional(Place{*ip, std::nullopt}) : std::nullopt;
    const auto port = rest.front() == ':' ? parse_port(rest.substr(1)) : std::nullopt;
    return port ? std::optional(Place{*ip, port}) : std::nullopt;
  }
  if (!wants_port) {
    if (const auto ip = parse_ip(text)) return Place{*ip, std::nullopt};
  }
  const std::size_t colon = text.rfind(':');
  if (colon == std::string_view::npos) {
    const auto ip = parse_ip(text);
    return ip ? std::optional(Place{*ip, std::nullopt}) : std::nullopt;
  }
  const auto ip = parse_ip(text.substr(0, colon));
  const auto port = parse_port(text.substr(colon + 1));
  return ip && port ? std::optional(Place{*ip, port}) : std::nullopt;
}

std::optional<Protocol> parse_protocol(std::string_view text) {
  std::string lower(text);
  std::transform(lower.begin(), lower.end(), lower.begin(), [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  if (lower == "tcp") return Protocol::tcp;
  if (lower == "udp") return Protocol::udp;
  if (lower == "sctp") return Protocol::sctp;
  return std::nullopt;
}

std::string quoted(std::string_view text) { return "\"" + std::string(text) + "\""; }

std::string str(const speaker::Target& t) {
  const std::string ip = t.ip.is4() ? t.ip.str() : "[" + t.ip.str() + "]";
  return ip + ":" + std::to_string(t.port.value);
}

}  // namespace

std::variant<Question, std::string> parse_question(std::string_view source, std::string_view destination, std::string_view from) {
  Question out;
  const auto src = parse_place(source, false);
  if (!src) return quoted(source) + " is no source: write an address like 10.244.1.2, or 10.244.1.2:4711, or [fd00::2]:4711";
  out.source = src->ip;

  std::string_view where = destination;
  if (const std::size_t slash = destination.rfind('/'); slash != std::string_view::npos) {
    const auto protocol = parse_protocol(destination.substr(slash + 1));
    if (!protocol) return quoted(destination.substr(slash + 1)) + " is no protocol: write TCP, UDP or SCTP";
    out.protocol = *protocol;
    where = destination.substr(0, slash);
  }
  const auto dst = parse_place(where, true);
  if (!dst || !dst->port) return quoted(destination) + " is no destination: write ADDRESS:PORT/PROTOCOL, like 10.96.0.10:80/TCP or [fd00::10]:53/UDP";
  if (dst->ip.family() != src->ip.family()) return quoted(source) + " and " + quoted(where) + " are of different IP families";
  out.destination = dst->ip;
  out.port = *dst->port;

  if (from == "pod") out.from = From::pod;
  if (from == "node") out.from = From::node;
  if (from == "outside") out.from = From::outside;
  if (!from.empty() && !out.from) return "--from: " + quoted(from) + " is none of pod, node, outside";
  return out;
}

std::string to_json(const Answer& answer) {
  nlohmann::ordered_json out;
  out["verdict"] = speaker::name(answer.verdict);
  out["endpoints"] = nlohmann::json::array();
  for (const speaker::Target& t : answer.endpoints) out["endpoints"].push_back(str(t));
  out["masquerade"] = answer.masquerade;
  out["row"] = answer.row;
  out["service"] = answer.service.str();
  out["why"] = answer.why;
  return out.dump();
}

std::string to_text(const Answer& answer) {
  std::string out(speaker::name(answer.verdict));
  for (const speaker::Target& t : answer.endpoints) out += " " + str(t);
  if (answer.masquerade) out += ", masqueraded";
  out += " (row " + answer.row;
  if (!answer.service.name.empty()) out += ", Service " + answer.service.str();
  return out + "): " + answer.why;
}

}  // namespace fairlead::ctl
