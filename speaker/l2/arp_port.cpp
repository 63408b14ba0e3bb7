#include "speaker/l2/arp_port.h"

#include <pcap/pcap.h>
#include <sys/epoll.h>

namespace fairlead::speaker {
namespace {

constexpr int kSnapLength = 128;           // an ARP frame has 42 octets
constexpr int kRingBytes = 128 << 10;      // a thousand frames; libpcap's default of 2 MB would be resident memory
constexpr int kFramesAtOnce = 256;         // then the loop's other work has its turn

Error error_of(pcap_t* p, const std::string& what) { return {Errc::unavailable, what + ": " + pcap_geterr(p)}; }

}  // namespace

void ArpPort::Close::operator()(pcap* p) const { pcap_close(p); }

Result<std::unique_ptr<ArpPort>> ArpPort::open(runtime::Loop& loop, Interface interface,
                                               std::function<void(ByteView, ArpPort&)> received,
                                               std::function<void(const Interface&, std::string)> failed) {
  char text[PCAP_ERRBUF_SIZE] = "";
  std::unique_ptr<pcap, Close> p(pcap_create(interface.name.c_str(), text));
  if (!p) return Error{Errc::unavailable, "capture on " + interface.name + ": " + text};
  pcap_set_snaplen(p.get(), kSnapLength);
  pcap_set_immediate_mode(p.get(), 1);  // an answer must not wait for a full buffer
  pcap_set_buffer_size(p.get(), kRingBytes);
  if (pcap_activate(p.get()) < 0) return error_of(p.get(), "capture on " + interface.name);
  if (pcap_setnonblock(p.get(), 1, text) < 0) return Error{Errc::unavailable, "capture on " + interface.name + ": " + text};
  bpf_program filter{};
  const std::string expression = "arp and not ether src " + interface.mac.str();
  if (pcap_compile(p.get(), &filter, expression.c_str(), 1, PCAP_NETMASK_UNKNOWN) < 0) {
    return error_of(p.get(), "filter on " + interface.name);
  }
  const int set = pcap_setfilter(p.get(), &filter);
  pcap_freecode(&filter);
  if (set < 0) return error_of(p.get(), "filter on " + interface.name);
  const int fd = pcap_get_selectable_fd(p.get());
  if (fd < 0) return Error{Errc::unavailable, "capture on " + interface.name + " cannot be waited for"};

  std::unique_ptr<ArpPort> port(new ArpPort(std::move(interface), std::move(p)));
  port->received_ = std::move(received);
  port->failed_ = std::move(failed);
  port->watch_ = loop.watch(fd, EPOLLIN, [raw = port.get()](std::uint32_t) { raw->read(); });
  return port;
}

void ArpPort::read() {
  const auto each = [](u_char* self, const pcap_pkthdr* header, const u_char* bytes) {
    auto& port = *reinterpret_cast<ArpPort*>(self);
    port.received_(ByteView(bytes, header->caplen), port);
  };
  if (pcap_dispatch(handle_.get(), kFramesAtOnce, each, reinterpret_cast<u_char*>(this)) >= 0) return;
  std::string why = pcap_geterr(handle_.get());
  watch_ = {};  // a dead interface is readable for ever
  failed_(interface_, std::move(why));
}

Result<void> ArpPort::send(ByteView frame) {
  if (pcap_inject(handle_.get(), frame.data(), frame.size()) == static_cast<int>(frame.size())) return {};
  return error_of(handle_.get(), "send on " + interface_.name);
}

}  // namespace fairlead::speaker
