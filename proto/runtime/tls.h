#pragma once
/// TLS as a server speaks it, without a socket: bytes of the peer in, plain bytes out, and the other way round. OpenSSL is
/// behind it. TLS 1.2 and newer; nothing is resumed and nothing renegotiated, so what a connection was shown is what it keeps.
/// Any bytes are safe input; memory is bounded by what is fed at once and what is sealed.
/// Thread: one (the loop's).
#include <memory>
#include <string>
#include <string_view>

#include "proto/base/result.h"

namespace fairlead::runtime {

/// What a server shows: its certificate and the key of it. Replaceable while connections are open: they keep what they
/// began with, new ones get the new one.
class TlsIdentity {
 public:
  TlsIdentity();
  ~TlsIdentity();
  TlsIdentity(const TlsIdentity&) = delete;
  TlsIdentity& operator=(const TlsIdentity&) = delete;

  /// PEM: the certificate, then those that signed it, as far as they are sent along; an unencrypted private key. Malformed:
  /// one sentence, and what was shown before stays.
  Result<void> use(std::string_view certificates, std::string_view key);
  /// Before the first use() there is nothing to show.
  bool is_ready() const;

 private:
  friend class TlsSession;
  struct State;
  std::unique_ptr<State> state_;
};

/// One connection.
class TlsSession {
 public:
  /// `identity` must be ready.
  explicit TlsSession(const TlsIdentity& identity);
  ~TlsSession();
  TlsSession(const TlsSession&) = delete;
  TlsSession& operator=(const TlsSession&) = delete;

  /// What the peer sent. Appends what it says to `plain`; there may be something to send even when it said nothing.
  /// Malformed: the connection is over, and the sentence says why; an alert may be left to be sent.
  Result<void> feed(std::string_view bytes, std::string& plain);
  /// Makes ready to send. Only after the handshake, that is after feed() gave something plain.
  Result<void> seal(std::string_view plain);
  /// Says good-bye: nothing is sealed any more.
  void close();
  /// The bytes for the peer so far; they are taken.
  std::string take_wire();

  /// The peer has said good-bye.
  bool is_ended() const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace fairlead::runtime
