// What OpenSSL's error stack says, as a line for people.
//
// Lives here:  TakeErrorText.
// Called by:   programs that tell why a socket routine failed.
// May touch:   OpenSSL's error stack.
#ifndef SOCKBED_BIO_ERROR_TEXT_H_
#define SOCKBED_BIO_ERROR_TEXT_H_

#include <string>

namespace sockbed {

// The reason of the oldest entry, or of errno when that is a system error or there is no entry.
// Clears the stack.
std::string TakeErrorText();

}  // namespace sockbed

#endif  // SOCKBED_BIO_ERROR_TEXT_H_
