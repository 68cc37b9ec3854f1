#include "kernel/sim/context.h"

namespace sockbed {

constinit thread_local Context* current_context = nullptr;

}  // namespace sockbed
