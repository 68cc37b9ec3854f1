// Comparing the fields of a packet with those that a line expects.
//
// Lives here:  Fields, Differs.
// Called by:   check.cc, headers.cc.
#ifndef SOCKBED_TOOLS_PACKETDRILL_FIELDS_H_
#define SOCKBED_TOOLS_PACKETDRILL_FIELDS_H_

#include <cstdint>
#include <string>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"

namespace sockbed::packetdrill {

inline absl::Status Differs(const std::string& what) { return absl::FailedPreconditionError(what); }

// Collects comparisons; the first that fails is the verdict.
class Fields {
 public:
  Fields& Same(const char* name, uint32_t expected, uint32_t actual) {
    if (status_.ok() && expected != actual) {
      status_ = Differs(absl::StrCat("live packet field ", name, ": expected: ", expected, " (0x",
                                     absl::Hex(expected), ") vs actual: ", actual, " (0x",
                                     absl::Hex(actual), ")"));
    }
    return *this;
  }
  const absl::Status& status() const { return status_; }

 private:
  absl::Status status_;
};

}  // namespace sockbed::packetdrill

#endif  // SOCKBED_TOOLS_PACKETDRILL_FIELDS_H_
