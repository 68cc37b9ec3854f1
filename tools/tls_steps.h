// What the TLS programs say of their steps.
//
// Lives here:  Succeeded, ShakeHands.
// Called by:   tls_file.cc, tls_talk.cc.
// Context:     a simulated process; ShakeHands sleeps.
#ifndef SOCKBED_TOOLS_TLS_STEPS_H_
#define SOCKBED_TOOLS_TLS_STEPS_H_

#include "ssl/drive.h"

namespace sockbed::tools {

// Whether a step succeeded; says how it failed.
bool Succeeded(const char* step, const ssl::Outcome& outcome);

// Shakes hands and says with what result. `patience`: as of ssl::Handshake.
bool ShakeHands(SSL* ssl, SimTime patience = kForever);

}  // namespace sockbed::tools

#endif  // SOCKBED_TOOLS_TLS_STEPS_H_
