#pragma once
/// The sockets to nf_tables: one for requests, which owns the anchor, and one for notifications. Both in the network
/// namespace the process runs in. Blocking, but the kernel has answered when a send returns. Thread: the loop's.
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "proto/base/result.h"
#include "proto/nft/batch.h"
#include "proto/nft/decode.h"
#include "proto/nft/skeleton.h"
#include "speaker/core/table.h"

struct nl_sock;

namespace fairlead::speaker {

class NftSession {
 public:
  /// Needs CAP_NET_ADMIN. Errors name what is missing.
  static Result<std::unique_ptr<NftSession>> open();
  ~NftSession();
  NftSession(const NftSession&) = delete;
  NftSession& operator=(const NftSession&) = delete;

  nft::Batch batch() { return nft::Batch(next_seq_); }
  /// Sends one batch and waits for its end: everything happened, or nothing did. An error carries the kernel's words and
  /// the number of the message that failed.
  Result<void> commit(nft::Batch batch);

  Result<std::vector<nft::TableInfo>> tables();
  /// The names of everybody's tables and chains, of all families.
  struct Names {
    std::vector<std::string> tables;
    std::vector<std::string> chains;
  };
  Result<Names> names();
  Result<Table::Have> elements(std::string_view table);
  Result<nft::Skeleton> skeleton(std::string_view table);

  /// Takes the anchor for this socket. exists: another process has it (its port id is in the text).
  Result<void> take_anchor();

  /// Loads a text with the `nft` program: absolute path, empty environment, at most 20 s.
  Result<void> load(const std::string& nft_program, std::string_view text);

  /// The notification socket, for the loop to watch.
  int monitor_fd() const;
  /// What happened since the last call, in one word: whether somebody else touched one of our tables. An overflow counts
  /// as such.
  bool others_touched_our_tables();

 private:
  struct Free {
    void operator()(nl_sock* s) const;
  };
  using Socket = std::unique_ptr<nl_sock, Free>;
  NftSession(Socket requests, Socket monitor);
  template <class F>
  Result<void> dump(ByteView request, std::uint32_t seq, F each);

  Socket requests_;
  Socket monitor_;
  std::uint32_t next_seq_ = 1;
  std::uint32_t loader_ = 0;  // port id of the last nft process: its notifications are our own
  std::vector<std::uint8_t> buffer_;
};

}  // namespace fairlead::speaker
