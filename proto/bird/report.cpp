#include "proto/bird/report.h"

#include <algorithm>
#include <array>
#include <charconv>

namespace fairlead::bird {
namespace {

constexpr int kProtocolRow = 1002;
constexpr int kProtocolDetail = 1006;
constexpr int kRouteCount = 1007;
constexpr int kBfdLine = 1020;

std::string_view trimmed(std::string_view text) {
  const auto is_blank = [](char c) { return c == ' ' || c == '\t'; };
  while (!text.empty() && is_blank(text.front())) text.remove_prefix(1);
  while (!text.empty() && is_blank(text.back())) text.remove_suffix(1);
  return text;
}

/// The next word off the front; "" at the end.
std::string_view take_word(std::string_view& text) {
  text = trimmed(text);
  const std::size_t end = std::min(text.find_first_of(" \t"), text.size());
  const std::string_view word = text.substr(0, end);
  text.remove_prefix(end);
  return word;
}

template <class T>
std::optional<T> number(std::string_view text) {
  T out{};
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), out);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return out;
}

/// "key: value" to both, trimmed; key "" when there is no colon followed by a blank or the end.
struct Pair {
  std::string_view key, value;
};
Pair pair_of(std::string_view line) {
  const std::size_t colon = line.find(": ");
  if (colon != std::string_view::npos) return {trimmed(line.substr(0, colon)), trimmed(line.substr(colon + 2))};
  const std::string_view bare = trimmed(line);
  if (bare.ends_with(':')) return {bare.substr(0, bare.size() - 1), {}};
  return {};
}

/// The text after `head`, or none.
std::optional<std::string_view> after(std::string_view line, std::string_view head) {
  line = trimmed(line);
  if (!line.starts_with(head)) return std::nullopt;
  return trimmed(line.substr(head.size()));
}

struct Named {
  std::string_view word;
  BgpState state;
};
constexpr std::array<Named, 8> kBgpStates{{{"Down", BgpState::down}, {"Idle", BgpState::idle}, {"Connect", BgpState::connect},
                                           {"Active", BgpState::active}, {"OpenSent", BgpState::open_sent},
                                           {"OpenConfirm", BgpState::open_confirm},
                                           {"Established", BgpState::established}, {"Passive", BgpState::passive}}};
BgpState bgp_state(std::string_view word) {
  const auto* const found = std::find_if(kBgpStates.begin(), kBgpStates.end(), [&](const Named& n) { return n.word == word; });
  return found == kBgpStates.end() ? BgpState::unknown : found->state;
}

/// "Name Proto Table State Since Info"; Since is two words with our time format, one with others.
std::optional<Protocol> protocol_row(std::string_view line) {
  Protocol out;
  out.name = take_word(line);
  out.type = take_word(line);
  take_word(line);
  out.state = take_word(line);
  out.since = take_word(line);
  if (out.since.empty()) return std::nullopt;
  std::string_view rest = line;
  const std::string_view second = take_word(rest);
  const bool is_date = out.since.size() == 10 && out.since[4] == '-';
  if (is_date && !second.empty() && second.front() >= '0' && second.front() <= '9') {
    out.since += " ";
    out.since += second;
    line = rest;
  }
  out.info = trimmed(line);
  return out;
}

/// "3 imported, 0 filtered, 2 exported, 0 preferred"
void read_counts(std::string_view text, Protocol::Channel& channel) {
  while (!text.empty()) {
    const auto count = number<std::uint64_t>(take_word(text));
    std::string_view what = take_word(text);
    if (!count) return;
    if (what.ends_with(',')) what.remove_suffix(1);
    if (what == "imported") channel.imported = *count;
    if (what == "exported") channel.exported = *count;
  }
}

void read_channel(const Pair& p, Protocol::Channel& channel) {
  if (p.key == "State") channel.state = p.value;
  if (p.key == "Routes") read_counts(p.value, channel);
  if (p.key == "BGP Next hop") channel.next_hop = p.value;
  // Numbers in columns, of which newer versions have more; the last is "accepted".
  if (p.key == "Export updates") channel.updates = number<std::uint64_t>(p.value.substr(p.value.find_last_of(' ') + 1)).value_or(0);
}

void read_detail(std::string_view line, Protocol& protocol) {
  // "  Channel ipv4" opens a block; its lines are indented by four and more.
  if (const auto channel = after(line, "Channel ")) {
    protocol.channels.push_back({std::string(*channel), {}, 0, 0, {}, 0});
    return;
  }
  if (trimmed(line) == "Neighbor graceful restart active") protocol.is_peer_restarting = true;
  const Pair p = pair_of(line);
  if (p.key.empty()) return;
  if (!protocol.channels.empty()) {
    read_channel(p, protocol.channels.back());
    return;
  }
  if (p.key == "BGP state") protocol.bgp = bgp_state(p.value);
  if (p.key == "Neighbor address" || p.key == "Neighbor range") {
    std::string_view value = p.value;
    protocol.neighbor = take_word(value);  // 2.18 and later may append "onlink"
  }
  if (p.key == "Neighbor AS") protocol.neighbor_as = number<std::uint32_t>(p.value).value_or(0);
  if (p.key == "Local AS") protocol.local_as = number<std::uint32_t>(p.value).value_or(0);
  if (p.key == "Last error") protocol.last_error = p.value;
  if (p.key == "Message") protocol.message = p.value;
}

BfdSession::State bfd_state(std::string_view word) {
  using State = BfdSession::State;
  if (word == "AdminDown") return State::admin_down;
  if (word == "Down") return State::down;
  if (word == "Init") return State::init;
  if (word == "Up") return State::up;
  return State::unknown;
}

}  // namespace

std::string Version::str() const {
  return std::to_string(major) + "." + std::to_string(minor) + (patch != 0 || minor == 0 ? "." + std::to_string(patch) : "");
}

std::optional<Version> parse_greeting(const Reply& reply) {
  if (reply.code() != 1) return std::nullopt;
  std::string_view text = reply.lines.back().text;
  if (take_word(text) != "BIRD") return std::nullopt;
  const std::string_view word = take_word(text);
  Version out;
  int* const parts[] = {&out.major, &out.minor, &out.patch};
  std::size_t at = 0;
  for (int* part : parts) {
    const auto [end, error] = std::from_chars(word.data() + at, word.data() + word.size(), *part);
    if (error != std::errc()) return part == &out.major ? std::nullopt : std::optional(out);
    at = static_cast<std::size_t>(end - word.data());
    if (at >= word.size() || word[at] != '.') break;  // "2.19", "2.15.1-3", "3.0-alpha2"
    ++at;
  }
  return out;
}

std::optional<Status> parse_status(const Reply& reply) {
  if (!reply.is_ok() || reply.code() != 13) return std::nullopt;
  Status out;
  for (const Line& line : reply.lines) {
    if (line.code == 24) out.is_recovering = true;
    if (const auto id = after(line.text, "Router ID is ")) out.router_id = *id;
    if (const auto time = after(line.text, "Last reboot on ")) out.booted = *time;
    if (const auto time = after(line.text, "Last reconfiguration on ")) out.reconfigured = *time;
  }
  const std::string_view last = reply.lines.back().text;
  if (last.starts_with("Reconfiguration")) out.phase = Status::Phase::reconfiguring;
  if (last.starts_with("Shutdown")) out.phase = Status::Phase::shutting_down;
  return out;
}

Configured parse_configured(const Reply& reply) {
  using Outcome = Configured::Outcome;
  if (!reply.is_ok()) {
    const bool is_about_text = std::any_of(reply.lines.begin(), reply.lines.end(), [](const Line& l) { return l.code == 8002; });
    return {is_about_text ? Outcome::refused : Outcome::unknown, std::string(reply.complaint())};
  }
  // The last line that says something decides: "0002-Reading ...", "0022-Undo scheduled ...", then "0003 Reconfigured".
  for (auto line = reply.lines.rbegin(); line != reply.lines.rend(); ++line) {
    switch (line->code) {
      case 3: return {Outcome::done, line->text};
      case 4: return {Outcome::in_progress, line->text};
      case 5: return {Outcome::queued, line->text};
      case 6:
      case 7: return {Outcome::shutting_down, line->text};
      case 13: return {Outcome::done, line->text};
      case 18: return {Outcome::confirmed, line->text};
      case 19: return {Outcome::nothing, line->text};
      case 20: return {Outcome::valid, line->text};
      case 21: return {Outcome::undoing, line->text};
      default: break;
    }
  }
  return {};
}

std::string_view name(BgpState state) {
  const auto* const found = std::find_if(kBgpStates.begin(), kBgpStates.end(), [&](const Named& n) { return n.state == state; });
  return found == kBgpStates.end() ? "unknown" : found->word;
}

std::vector<Protocol> parse_protocols(const Reply& reply) {
  std::vector<Protocol> out;
  for (const Line& line : reply.lines) {
    if (line.code == kProtocolRow) {
      if (auto row = protocol_row(line.text)) {
        std::string_view info = row->info;
        row->bgp = row->type == "BGP" ? bgp_state(take_word(info)) : BgpState::unknown;
        out.push_back(*std::move(row));
      }
    } else if (line.code == kProtocolDetail && !out.empty()) {
      read_detail(line.text, out.back());
    }
  }
  return out;
}

std::string_view name(BfdSession::State state) {
  switch (state) {
    case BfdSession::State::admin_down: return "AdminDown";
    case BfdSession::State::down: return "Down";
    case BfdSession::State::init: return "Init";
    case BfdSession::State::up: return "Up";
    case BfdSession::State::unknown: break;
  }
  return "unknown";
}

BfdReport parse_bfd_sessions(const Reply& reply) {
  BfdReport out;
  if (!reply.is_ok()) {
    // The grammar knows the words only where BFD was built in.
    const bool is_syntax = reply.complaint().starts_with("syntax error");
    out.support = is_syntax ? BfdReport::Support::not_built : BfdReport::Support::not_configured;
    return out;
  }
  for (const Line& line : reply.lines) {
    if (line.code != kBfdLine) continue;
    std::string_view rest = line.text;
    BfdSession session;
    session.address = take_word(rest);
    const std::string_view interface = take_word(rest);
    session.interface = interface == "---" ? "" : interface;
    session.state = bfd_state(take_word(rest));
    if (session.state == BfdSession::State::unknown) continue;  // "bfd1:", the heading
    session.since = take_word(rest);
    const std::string_view time = take_word(rest);
    if (time.find(':') != std::string_view::npos) session.since += " " + std::string(time);
    out.sessions.push_back(std::move(session));
  }
  return out;
}

std::optional<std::uint64_t> parse_route_count(const Reply& reply) {
  if (!reply.is_ok()) return std::nullopt;
  std::uint64_t sum = 0;
  for (const Line& line : reply.lines) {
    if (line.code != kRouteCount) continue;  // "2 of 5 routes for 5 networks in table master4"
    std::string_view rest = line.text;
    sum += number<std::uint64_t>(take_word(rest)).value_or(0);
  }
  return sum;
}

}  // namespace fairlead::bird
