#include "speaker/core/bgp_sessions.h"

#include <algorithm>
#include <cstdlib>
#include <optional>

namespace fairlead::speaker {
namespace {

/// "flp_tor_3" -> "flp_tor", when that is a peer and the name itself is none.
std::string symbol_of(const std::string& protocol, const std::set<std::string>& symbols) {
  if (symbols.contains(protocol)) return protocol;
  const std::size_t cut = protocol.find_last_of('_');
  if (cut == std::string::npos || protocol.find_first_not_of("0123456789", cut + 1) != std::string::npos) return {};
  const std::string parent = protocol.substr(0, cut);
  return symbols.contains(parent) ? parent : std::string();
}

/// Milliseconds of "2026-11-21 15:00:13.336" within the month; none for any other text.
std::optional<std::int64_t> moment(std::string_view text) {
  if (text.size() != 23) return std::nullopt;
  const auto number = [&](std::size_t at, std::size_t length) {
    std::int64_t out = 0;
    for (const char c : text.substr(at, length)) out = out * 10 + (c - '0');
    return out;
  };
  return (((number(8, 2) * 24 + number(11, 2)) * 60 + number(14, 2)) * 60 + number(17, 2)) * 1000 + number(20, 3);
}

/// BIRD's clock is converted anew each time it is asked, and a millisecond comes or goes.
bool is_same_moment(const std::string& a, const std::string& b) {
  if (a == b) return true;
  const auto x = moment(a);
  const auto y = moment(b);
  return x && y && std::abs(*x - *y) < 500;
}

/// "fe80::1%eth0" is "fe80::1" on "eth0" in the other list.
std::string address_of(const std::string& neighbor) { return neighbor.substr(0, neighbor.find('%')); }

}  // namespace

std::string_view remedy(std::string_view error) {
  const auto has = [&](std::string_view what) { return error.find(what) != std::string_view::npos; };
  if (has("listening socket")) return "another program has the port on this node: choose another one (--bgp-listen-port)";
  if (has("MD5")) return "the router and this peer need the same password";
  if (has("Connection refused")) return "the router does not listen for this node: is it a neighbor there, and the port right?";
  if (has("Hold timer")) return "the router was silent: look at the link";
  if (has("Bad peer AS")) return "myASN and peerASN have to be the router's peer and own AS number";
  return {};
}

std::map<std::string, BgpSession> sessions_of(const std::vector<bird::Protocol>& protocols,
                                              const std::vector<bird::BfdSession>& bfd, const std::set<std::string>& symbols) {
  std::map<std::string, BgpSession> out;
  for (const bird::Protocol& p : protocols) {
    const std::string symbol = symbol_of(p.name, symbols);
    if (symbol.empty() || p.type != "BGP") continue;
    BgpSession now;
    now.is_established = p.bgp == bird::BgpState::established;
    now.state = bird::name(p.bgp);
    now.since = p.since;
    if (!now.is_established) now.last_error = p.last_error;
    for (const auto& channel : p.channels) {
      now.announced += channel.exported;
      now.updates += channel.updates;
    }
    const std::string address = address_of(p.neighbor);
    for (const bird::BfdSession& b : bfd) {
      if (b.address != address) continue;
      now.has_bfd = true;
      now.is_bfd_up = b.state == bird::BfdSession::State::up;
    }
    const auto [at, is_new] = out.try_emplace(symbol, now);
    if (!is_new && now.is_established && !at->second.is_established) at->second = now;
  }
  return out;
}

std::vector<SessionChange> changes_of(const std::map<std::string, BgpSession>& before, const std::map<std::string, BgpSession>& now) {
  using What = SessionChange::What;
  static const BgpSession kNone;
  std::vector<SessionChange> out;
  for (const auto& [symbol, session] : now) {
    const auto found = before.find(symbol);
    const BgpSession& old = found == before.end() ? kNone : found->second;
    if (session.is_established && (!old.is_established || !is_same_moment(old.since, session.since))) {
      // Another time: it was down in between, and nobody looked.
      if (old.is_established) out.push_back({symbol, What::down, "it came back at once"});
      out.push_back({symbol, What::up, ""});
    } else if (!session.is_established && old.is_established) {
      out.push_back({symbol, What::down, session.last_error});
    } else if (!session.is_established && !session.last_error.empty() && session.last_error != old.last_error) {
      out.push_back({symbol, What::failing, session.last_error});
    }
    if (session.is_bfd_up != old.is_bfd_up) out.push_back({symbol, session.is_bfd_up ? What::bfd_up : What::bfd_down, ""});
  }
  for (const auto& [symbol, session] : before) {
    if (!now.contains(symbol) && session.is_established) out.push_back({symbol, What::down, "it is no session of this node any more"});
  }
  return out;
}

}  // namespace fairlead::speaker
