#pragma once
/// ARP on one interface, through libpcap: what comes in is handed to `received`, what goes out is a whole frame. The BPF
/// filter leaves everything else in the kernel. Needs CAP_NET_RAW. Thread: the loop's.
#include <functional>
#include <memory>

#include "proto/base/bytes.h"
#include "proto/base/result.h"
#include "proto/runtime/loop.h"
#include "speaker/core/reply.h"

struct pcap;

namespace fairlead::speaker {

class ArpPort {
 public:
  /// `received` gets each ARP frame that others sent; `failed` is called once when the interface cannot be read any more,
  /// and the port is useless then.
  static Result<std::unique_ptr<ArpPort>> open(runtime::Loop& loop, Interface interface,
                                               std::function<void(ByteView, ArpPort&)> received,
                                               std::function<void(const Interface&, std::string)> failed);

  const Interface& interface() const { return interface_; }
  Result<void> send(ByteView frame);

 private:
  struct Close {
    void operator()(pcap* p) const;
  };
  ArpPort(Interface interface, std::unique_ptr<pcap, Close> handle) : interface_(std::move(interface)), handle_(std::move(handle)) {}
  void read();

  Interface interface_;
  std::unique_ptr<pcap, Close> handle_;
  std::function<void(ByteView, ArpPort&)> received_;
  std::function<void(const Interface&, std::string)> failed_;
  runtime::Loop::Watch watch_;
};

}  // namespace fairlead::speaker
