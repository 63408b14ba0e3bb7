#include "speaker/l2/frame_port.h"

#include <pcap/pcap.h>
#include <sys/epoll.h>

namespace fairlead::speaker {
namespace {

constexpr int kFramesAtOnce = 256;  // then the loop's other work has its turn

/// What is captured of which frames, and how much may wait: libpcap's default of 2 MB would be resident memory.
struct Capture {
  const char* filter;
  int snap_length;
  int ring_bytes;
};
Capture capture_of(FramePort::Protocol protocol) {
  // 42 octets; a thousand frames.
  if (protocol == FramePort::Protocol::arp) return {"arp", 128, 128 << 10};
  // 86 octets with one option. A longer one is whole with the options that are known (nonce, timestamp, a signature), as a
  // message that was cut is none. 400 frames.
  return {"icmp6 and (ip6[40] == 135 or ip6[40] == 136)", 512, 256 << 10};
}

Error error_of(pcap_t* p, const std::string& what) { return {Errc::unavailable, what + ": " + pcap_geterr(p)}; }

}  // namespace

void FramePort::Close::operator()(pcap* p) const { pcap_close(p); }

Result<std::unique_ptr<FramePort>> FramePort::open(runtime::Loop& loop, Protocol protocol, const Interface& on,
                                                   Received received, Failed failed) {
  const Capture capture = capture_of(protocol);
  char text[PCAP_ERRBUF_SIZE] = "";
  std::unique_ptr<pcap, Close> p(pcap_create(on.name.c_str(), text));
  if (!p) return Error{Errc::unavailable, "capture on " + on.name + ": " + text};
  pcap_set_snaplen(p.get(), capture.snap_length);
  pcap_set_immediate_mode(p.get(), 1);  // an answer must not wait for a full buffer
  pcap_set_buffer_size(p.get(), capture.ring_bytes);
  if (pcap_activate(p.get()) < 0) return error_of(p.get(), "capture on " + on.name);
  if (pcap_setnonblock(p.get(), 1, text) < 0) return Error{Errc::unavailable, "capture on " + on.name + ": " + text};
  bpf_program filter{};
  const std::string expression = std::string(capture.filter) + " and not ether src " + on.mac.str();
  if (pcap_compile(p.get(), &filter, expression.c_str(), 1, PCAP_NETMASK_UNKNOWN) < 0) {
    return error_of(p.get(), "filter on " + on.name);
  }
  const int set = pcap_setfilter(p.get(), &filter);
  pcap_freecode(&filter);
  if (set < 0) return error_of(p.get(), "filter on " + on.name);
  const int fd = pcap_get_selectable_fd(p.get());
  if (fd < 0) return Error{Errc::unavailable, "capture on " + on.name + " cannot be waited for"};

  std::unique_ptr<FramePort> port(new FramePort(on.name, std::move(p)));
  port->received_ = std::move(received);
  port->failed_ = std::move(failed);
  port->watch_ = loop.watch(fd, EPOLLIN, [raw = port.get()](std::uint32_t) { raw->read(); });
  return port;
}

void FramePort::read() {
  const auto each = [](u_char* self, const pcap_pkthdr* header, const u_char* bytes) {
    reinterpret_cast<FramePort*>(self)->received_(ByteView(bytes, header->caplen));
  };
  if (pcap_dispatch(handle_.get(), kFramesAtOnce, each, reinterpret_cast<u_char*>(this)) >= 0) return;
  std::string why = pcap_geterr(handle_.get());
  watch_ = {};  // a dead interface is readable for ever
  failed_(std::move(why));
}

Result<void> FramePort::send(ByteView frame) {
  if (pcap_inject(handle_.get(), frame.data(), frame.size()) == static_cast<int>(frame.size())) return {};
  return error_of(handle_.get(), "send on " + interface_);
}

}  // namespace fairlead::speaker
