// MbufPtr: the owner of one mbuf chain.
//
// Lives here:  MbufPtr.
// Called by:   whoever holds a chain across more than a call.
// Context:     any; never sleeps.
// Owns:        the chain it points at, from that mbuf to the end of m_next. Not the packets behind
//              it on m_nextpkt: those belong to the queue.
#ifndef SOCKBED_KERNEL_MBUF_MBUF_PTR_H_
#define SOCKBED_KERNEL_MBUF_MBUF_PTR_H_

#include <cstddef>
#include <utility>

namespace sockbed {

struct mbuf;

// Frees every mbuf of the chain and returns the first one's m_nextpkt. Takes; null in, null out.
mbuf* m_freem(mbuf* m);

// Moves, never copies. A function that takes an MbufPtr by value consumes the chain on every path;
// one that borrows takes a raw mbuf*.
class [[nodiscard]] MbufPtr {
 public:
  constexpr MbufPtr() = default;
  constexpr MbufPtr(std::nullptr_t) {}  // NOLINT: null is a value of every owner
  explicit MbufPtr(mbuf* m) : m_(m) {}  // takes
  MbufPtr(MbufPtr&& other) noexcept : m_(other.release()) {}
  MbufPtr& operator=(MbufPtr&& other) noexcept {
    reset(other.release());
    return *this;
  }
  MbufPtr(const MbufPtr&) = delete;
  MbufPtr& operator=(const MbufPtr&) = delete;
  ~MbufPtr() {
    if (m_ != nullptr) [[unlikely]]
      m_freem(m_);
  }

  mbuf* get() const { return m_; }
  mbuf* operator->() const { return m_; }
  mbuf& operator*() const { return *m_; }
  explicit operator bool() const { return m_ != nullptr; }
  friend bool operator==(const MbufPtr& m, std::nullptr_t) { return m.m_ == nullptr; }

  // Gives the chain up: the caller owns it now.
  [[nodiscard]] mbuf* release() { return std::exchange(m_, nullptr); }

  // Frees what is held and takes `m`.
  void reset(mbuf* m = nullptr) {
    mbuf* old = std::exchange(m_, m);
    if (old != nullptr) m_freem(old);
  }

 private:
  mbuf* m_ = nullptr;
};

}  // namespace sockbed

#endif  // SOCKBED_KERNEL_MBUF_MBUF_PTR_H_
