// Stepping out of the simulated process for a moment, to ask the real host.
//
// Lives here:  OutsideProcess.
// Called by:   files (vfs_*.cc): reading real files; posix_image.cc: loading a program.
#ifndef SOCKBED_UAPI_OUTSIDE_H_
#define SOCKBED_UAPI_OUTSIDE_H_

#include "kernel/sim/context.h"

namespace sockbed::uapi {

// Code of this scope is nobody's: where the shim is linked, the C library's names lead to the C
// library. It must not sleep.
class OutsideProcess {
 public:
  OutsideProcess() : saved_(Here().who()) { Here().process = nullptr; }
  ~OutsideProcess() { Here().who() = saved_; }
  OutsideProcess(const OutsideProcess&) = delete;
  OutsideProcess& operator=(const OutsideProcess&) = delete;

 private:
  const Who saved_;
};

}  // namespace sockbed::uapi

#endif  // SOCKBED_UAPI_OUTSIDE_H_
