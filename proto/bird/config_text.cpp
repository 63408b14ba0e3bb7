#include "proto/bird/config_text.h"

#include <algorithm>
#include <charconv>
#include <set>

#include "proto/base/check.h"
#include "proto/bird/symbol.h"

namespace fairlead::bird {
namespace {

constexpr std::string_view kBlockHead = "# peer ";
constexpr std::string_view kBlockEnd = "# end of peer\n";
constexpr std::string_view kDrain = "    bgp_community.add((65535, 0));\n    bgp_local_pref = 0;\n";  // RFC 8326
constexpr std::string_view kAccept = "    return true;\n";
constexpr std::string_view kRouterId = "router id ";
constexpr std::string_view kTelling = "fl_tell";  // the attribute of routes

std::string quoted(std::string_view text) {
  FL_CHECK(is_string(text), "strings are checked before they become text");
  return "\"" + std::string(text) + "\"";
}

std::string dec(std::uint64_t n) { return std::to_string(n); }

std::string remote(const Peer& p) {
  if (const auto* which = std::get_if<Peer::Remote>(&p.remote_as)) return *which == Peer::Remote::internal ? "internal" : "external";
  return "as " + dec(std::get<std::uint32_t>(p.remote_as));
}

std::string session_lines(const Peer& p) {
  std::string out = "  local ";
  if (p.source) out += p.source->str() + " ";
  if (p.listen_port != kBgpPort) out += "port " + dec(p.listen_port) + " ";
  out += "as " + dec(p.local_as) + ";\n";
  const std::string port = p.port == kBgpPort ? "" : " port " + dec(p.port);
  if (p.address) {
    out += "  neighbor " + p.address->str() + port + " " + remote(p) + ";\n";
    out += p.hops == Peer::Hops::multihop ? "  multihop;\n" : "  direct;\n";
  } else {
    // BIRD waits for the other side, which learns our address from the router advertisements below.
    out += "  neighbor range fe80::/10" + port + " " + remote(p) + ";\n";
    out += "  interface " + quoted(p.interface) + ";\n";
    out += "  dynamic name " + quoted(p.symbol + "_") + ";\n";
  }
  if (!p.vrf.empty()) out += "  vrf " + quoted(p.vrf) + ";\n";
  if (p.router_id) out += "  router id " + p.router_id->str() + ";\n";
  if (p.is_passive && p.address) out += "  passive;\n";
  return out;
}

std::string timer_lines(const Peer& p) {
  std::string out = "  hold time " + dec(static_cast<std::uint64_t>(p.hold.count())) + ";\n";
  if (p.hold.count() != 0) out += "  keepalive time " + dec(static_cast<std::uint64_t>(p.keepalive.count())) + ";\n";
  // The default of five seconds (random) is most of what a start would take.
  out += "  connect delay time 1;\n";
  out += "  connect retry time " + dec(static_cast<std::uint64_t>(p.connect_retry.value_or(std::chrono::seconds(5)).count())) + ";\n";
  out += "  error wait time 1, 10;\n";
  return out;
}

std::string bfd_lines(const Bfd& b) {
  std::string out = "  bfd {\n";
  out += "    min rx interval " + dec(b.receive_ms) + " ms;\n";
  out += "    min tx interval " + dec(b.transmit_ms) + " ms;\n";
  out += "    multiplier " + dec(b.multiplier) + ";\n";
  if (b.is_passive) out += "    passive on;\n";
  out += "  };\n";
  if (b.is_graceful) out += "  bfd graceful;\n";
  return out;
}

std::string channel(const Peer& p, Family family) {
  const bool is_v4 = family == Family::v4;
  std::string out = is_v4 ? "  ipv4 {\n    table fl_table4;\n" : "  ipv6 {\n    table fl_table6;\n";
  out += "    import none;\n    import limit 1 action block;\n";
  out += "    export where fl_out_" + p.symbol + "();\n";
  out += "    next hop self;\n";
  // Used if the other side can do it too; else the interface's own IPv4 address is the next hop.
  const bool is_over_v6 = !p.address || !p.address->is4();
  if (is_v4 && is_over_v6) out += "    extended next hop on;\n";
  return out + "  };\n";
}

std::string set_lines(const Attributes& a, std::uint32_t prepend_as) {
  std::string out;
  if (a.local_pref != 0) out += "    bgp_local_pref = " + dec(a.local_pref) + ";\n";
  if (a.med) out += "    bgp_med = " + dec(*a.med) + ";\n";
  for (const auto& [first, second] : a.communities) out += "    bgp_community.add((" + dec(first) + ", " + dec(second) + "));\n";
  for (const auto& c : a.large) {
    out += "    bgp_large_community.add((" + dec(c.a) + ", " + dec(c.b) + ", " + dec(c.c) + "));\n";
  }
  for (std::uint32_t i = 0; i < a.prepend && prepend_as != 0; ++i) out += "    bgp_path.prepend(" + dec(prepend_as) + ");\n";
  return out;
}

/// Which routes go to this peer, and as what.
std::string out_function(const PeerBlock& peer, const Config& config) {
  std::string out = "function fl_out_" + peer.symbol + "() {\n  if source != RTS_STATIC then return false;\n";
  std::map<Attributes, std::string> numbers;
  for (const Telling& t : config.tellings) {
    auto found = t.by_peer.find(0);
    if (found == t.by_peer.end()) found = t.by_peer.find(peer.number);
    if (found == t.by_peer.end()) continue;
    std::string& list = numbers[found->second];
    list += (list.empty() ? "" : ", ") + dec(t.number());
  }
  for (const auto& [attributes, list] : numbers) {
    out += "  if " + std::string(kTelling) + " ~ [" + list + "] then {\n";
    out += set_lines(attributes, peer.prepend_as);
    if (config.is_draining) out += kDrain;
    out += std::string(kAccept) + "  }\n";
  }
  return out + "  return false;\n}\n";
}

std::string head_of(const PeerBlock& b) {
  std::string out(kBlockHead);
  out += b.symbol + " number=" + dec(b.number) + " prepend=" + dec(b.prepend_as) + " bfd=" + (b.has_bfd ? "1" : "0");
  if (!b.vrf.empty()) out += " vrf=" + b.vrf;
  if (!b.interface.empty()) out += " interface=" + b.interface;
  return out + "\n";
}

std::optional<std::uint32_t> unsigned_of(std::string_view text) {
  std::uint32_t out = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), out);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return out;
}

/// "tor1 number=7 prepend=65001 bfd=0 vrf=red"
std::optional<PeerBlock> read_head(std::string_view line) {
  PeerBlock out;
  bool is_first = true;
  while (!line.empty()) {
    const std::size_t end = std::min(line.find(' '), line.size());
    const std::string_view word = line.substr(0, end);
    line.remove_prefix(std::min(end + 1, line.size()));
    if (is_first) {
      out.symbol = word;
      is_first = false;
      continue;
    }
    const std::size_t equals = word.find('=');
    if (equals == std::string_view::npos) return std::nullopt;
    const std::string_view key = word.substr(0, equals);
    const std::string_view value = word.substr(equals + 1);
    const auto n = unsigned_of(value);
    if (key == "number" && n) out.number = *n;
    if (key == "prepend" && n) out.prepend_as = *n;
    if (key == "bfd") out.has_bfd = value == "1";
    if (key == "vrf") out.vrf = value;
    if (key == "interface") out.interface = value;
  }
  if (!is_symbol(out.symbol) || out.number == 0) return std::nullopt;
  return out;
}

std::string bfd_protocols(const Config& config) {
  std::set<std::string> vrfs;
  bool has_default = false;
  for (const PeerBlock& p : config.peers) {
    if (!p.has_bfd) continue;
    if (p.vrf.empty()) {
      has_default = true;
    } else {
      vrfs.insert(p.vrf);
    }
  }
  std::string out;
  if (has_default) out += "protocol bfd fl_bfd {\n}\n";
  for (const std::string& vrf : vrfs) out += "protocol bfd " + symbol("fl_bfd_", vrf) + " {\n  vrf " + quoted(vrf) + ";\n}\n";
  return out;
}

std::string radv_protocol(const Config& config) {
  std::set<std::string> interfaces;
  for (const PeerBlock& p : config.peers) {
    if (!p.interface.empty()) interfaces.insert(p.interface);
  }
  if (interfaces.empty()) return {};
  // Lifetime 0: nobody takes this node for a default router.
  std::string out = "protocol radv fl_radv {\n";
  for (const std::string& i : interfaces) {
    out += "  interface " + quoted(i) + " {\n    min ra interval 3;\n    max ra interval 5;\n    default lifetime 0;\n  };\n";
  }
  return out + "}\n";
}

}  // namespace

std::string Attributes::str() const {
  std::string out;
  if (local_pref != 0) out += " localPref=" + dec(local_pref);
  if (med) out += " med=" + dec(*med);
  if (prepend != 0) out += " prepend=" + dec(prepend);
  for (const auto& [first, second] : communities) out += " " + dec(first) + ":" + dec(second);
  for (const auto& c : large) out += " large:" + dec(c.a) + ":" + dec(c.b) + ":" + dec(c.c);
  return out.empty() ? out : out.substr(1);
}

std::uint32_t Telling::number() const {
  std::string text;
  for (const auto& [peer, attributes] : by_peer) text += dec(peer) + "=" + attributes.str() + "\n";
  return stable_number(text);
}

bool Peer::is_internal() const {
  if (const auto* which = std::get_if<Remote>(&remote_as)) return *which == Remote::internal;
  return std::get<std::uint32_t>(remote_as) == local_as;
}

PeerBlock block(const Peer& p) {
  FL_CHECK(is_symbol(p.symbol), "symbols are checked before they become text");
  PeerBlock out;
  out.symbol = p.symbol;
  out.number = p.number;
  out.prepend_as = p.is_internal() ? 0 : p.local_as;
  out.has_bfd = p.bfd.has_value();
  out.vrf = p.vrf;
  out.interface = p.address ? "" : p.interface;
  std::string& text = out.text;
  text = "protocol bgp " + p.symbol + " {\n";
  text += "  description " + quoted(p.description) + ";\n";
  text += session_lines(p) + timer_lines(p);
  if (!p.password.empty()) text += "  password " + quoted(p.password) + ";\n";
  if (p.is_ttl_checked) text += "  ttl security on;\n";
  if (p.bfd) text += bfd_lines(*p.bfd);
  text += p.has_graceful_restart ? "  graceful restart on;\n  graceful restart time 120;\n" : "  graceful restart aware;\n";
  if (p.ipv4) text += channel(p, Family::v4);
  if (p.ipv6) text += channel(p, Family::v6);
  text += "}\n";
  return out;
}

std::map<std::string, PeerBlock> blocks_of(std::string_view text) {
  std::map<std::string, PeerBlock> out;
  std::size_t at = 0;
  while ((at = text.find(kBlockHead, at)) != std::string_view::npos) {
    if (at != 0 && text[at - 1] != '\n') {
      at += kBlockHead.size();
      continue;
    }
    const std::size_t head_end = text.find('\n', at);
    if (head_end == std::string_view::npos) break;
    const std::size_t end = text.find(kBlockEnd, head_end);
    if (end == std::string_view::npos) break;
    auto made = read_head(text.substr(at + kBlockHead.size(), head_end - at - kBlockHead.size()));
    if (made) {
      made->text = text.substr(head_end + 1, end - head_end - 1);
      if (made->text.starts_with("protocol bgp " + made->symbol + " {")) out.insert_or_assign(made->symbol, *made);
    }
    at = end;
  }
  return out;
}

std::string peer_at_line(std::string_view text, int line) {
  std::string inside;
  for (int n = 1; n <= line && !text.empty(); ++n) {
    const std::size_t end = std::min(text.find('\n'), text.size());
    const std::string_view now = text.substr(0, end);
    text.remove_prefix(std::min(end + 1, text.size()));
    if (now.starts_with(kBlockHead)) {
      const auto head = read_head(now.substr(kBlockHead.size()));
      inside = head ? head->symbol : "";
    } else if (n < line && kBlockEnd.starts_with(now) && !now.empty()) {
      inside.clear();
    }
  }
  return inside;
}

std::string config_text(const Config& config) {
  std::string out = "# Written by fairlead-speaker, which replaces it: edits are lost.\n";
  if (config.is_whole) {
    out += "log stderr all;\n";
    out += std::string(kRouterId) + config.router_id.str() + ";\n";
    out += "timeformat protocol iso long ms;\n";
    out += "graceful restart wait 30;\n";
    out += "protocol device fl_device {\n  scan time 10;\n}\n";
  }
  out += "attribute int " + std::string(kTelling) + ";\n";
  out += "ipv4 table fl_table4;\nipv6 table fl_table6;\n";
  out += "protocol static fl_static4 {\n  ipv4 {\n    table fl_table4;\n  };\n  include " + quoted(config.routes4) + ";\n}\n";
  out += "protocol static fl_static6 {\n  ipv6 {\n    table fl_table6;\n  };\n  include " + quoted(config.routes6) + ";\n}\n";
  if (config.has_bfd_built_in) out += bfd_protocols(config);
  out += radv_protocol(config);
  for (const PeerBlock& p : config.peers) {
    out += out_function(p, config);
    out += head_of(p) + p.text + std::string(kBlockEnd);
  }
  return out;
}

std::string drained(std::string_view text) {
  std::string out;
  for (std::size_t at = text.find(kAccept); at != std::string_view::npos; at = text.find(kAccept)) {
    const std::string_view before = text.substr(0, at);
    out += before;
    if (!before.ends_with(kDrain)) out += kDrain;
    out += kAccept;
    text.remove_prefix(at + kAccept.size());
  }
  return out + std::string(text);
}

std::optional<Ip4> router_id_of(std::string_view text) {
  std::size_t at = text.starts_with(kRouterId) ? 0 : text.find("\n" + std::string(kRouterId));
  if (at == std::string_view::npos) return std::nullopt;
  if (text[at] == '\n') ++at;
  at += kRouterId.size();
  const std::size_t end = text.find(';', at);
  if (end == std::string_view::npos) return std::nullopt;
  const auto ip = parse_ip(text.substr(at, end - at));
  if (!ip || !ip->is4()) return std::nullopt;
  return ip->v4();
}

std::string route_line(const Prefix& prefix, const Telling& telling) {
  return "route " + prefix.str() + " blackhole { " + std::string(kTelling) + " = " + dec(telling.number()) + "; };\n";
}

}  // namespace fairlead::bird
