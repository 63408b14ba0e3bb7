#pragma once
/// Questions and claims of one protocol on one interface, through libpcap: what comes in is handed to `received`, what goes out is a
/// whole frame of any protocol. The BPF filter leaves everything else in the kernel, and each protocol has a ring of its
/// own, so that a flood of one does not push the other out. Needs CAP_NET_RAW. Thread: the loop's.
#include <functional>
#include <memory>

#include "proto/base/bytes.h"
#include "proto/base/result.h"
#include "proto/runtime/loop.h"
#include "speaker/core/reply.h"

struct pcap;

namespace fairlead::speaker {

class FramePort {
 public:
  enum class Protocol { arp, ndp };
  using Received = std::function<void(ByteView frame)>;
  using Failed = std::function<void(std::string why)>;

  /// `received` gets each frame that others sent; `failed` is called once when the interface cannot be read any more, and
  /// the port is useless then.
  static Result<std::unique_ptr<FramePort>> open(runtime::Loop& loop, Protocol protocol, const Interface& on,
                                                 Received received, Failed failed);

  Result<void> send(ByteView frame);

 private:
  struct Close {
    void operator()(pcap* p) const;
  };
  FramePort(std::string interface, std::unique_ptr<pcap, Close> handle) : interface_(std::move(interface)), handle_(std::move(handle)) {}
  void read();

  std::string interface_;
  std::unique_ptr<pcap, Close> handle_;
  Received received_;
  Failed failed_;
  runtime::Loop::Watch watch_;
};

}  // namespace fairlead::speaker
