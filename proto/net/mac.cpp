#include "proto/net/mac.h"

#include <cstdio>

namespace fairlead {

std::string Mac::str() const {
  char text[18];
  std::snprintf(text, sizeof text, "%02x:%02x:%02x:%02x:%02x:%02x", octets[0], octets[1], octets[2], octets[3],
                octets[4], octets[5]);
  return text;
}

}  // namespace fairlead
