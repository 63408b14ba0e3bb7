#pragma once
/// FL_CHECK(condition, "what our own code guarantees"): aborts, and only for our own mistakes. If a peer, a user or the
/// kernel can trigger it, it is an error value and not a check.
#include <cstdio>
#include <cstdlib>

#define FL_CHECK(cond, msg)                                                                \
  do {                                                                                     \
    if (!(cond)) {                                                                         \
      std::fprintf(stderr, "%s:%d: check failed: %s: %s\n", __FILE__, __LINE__, #cond, msg); \
      std::abort();                                                                        \
    }                                                                                      \
  } while (false)
