// What one end of a pair has been sent and has not read yet: the reference that sockets are held
// against.
//
// Lives here:  Message, Inbox.
// Called by:   socket_driver.
// It knows no mbufs, no buffers, no protocols: a queue of strings, and the rules of reading that
// recv(2) gives a program.
#ifndef SOCKBED_TESTS_MODEL_REFERENCE_H_
#define SOCKBED_TESTS_MODEL_REFERENCE_H_

#include <algorithm>
#include <cstddef>
#include <deque>
#include <string>
#include <utility>

namespace sockbed {

// A stream's message is a run of bytes that no descriptor interrupts: reads stop where one begins.
struct Message {
  std::string bytes;
  bool rights = false;  // a descriptor came with it
  bool eor = false;     // its sender marked its end
};

// What a read gives.
struct Taken {
  std::string bytes;
  bool rights = false;
  bool eor = false;
  bool truncated = false;
};

class Inbox {
 public:
  explicit Inbox(bool keeps_messages) : keeps_messages_(keeps_messages) {}

  void Put(Message message) {
    if (keeps_messages_ || message.rights || messages_.empty()) {
      if (!keeps_messages_ && message.bytes.empty()) return;
      messages_.push_back(std::move(message));
    } else {
      messages_.back().bytes += message.bytes;
    }
  }

  // A read of at most `size` bytes. `wants_rights`: with room for a descriptor.
  // REQUIRES: not empty.
  Taken Take(size_t size, bool peek, bool wants_rights) {
    Message& front = messages_.front();
    Taken taken{.bytes = front.bytes.substr(0, size)};
    const bool whole = size > 0 && size >= front.bytes.size();
    taken.eor = whole && front.eor;
    taken.truncated = keeps_messages_ && !whole;
    taken.rights = front.rights && wants_rights && !peek;
    if (peek) return taken;
    front.rights = false;
    front.bytes.erase(0, taken.bytes.size());
    if (keeps_messages_ || front.bytes.empty()) messages_.pop_front();
    return taken;
  }

  void Clear() { messages_.clear(); }
  bool empty() const { return messages_.empty(); }
  size_t messages() const { return messages_.size(); }
  const Message& front() const { return messages_.front(); }
  size_t bytes() const {
    size_t sum = 0;
    for (const Message& message : messages_) sum += message.bytes.size();
    return sum;
  }

 private:
  bool keeps_messages_;
  std::deque<Message> messages_;
};

}  // namespace sockbed

#endif  // SOCKBED_TESTS_MODEL_REFERENCE_H_
