#include "tests/two_arms/sequence.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cstring>
#include <set>
#include <utility>

#include "kernel/sim/random.h"
#include "tests/two_arms/kinds.h"

namespace sockbed::two_arms {
namespace {

constexpr int kPlaces = 6;
constexpr int kSteps = 28;
constexpr int kKindCount = 8;
constexpr int kSizeMax = 60;  // so little that no buffer of either kernel is ever full

// How often each operation is drawn, out of their sum.
constexpr std::array<int, kOps> kWeights = {6, 8, 4, 3, 6, 4, 12, 4, 12, 4, 5, 1,
                                            1, 5, 1, 2, 1, 8, 3,  2, 3,  4, 5};
constexpr std::array<int, kOps> kWideWeights = {6, 8, 3, 3, 6, 4, 6, 2, 6, 1, 4, 1, 1, 4, 2, 2, 1,
                                                1, 2, 1, 1, 2, 2, 6, 6, 4, 4, 3, 3, 2, 2, 5, 5};

constexpr const char* kOpNames[] = {"socket",       "pair",
                                    "bind",         "listen",
                                    "connect",      "accept",
                                    "send",         "sendto",
                                    "recv",         "peek",
                                    "shutdown",     "SHUT_RD",
                                    "SHUT_RDWR",    "close",
                                    "drop",         "dup",
                                    "dup2",         "poll",
                                    "FIONREAD",     "SO_ERROR",
                                    "getpeername",  "pass",
                                    "take",         "sendmmsg",
                                    "recvmmsg",     "recv MSG_WAITALL",
                                    "recvmsg",      "send MSG_OOB",
                                    "recv MSG_OOB", "SIOCATMARK",
                                    "SO_LINGER",    "select",
                                    "epoll"};
std::string NameOf(Op op) { return kOpNames[static_cast<int>(op)]; }

class Performer {
 public:
  Performer(const std::string& prefix, Notes* notes) : prefix_(prefix), notes_(notes) {}
  ~Performer() {
    for (int place = 0; place < kPlaces; ++place) {
      if (Has(place)) Empty(place);
    }
  }
  Performer(const Performer&) = delete;
  Performer& operator=(const Performer&) = delete;

  void Do(const Step& step, int number);

 private:
  bool Has(int place) const { return fds_[place] >= 0; }
  std::string KindOf(int place) const {
    return Has(place) ? two_arms::NameOf(kinds_[place]) : "none";
  }
  // A new file, unless it is told which.
  void Put(int place, int fd, Kind kind, int file = 0) {
    if (Has(place)) Empty(place);
    fds_[place] = fd;
    kinds_[place] = kind;
    names_[place] = {};
    files_[place] = file != 0 ? file : ++last_file_;
  }
  // What BSD throws away and Linux keeps is told apart by what the row is about.
  std::string ShutOf(const Step& step) const {
    const bool reads = step.op == Op::kRecv || step.op == Op::kPeek || step.op == Op::kTake ||
                       step.op == Op::kCount || step.op == Op::kRecvMany ||
                       step.op == Op::kRecvAll || step.op == Op::kRecvCut;
    return reads && Has(step.a) && shut_.contains(files_[step.a]) ? "/shut" : "";
  }
  // Reads what waits. An error that is pending may come first, or last.
  void Drain(int place) {
    char data[256];
    for (int failures = 0; failures < 2;) {
      const ssize_t n = read(fds_[place], data, sizeof data);
      if (n == 0) return;
      if (n < 0) ++failures;
    }
  }
  int Empty(int place) {
    Drain(place);
    return close(std::exchange(fds_[place], -1));
  }
  // The name of a place, once it has one, as long as it is open: BSD forgets it with a connection.
  void Learn(int place) {
    if (!Has(place) || !IsSocket(kinds_[place])) return;
    const Address name = NameOfSocket(fds_[place]);
    const bool named = IsUnix(kinds_[place])
                           ? name.len > 2 && name.get()->sa_data[0] != '\0'
                           : name.len > 0 && (name.get()->sa_data[0] | name.get()->sa_data[1]) != 0;
    if (named) names_[place] = name;
  }
  // A number, or an errno's name. REQUIRES: errno is that of the call.
  static std::string Result(ssize_t n) { return n < 0 ? ErrnoName(errno) : std::to_string(n); }
  // The same of a send.
  static std::string Sent(ssize_t n, int asked) { return n == asked ? "all" : Result(n); }

  // `size` bytes that no neighbour has.
  std::string Data(int size) {
    next_ = next_ == 'z' ? 'a' : static_cast<char>(next_ + 1);
    return std::string(static_cast<size_t>(size), next_);
  }

  std::string Make(const Step& step);
  std::string Name(const Step& step);
  std::string Move(const Step& step);
  std::string Copy(const Step& step);
  std::string Look(const Step& step);
  std::string Pass(const Step& step);
  std::string Take(const Step& step);
  std::string Many(const Step& step);
  std::string Urgent(const Step& step);
  std::string RecvCut(const Step& step);
  std::string ReadPieces(int fd, int size);
  static std::string Read(int fd, int size, int flags);
  static std::string PendingError(int fd);

  const std::string prefix_;
  Notes* const notes_;
  std::array<int, kPlaces> fds_{-1, -1, -1, -1, -1, -1};
  std::array<Kind, kPlaces> kinds_{};
  std::array<Address, kPlaces> names_{};
  std::array<int, kPlaces> files_{};  // numbers of open files: a dup has that of the other
  int last_file_ = 0;
  std::set<int> shut_;  // files whose reading side was shut
  int bound_ = 0;
  char next_ = 'a';
  bool passed_ = false;  // rights, at some time
  // By the letter of the bytes beside.
  std::array<Kind, 256> kinds_passed_{};
  std::array<int, 256> files_passed_{};
};

std::string Performer::Make(const Step& step) {
  const Kind kind = static_cast<Kind>(step.x);
  if (step.op == Op::kSocket) {
    const Kind made = IsSocket(kind) ? kind : Kind::kTcp4;
    Put(step.a, -1, made);
    fds_[step.a] = Fresh(made, SOCK_NONBLOCK);
    return Result(fds_[step.a]);
  }
  Put(step.a, -1, kind);
  Put(step.b, -1, kind);
  const Pair pair = MakePair(kind);
  fcntl(pair.a, F_SETFL, O_NONBLOCK);
  fcntl(pair.b, F_SETFL, O_NONBLOCK);
  Put(step.a, pair.a, kind);
  Put(step.b, pair.b, kind);
  Learn(step.a);
  Learn(step.b);
  return std::to_string(pair.a) + " " + std::to_string(pair.b);
}

std::string Performer::Name(const Step& step) {
  const int fd = fds_[step.a];
  if (step.op == Op::kListen) return Result(listen(fd, 8));
  if (step.op == Op::kBind) {
    if (!Has(step.a) || !IsSocket(kinds_[step.a])) return Result(bind(fd, nullptr, 0));
    const Address name = Local(kinds_[step.a], 0, "n" + prefix_ + std::to_string(bound_++));
    const std::string result = Result(bind(fd, name.get(), name.len));
    Learn(step.a);
    return result;
  }
  if (step.op == Op::kAccept) {
    const int made = accept4(fd, nullptr, nullptr, SOCK_NONBLOCK);
    const std::string result = Result(made);
    if (made >= 0) Put(step.b, made, kinds_[step.a]);
    return result;
  }
  const Address& name = names_[step.b];
  if (!Has(step.b) || name.len == 0) return "nobody";
  if (step.op == Op::kConnect) {
    const std::string result = Result(connect(fd, name.get(), name.len));
    Learn(step.a);
    return result;
  }
  const std::string data = Data(step.x);
  return Sent(sendto(fd, data.data(), data.size(), MSG_NOSIGNAL, name.get(), name.len), step.x);
}

std::string Performer::Read(int fd, int size, int flags) {
  std::string data(static_cast<size_t>(size), '\0');
  const ssize_t n =
      flags != 0 ? recv(fd, data.data(), data.size(), flags) : read(fd, data.data(), data.size());
  if (n < 0) return ErrnoName(errno);
  return "\"" + data.substr(0, static_cast<size_t>(n)) + "\"";
}

std::string Performer::Move(const Step& step) {
  const int fd = fds_[step.a];
  if (step.op != Op::kSend) {
    if (passed_ && kinds_[step.a] == Kind::kUnixStream) {
      return step.op != Op::kRecv ? "left out" : ReadPieces(fd, step.x);
    }
    // UDP's error comes before what waits in Linux, behind it in BSD: it is asked for first.
    const std::string error = IsUdp(kinds_[step.a]) ? PendingError(fd) + ", " : "";
    const int flags = step.op == Op::kPeek ? MSG_PEEK : step.op == Op::kRecvAll ? MSG_WAITALL : 0;
    return error + Read(fd, step.x, flags);
  }
  const std::string data = Data(step.x);
  return Sent(write(fd, data.data(), data.size()), step.x);
}

// A stream's read ends before a right in BSD, behind it in Linux: together the pieces are the same.
std::string Performer::ReadPieces(int fd, int size) {
  std::string all;
  for (int piece = 0; static_cast<int>(all.size()) < size; ++piece) {
    char data[kSizeMax];
    const ssize_t n = read(fd, data, static_cast<size_t>(size) - all.size());
    if (n < 0 && piece == 0) return ErrnoName(errno);
    if (n <= 0) break;
    all.append(data, static_cast<size_t>(n));
  }
  return "\"" + all + "\"";
}

// One descriptor as ancillary data, or room for one.
struct Right {
  alignas(cmsghdr) char space[CMSG_SPACE(sizeof(int))] = {};

  msghdr Message(iovec* vector) {
    msghdr msg{};
    msg.msg_iov = vector;
    msg.msg_iovlen = 1;
    msg.msg_control = space;
    msg.msg_controllen = sizeof space;
    return msg;
  }
};

std::string Performer::Pass(const Step& step) {
  if (!Has(step.a) || !IsUnix(kinds_[step.a]) || !Has(step.b)) return "nobody";
  std::string data = Data(step.x);
  kinds_passed_[static_cast<unsigned char>(data[0])] = kinds_[step.b];
  files_passed_[static_cast<unsigned char>(data[0])] = files_[step.b];
  passed_ = true;
  iovec vector{data.data(), data.size()};
  Right right;
  msghdr msg = right.Message(&vector);
  cmsghdr* const header = CMSG_FIRSTHDR(&msg);
  header->cmsg_level = SOL_SOCKET;
  header->cmsg_type = SCM_RIGHTS;
  header->cmsg_len = CMSG_LEN(sizeof(int));
  std::memcpy(CMSG_DATA(header), &fds_[step.b], sizeof(int));
  return Sent(sendmsg(fds_[step.a], &msg, MSG_NOSIGNAL), step.x);
}

std::string Performer::Take(const Step& step) {
  if (!Has(step.a) || !IsUnix(kinds_[step.a])) return "nobody";
  char data[kSizeMax];
  iovec vector{data, static_cast<size_t>(step.x)};
  Right right;
  msghdr msg = right.Message(&vector);
  const ssize_t n = recvmsg(fds_[step.a], &msg, 0);
  if (n < 0) return ErrnoName(errno);
  // Where a stream's read ends, see ReadPieces.
  std::string result =
      kinds_[step.a] == Kind::kUnixStream ? "some" : "\"" + std::string(data, n) + "\"";
  if ((msg.msg_flags & MSG_TRUNC) != 0) result += " cut";
  if ((msg.msg_flags & MSG_CTRUNC) != 0) result += " rights cut";
  const cmsghdr* const header = CMSG_FIRSTHDR(&msg);
  if (header == nullptr) return result;
  int made;
  std::memcpy(&made, CMSG_DATA(header), sizeof made);
  const auto letter = static_cast<unsigned char>(data[n - 1]);
  Put(step.b, made, kinds_passed_[letter], files_passed_[letter]);
  return result + " and a right";
}

// Two messages at a time. What failed after the first is not told.
std::string Performer::Many(const Step& step) {
  const int fd = fds_[step.a];
  // What a stream's read leaves out, see Move and ReadPieces.
  if (step.op == Op::kRecvMany && passed_ && kinds_[step.a] == Kind::kUnixStream) return "left out";
  if (!IsSocket(kinds_[step.a])) return "left out";
  std::string data[2] = {Data(step.x), Data(step.x / 2 + 1)};
  iovec vectors[2];
  mmsghdr messages[2]{};
  for (int i = 0; i < 2; ++i) {
    if (step.op == Op::kRecvMany) data[i].assign(static_cast<size_t>(step.x), '-');
    vectors[i] = {data[i].data(), data[i].size()};
    messages[i].msg_hdr.msg_iov = &vectors[i];
    messages[i].msg_hdr.msg_iovlen = 1;
  }
  if (step.op == Op::kSendMany) return Result(sendmmsg(fd, messages, 2, MSG_NOSIGNAL));
  const std::string error = IsUdp(kinds_[step.a]) ? PendingError(fd) + ", " : "";
  const int n = recvmmsg(fd, messages, 2, MSG_DONTWAIT, nullptr);
  std::string result = error + Result(n);
  for (int i = 0; i < n; ++i) {
    result += " \"" + data[i].substr(0, messages[i].msg_len) + "\"";
    if ((messages[i].msg_hdr.msg_flags & MSG_TRUNC) != 0) result += " cut";
  }
  return result;
}

std::string Performer::Urgent(const Step& step) {
  const int fd = fds_[step.a];
  if (step.op == Op::kUrgent) {
    const std::string data = Data(step.x);
    return Sent(send(fd, data.data(), data.size(), MSG_OOB | MSG_NOSIGNAL), step.x);
  }
  if (step.op == Op::kTakeUrgent) {
    char byte;
    const ssize_t n = recv(fd, &byte, 1, MSG_OOB);
    return n == 1 ? std::string(1, byte) : Result(n);
  }
  int at_mark = -1;
  if (ioctl(fd, SIOCATMARK, &at_mark) != 0) return ErrnoName(errno);
  return std::to_string(at_mark);
}

std::string Performer::RecvCut(const Step& step) {
  if (passed_ && kinds_[step.a] == Kind::kUnixStream) return "left out";
  char data[kSizeMax];
  iovec vector{data, static_cast<size_t>(step.x)};
  msghdr msg{};
  msg.msg_iov = &vector;
  msg.msg_iovlen = 1;
  const std::string error = IsUdp(kinds_[step.a]) ? PendingError(fds_[step.a]) + ", " : "";
  const ssize_t n = recvmsg(fds_[step.a], &msg, 0);
  if (n < 0) return error + ErrnoName(errno);
  std::string result = error + "\"" + std::string(data, static_cast<size_t>(n)) + "\"";
  if ((msg.msg_flags & MSG_TRUNC) != 0) result += " cut";
  if ((msg.msg_flags & MSG_CTRUNC) != 0) result += " rights cut";
  return result;
}

std::string Performer::Copy(const Step& step) {
  const int fd = fds_[step.a];
  if (step.op == Op::kShutdown) return Result(shutdown(fd, SHUT_WR));
  if (step.op == Op::kShutRead || step.op == Op::kShutBoth) {
    if (Has(step.a)) shut_.insert(files_[step.a]);
    return Result(shutdown(fd, step.op == Op::kShutRead ? SHUT_RD : SHUT_RDWR));
  }
  if (step.op == Op::kDrop) return Result(close(std::exchange(fds_[step.a], -1)));
  if (step.op == Op::kClose) {
    return Has(step.a) ? Result(Empty(step.a)) : Result(close(-1));
  }
  if (step.op == Op::kDup) {
    const int made = dup(fd);
    const std::string result = Result(made);
    if (made >= 0 && step.a != step.b) {
      Put(step.b, made, kinds_[step.a], files_[step.a]);
      names_[step.b] = names_[step.a];
    } else if (made >= 0) {
      close(made);
    }
    return result;
  }
  if (!Has(step.b) || step.a == step.b) return "nobody";
  if (Has(step.a)) Drain(step.b);
  const std::string result = Result(dup2(fd, fds_[step.b]));
  if (Has(step.a)) {
    kinds_[step.b] = kinds_[step.a];
    files_[step.b] = files_[step.a];
    names_[step.b] = names_[step.a];
  }
  return result;
}

std::string Performer::PendingError(int fd) {
  int value = -1;
  socklen_t len = sizeof value;
  if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &value, &len) != 0) return ErrnoName(errno);
  return value == 0 ? "0" : "so_error " + ErrnoName(value);
}

// What a new epoll tells of it at once, in Notes' letters.
std::string EpollLetters(int fd) {
  const int queue = epoll_create1(0);
  epoll_event event{.events = EPOLLIN | EPOLLOUT | EPOLLPRI, .data = {}};
  std::string result;
  if (epoll_ctl(queue, EPOLL_CTL_ADD, fd, &event) != 0) {
    result = ErrnoName(errno);
  } else if (epoll_wait(queue, &event, 1, 0) == 1) {
    if ((event.events & EPOLLIN) != 0) result += "r";
    if ((event.events & EPOLLOUT) != 0) result += "w";
    if ((event.events & EPOLLPRI) != 0) result += "p";
    if ((event.events & EPOLLERR) != 0) result += " ERR";
    if ((event.events & EPOLLHUP) != 0) result += " HUP";
    if (result.starts_with(' ')) result.erase(0, 1);
  } else {
    result = "-";
  }
  close(queue);
  return result;
}

std::string Performer::Look(const Step& step) {
  const int fd = fds_[step.a];
  if (step.op == Op::kPoll) {
    if (!Has(step.a)) return "none";
    Notes looked(0);
    looked.Ready("", fd);
    return looked.all()[1].text;
  }
  if (step.op == Op::kSelect) {
    if (!Has(step.a)) return "none";
    Notes looked(0);
    looked.Ready("", fd);
    return looked.all()[0].text;
  }
  if (step.op == Op::kEpoll) return Has(step.a) ? EpollLetters(fd) : "none";
  if (step.op == Op::kReset) {
    const linger now{.l_onoff = 1, .l_linger = 0};
    return Result(setsockopt(fd, SOL_SOCKET, SO_LINGER, &now, sizeof now));
  }
  int value = -1;
  if (step.op == Op::kCount) {
    // Linux tells it at a pipe's writing end too, BSD's pipes have a buffer for each direction.
    if ((fcntl(fd, F_GETFL) & O_ACCMODE) == O_WRONLY) return "writing end";
    if (ioctl(fd, FIONREAD, &value) != 0) return ErrnoName(errno);
    // Of datagrams BSD counts all, Linux the first.
    return IsDgram(kinds_[step.a]) ? std::to_string(value > 0) : std::to_string(value);
  }
  if (step.op == Op::kError) return PendingError(fd);
  sockaddr_storage name;
  socklen_t len = sizeof name;
  return Result(getpeername(fd, reinterpret_cast<sockaddr*>(&name), &len));
}

void Performer::Do(const Step& step, int number) {
  std::string what = NameOf(step.op);
  const bool makes = step.op == Op::kSocket || step.op == Op::kPair;
  what += std::string(" ") +
          (makes ? two_arms::NameOf(static_cast<Kind>(step.x)) : KindOf(step.a).c_str()) +
          ShutOf(step);
  std::string result;
  switch (step.op) {
    case Op::kSocket:
    case Op::kPair: result = Make(step); break;
    case Op::kBind:
    case Op::kListen:
    case Op::kConnect:
    case Op::kAccept:
    case Op::kSendTo: result = Name(step); break;
    case Op::kSend:
    case Op::kRecv:
    case Op::kPeek: result = Move(step); break;
    case Op::kShutdown:
    case Op::kShutRead:
    case Op::kShutBoth:
    case Op::kClose:
    case Op::kDrop:
    case Op::kDup:
    case Op::kDup2: result = Copy(step); break;
    case Op::kPoll:
    case Op::kCount:
    case Op::kError:
    case Op::kPeer:
    case Op::kReset:
    case Op::kSelect:
    case Op::kEpoll: result = Look(step); break;
    case Op::kPass: result = Pass(step); break;
    case Op::kTake: result = Take(step); break;
    case Op::kSendMany:
    case Op::kRecvMany: result = Many(step); break;
    case Op::kRecvAll: result = Move(step); break;
    case Op::kRecvCut: result = RecvCut(step); break;
    case Op::kUrgent:
    case Op::kTakeUrgent:
    case Op::kMark: result = Urgent(step); break;
  }
  notes_->Text(prefix_ + std::to_string(number) + " " + what, result);
  if (!ChangesNothing(step.op)) notes_->Settle();
}

// One step as C.
std::string AsC(const Step& step) {
  const std::string a = "fd[" + std::to_string(step.a) + "]",
                    b = "fd[" + std::to_string(step.b) + "]";
  const std::string x = std::to_string(step.x);
  switch (step.op) {
    case Op::kSocket: return a + " = socket(" + NameOf(static_cast<Kind>(step.x)) + ")";
    case Op::kPair: return a + ", " + b + " = pair(" + NameOf(static_cast<Kind>(step.x)) + ")";
    case Op::kBind: return "bind(" + a + ", a name of its own)";
    case Op::kListen: return "listen(" + a + ", 8)";
    case Op::kConnect: return "connect(" + a + ", name of " + b + ")";
    case Op::kAccept: return b + " = accept4(" + a + ", NULL, NULL, SOCK_NONBLOCK)";
    case Op::kSend: return "write(" + a + ", data, " + x + ")";
    case Op::kSendTo: return "sendto(" + a + ", data, " + x + ", MSG_NOSIGNAL, name of " + b + ")";
    case Op::kRecv: return "read(" + a + ", data, " + x + ")";
    case Op::kPeek: return "recv(" + a + ", data, " + x + ", MSG_PEEK)";
    case Op::kShutdown: return "shutdown(" + a + ", SHUT_WR)";
    case Op::kShutRead: return "shutdown(" + a + ", SHUT_RD)";
    case Op::kShutBoth: return "shutdown(" + a + ", SHUT_RDWR)";
    case Op::kClose: return "drain(" + a + "), close(" + a + ")";
    case Op::kDrop: return "close(" + a + ")";
    case Op::kDup: return b + " = dup(" + a + ")";
    case Op::kDup2: return "dup2(" + a + ", " + b + ")";
    case Op::kPoll: return "poll(" + a + ", POLLIN | POLLOUT | POLLPRI)";
    case Op::kCount: return "ioctl(" + a + ", FIONREAD)";
    case Op::kError: return "getsockopt(" + a + ", SOL_SOCKET, SO_ERROR)";
    case Op::kPeer: return "getpeername(" + a + ")";
    case Op::kPass: return "sendmsg(" + a + ", data, " + x + ", SCM_RIGHTS " + b + ")";
    case Op::kTake: return b + " = the right of recvmsg(" + a + ", data, " + x + ")";
    case Op::kSendMany: return "sendmmsg(" + a + ", {data, " + x + "}, {data, half})";
    case Op::kRecvMany: return "recvmmsg(" + a + ", {data, " + x + "}, {data, " + x + "})";
    case Op::kRecvAll: return "recv(" + a + ", data, " + x + ", MSG_WAITALL)";
    case Op::kRecvCut: return "recvmsg(" + a + ", {data, " + x + "})";
    case Op::kUrgent: return "send(" + a + ", data, " + x + ", MSG_OOB)";
    case Op::kTakeUrgent: return "recv(" + a + ", byte, 1, MSG_OOB)";
    case Op::kMark: return "ioctl(" + a + ", SIOCATMARK)";
    case Op::kReset: return "setsockopt(" + a + ", SOL_SOCKET, SO_LINGER, {1, 0})";
    case Op::kSelect: return "select(" + a + ")";
    case Op::kEpoll: return "epoll_wait(" + a + ", EPOLLIN | EPOLLOUT | EPOLLPRI)";
  }
  return "";
}

}  // namespace

Sequence MakeSequence(uint64_t seed) {
  Stream random(seed, Site::kRunNext, 0, 0);
  const std::array<int, kOps>& weights = seed < kWideSeed ? kWeights : kWideWeights;
  int sum = 0;
  for (const int weight : weights) sum += weight;
  const auto below = [&random](int bound) {
    return static_cast<int>(random.NextBelow(static_cast<uint64_t>(bound)));
  };
  // A sequence is about one kind, mostly: strangers have little to do with each other.
  const int kind = below(kKindCount);
  Sequence sequence;
  for (int i = 0; i < kSteps; ++i) {
    int drawn = below(sum), op = 0;
    while (drawn >= weights[static_cast<size_t>(op)]) drawn -= weights[static_cast<size_t>(op++)];
    Step step{.op = static_cast<Op>(op), .a = below(kPlaces), .b = below(kPlaces)};
    if (step.op == Op::kPair && step.a == step.b) step.b = (step.a + 1) % kPlaces;
    if (step.op == Op::kSocket || step.op == Op::kPair) {
      step.x = below(5) == 0 ? below(kKindCount) : kind;
    } else {
      step.x = 1 + below(kSizeMax);
    }
    sequence.push_back(step);
  }
  return sequence;
}

bool ChangesNothing(Op op) {
  return op == Op::kPoll || op == Op::kCount || op == Op::kPeer || op == Op::kPeek ||
         op == Op::kMark || op == Op::kSelect || op == Op::kEpoll;
}

void Perform(const Sequence& sequence, const std::string& prefix, Notes* notes) {
  signal(SIGPIPE, SIG_IGN);
  Performer performer(prefix, notes);
  for (size_t i = 0; i < sequence.size(); ++i) performer.Do(sequence[i], static_cast<int>(i));
}

std::string AsC(const Sequence& sequence) {
  std::string text;
  for (const Step& step : sequence) text += "  " + AsC(step) + ";\n";
  return text;
}

}  // namespace sockbed::two_arms
