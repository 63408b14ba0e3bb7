#include "controller/ctl/question.h"

#include <gtest/gtest.h>

#include "tests/support/builders.h"

namespace fairlead::ctl {
namespace {

using speaker::From;
using speaker::Question;
using test::ip;

Question question(std::string_view source, std::string_view destination, std::string_view from = "") {
  const auto parsed = parse_question(source, destination, from);
  if (const auto* what = std::get_if<std::string>(&parsed)) ADD_FAILURE() << *what;
  return std::get<Question>(parsed);
}

TEST(Question, AddressesPortsAndProtocolsAreReadInEveryCommonForm) {
  const struct {
    const char* source;
    const char* destination;
    const char* source_ip;
    const char* destination_ip;
    std::uint16_t port;
    Protocol protocol;
  } cases[] = {
      {"10.0.0.1", "10.96.0.10:80/TCP", "10.0.0.1", "10.96.0.10", 80, Protocol::tcp},
      {"10.0.0.1:4711", "10.96.0.10:53/udp", "10.0.0.1", "10.96.0.10", 53, Protocol::udp},
      {"10.0.0.1", "10.96.0.10:80", "10.0.0.1", "10.96.0.10", 80, Protocol::tcp},
      {"fd00::1", "[fd00:96::10]:80/SCTP", "fd00::1", "fd00:96::10", 80, Protocol::sctp},
      {"[fd00::1]:4711", "[fd00:96::10]:80/TCP", "fd00::1", "fd00:96::10", 80, Protocol::tcp},
      {"[fd00::1]", "fd00:96::10:80/TCP", "fd00::1", "fd00:96::10", 80, Protocol::tcp},
  };
  for (const auto& c : cases) {
    SCOPED_TRACE(c.destination);
    const Question q = question(c.source, c.destination);
    EXPECT_EQ(q.source, ip(c.source_ip));
    EXPECT_EQ(q.destination, ip(c.destination_ip));
    EXPECT_EQ(q.port.value, c.port);
    EXPECT_EQ(q.protocol, c.protocol);
    EXPECT_FALSE(q.from.has_value());
  }
}

TEST(Question, WhoAsksMayBeSaid) {
  EXPECT_EQ(question("10.0.0.1", "10.96.0.10:80", "pod").from, From::pod);
  EXPECT_EQ(question("10.0.0.1", "10.96.0.10:80", "node").from, From::node);
  EXPECT_EQ(question("10.0.0.1", "10.96.0.10:80", "outside").from, From::outside);
}

TEST(Question, WhatCannotBeReadIsNamed) {
  const struct {
    const char* source;
    const char* destination;
    const char* from;
    const char* named;
  } cases[] = {
      {"web", "10.96.0.10:80", "", "\"web\" is no source"},
      {"10.0.0.1:0", "10.96.0.10:80", "", "\"10.0.0.1:0\" is no source"},
      {"10.0.0.1", "10.96.0.10", "", "\"10.96.0.10\" is no destination"},
      {"10.0.0.1", "10.96.0.10:70000/TCP", "", "is no destination"},
      {"10.0.0.1", "[fd00::1:80/TCP", "", "is no destination"},
      {"fd00::1", "[fd00::1]/TCP", "", "is no destination"},
      {"10.0.0.1", "10.96.0.10:80/ICMP", "", "\"ICMP\" is no protocol"},
      {"10.0.0.1", "[fd00:96::10]:80", "", "different IP families"},
      {"10.0.0.1", "10.96.0.10:80", "router", "none of pod, node, outside"},
  };
  for (const auto& c : cases) {
    const auto parsed = parse_question(c.source, c.destination, c.from);
    const auto* what = std::get_if<std::string>(&parsed);
    ASSERT_NE(what, nullptr) << c.named;
    EXPECT_NE(what->find(c.named), std::string::npos) << *what;
  }
}

TEST(Question, AnAnswerIsPrintedAsJsonAndAsText) {
  speaker::Answer answer;
  answer.verdict = speaker::Verdict::endpoints;
  answer.endpoints = {{ip("10.244.1.2"), Port{8080}}, {ip("fd00:244::2"), Port{8080}}};
  answer.masquerade = true;
  answer.row = "6";
  answer.service = {"default", "web"};
  answer.why = "one of the cluster's endpoints";
  EXPECT_EQ(to_json(answer),
            R"({"verdict":"endpoints","endpoints":["10.244.1.2:8080","[fd00:244::2]:8080"],"masquerade":true,"row":"6",)"
            R"("service":"default/web","why":"one of the cluster's endpoints"})");
  EXPECT_EQ(to_text(answer),
            "endpoints 10.244.1.2:8080 [fd00:244::2]:8080, masqueraded (row 6, Service default/web): one of the cluster's endpoints");
  EXPECT_EQ(to_json({}), R"({"verdict":"pass","endpoints":[],"masquerade":false,"row":"","service":"","why":""})");
}

}  // namespace
}  // namespace fairlead::ctl
