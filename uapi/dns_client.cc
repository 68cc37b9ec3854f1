// The resolver's other half: asking name servers, as a program does, over sockets of its process.
//
//   for each name that the search list makes of the one given
//     for each round, for each name server:  a query over UDP; wait; the answer, or the next server
//       truncated: the same query over TCP
//     follow CNAMEs that the answer leaves open
//
// RFC 1035 4.2, 7.1-7.3; RFC 1123 6.1. Round n waits timeout << n, shared among the servers. A file
// descriptor that is open when the process is killed goes with it.
#include <errno.h>
#include <netdb.h>
#include <poll.h>
#include <string.h>

#include <algorithm>
#include <span>
#include <utility>

#include "kernel/sched/host_local.h"
#include "uapi/dns_message.h"
#include "uapi/filedesc.h"
#include "uapi/resolver.h"
#include "uapi/uapi.h"

namespace sockbed::uapi {
namespace {

constexpr int kCnamesMax = 8;

enum class Outcome {
  kAnswer,  // the message is one: records, or that there are none
  kSilence,
  kRefusal,  // the server cannot or will not say
};

// Waits until `fd` is ready. False: the deadline came first.
bool AwaitReady(int fd, short events, SimTime deadline) {
  while (Now() < deadline) {
    const SimTime left_ms = (deadline - Now() + kMillisecond - 1) / kMillisecond;
    pollfd entry{fd, events, 0};
    const int n = uapi::poll(&entry, 1, static_cast<int>(left_ms));
    if (n > 0) return true;
    if (n < 0 && errno != EINTR) return false;
  }
  return false;
}

bool Answers(const DnsMessage& query, const DnsMessage& answer) {
  return answer.response && answer.id == query.id && answer.type == query.type &&
         SameDnsName(answer.question, query.question);
}

Outcome Judge(const DnsMessage& answer) {
  const bool final = answer.code == DnsCode::kNoError || answer.code == DnsCode::kNxDomain;
  return final ? Outcome::kAnswer : Outcome::kRefusal;
}

// Sends the query over a connected socket and takes the first answer to it; what else comes is not
// for us.
Outcome ExchangeDatagrams(int fd, const DnsMessage& query, SimTime deadline, DnsMessage* answer) {
  const std::string bytes = EncodeDns(query, kDnsUdpMax);
  if (uapi::send(fd, bytes.data(), bytes.size(), 0) < 0) return Outcome::kSilence;
  char buffer[kDnsUdpMax];
  while (AwaitReady(fd, POLLIN, deadline)) {
    const ssize_t n = uapi::recv(fd, buffer, sizeof buffer, MSG_DONTWAIT);
    if (n < 0) return Outcome::kSilence;  // nobody is there: ECONNREFUSED
    if (DecodeDns({buffer, static_cast<size_t>(n)}, answer) && Answers(query, *answer)) {
      return Judge(*answer);
    }
  }
  return Outcome::kSilence;
}

// Moves exactly `bytes`. False: the deadline, the end of the stream or an error came first.
bool SendAll(int fd, std::span<const char> bytes, SimTime deadline) {
  while (!bytes.empty()) {
    if (!AwaitReady(fd, POLLOUT, deadline)) return false;
    const ssize_t n = uapi::send(fd, bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (n < 0) return false;
    bytes = bytes.subspan(static_cast<size_t>(n));
  }
  return true;
}
bool ReceiveAll(int fd, std::span<char> bytes, SimTime deadline) {
  while (!bytes.empty()) {
    if (!AwaitReady(fd, POLLIN, deadline)) return false;
    const ssize_t n = uapi::recv(fd, bytes.data(), bytes.size(), 0);
    if (n <= 0) return false;
    bytes = bytes.subspan(static_cast<size_t>(n));
  }
  return true;
}

// Each message follows its length, in two bytes (RFC 1035 4.2.2).
Outcome ExchangeOverStream(int fd, const DnsMessage& query, SimTime deadline, DnsMessage* answer) {
  const std::string message = EncodeDns(query, kDnsTcpMax);
  std::string bytes = {static_cast<char>(message.size() >> 8), static_cast<char>(message.size())};
  bytes += message;
  if (!SendAll(fd, bytes, deadline)) return Outcome::kSilence;
  unsigned char length[2];
  if (!ReceiveAll(fd, {reinterpret_cast<char*>(length), 2}, deadline)) return Outcome::kSilence;
  std::vector<char> reply(static_cast<size_t>(length[0] << 8 | length[1]));
  if (!ReceiveAll(fd, reply, deadline)) return Outcome::kSilence;
  if (!DecodeDns(reply, answer) || !Answers(query, *answer)) return Outcome::kRefusal;
  return Judge(*answer);
}

using Exchange = Outcome (*)(int fd, const DnsMessage& query, SimTime deadline, DnsMessage* answer);

// Opens a socket to the server, has the exchange, closes it.
Outcome Over(int type, const InetAddress& server, const DnsMessage& query, SimTime deadline,
             DnsMessage* answer) {
  const int fd = uapi::socket(server.sa.sa_family, type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  if (fd < 0) return Outcome::kSilence;
  const bool connected = uapi::connect(fd, &server.sa, server.length()) == 0 ||
                         (errno == EINPROGRESS && AwaitReady(fd, POLLOUT, deadline));
  const Exchange exchange = type == SOCK_DGRAM ? ExchangeDatagrams : ExchangeOverStream;
  const Outcome outcome = connected ? exchange(fd, query, deadline, answer) : Outcome::kSilence;
  (void)uapi::close(fd);  // nothing is left to be sent
  return outcome;
}

// One question to all servers in turn. Returns 0 (with an answer), EAI_AGAIN (nobody spoke) or
// EAI_FAIL (nobody would answer).
int Ask(const std::string& name, DnsType type, DnsMessage* answer) {
  const ResolverConf& conf = Resolver();
  DnsMessage query{
      .id = static_cast<uint16_t>(HostLocal<UapiHost>::Get().query_id.NextBelow(UINT16_MAX + 1)),
      .recursion_desired = true,
      .question = name,
      .type = static_cast<uint16_t>(type)};
  if (EncodeDns(query, kDnsUdpMax).empty()) return EAI_NONAME;  // it is no name
  bool refused = false;
  for (int round = 0; round < conf.attempts; ++round) {
    for (const InetAddress& server : conf.nameservers) {
      SimTime wait = conf.timeout_ns << std::min(round, 16);
      if (round > 0) wait /= static_cast<SimTime>(conf.nameservers.size());
      wait = std::max(wait, kSecond);
      Outcome outcome = Over(SOCK_DGRAM, server, query, Now() + wait, answer);
      if (outcome == Outcome::kAnswer && answer->truncated) {
        outcome = Over(SOCK_STREAM, server, query, Now() + wait, answer);
      }
      if (outcome == Outcome::kAnswer) return 0;
      refused = refused || outcome == Outcome::kRefusal;
    }
  }
  return refused ? EAI_FAIL : EAI_AGAIN;
}

// Where the CNAMEs of the answer lead from `name`.
std::string EndOfCnames(const DnsMessage& answer, std::string name) {
  for (int hops = 0; hops < kCnamesMax; ++hops) {
    const auto found = std::ranges::find_if(answer.answers, [&](const DnsRecord& record) {
      return record.type == DnsType::kCname && SameDnsName(record.name, name);
    });
    if (found == answer.answers.end()) break;
    name = found->data;
  }
  return name;
}

// The records of `type` of exactly this name, CNAMEs followed; *canonical is whose they are.
// Returns 0, EAI_NONAME, EAI_NODATA, EAI_AGAIN, EAI_FAIL.
int Fetch(const std::string& name, DnsType type, std::vector<std::string>* data,
          std::string* canonical) {
  *canonical = name;
  for (int hops = 0; hops < kCnamesMax; ++hops) {
    DnsMessage answer;
    if (const int error = Ask(*canonical, type, &answer)) return error;
    const std::string end = EndOfCnames(answer, *canonical);
    for (const DnsRecord& record : answer.answers) {
      if (record.type == type && SameDnsName(record.name, end)) data->push_back(record.data);
    }
    if (!data->empty() || SameDnsName(end, *canonical)) {
      *canonical = end;
      if (!data->empty()) return 0;
      return answer.code == DnsCode::kNxDomain ? EAI_NONAME : EAI_NODATA;
    }
    *canonical = end;  // the answer ends at an alias: ask for what it means
  }
  return EAI_FAIL;
}

// The names to try, in order (resolv.conf(5): search, ndots).
std::vector<std::string> Candidates(const std::string& node) {
  if (node.ends_with('.')) return {node.substr(0, node.size() - 1)};
  const ResolverConf& conf = Resolver();
  std::vector<std::string> names;
  for (const std::string& domain : conf.search) names.push_back(node + "." + domain);
  const bool first = std::ranges::count(node, '.') >= conf.ndots;
  names.insert(first ? names.begin() : names.end(), node);
  return names;
}

// Of two failures the one that says more: that one could not know, that the name is known.
int Graver(int a, int b) {
  for (const int error : {EAI_AGAIN, EAI_FAIL, EAI_NODATA}) {
    if (a == error || b == error) return error;
  }
  return EAI_NONAME;
}

InetAddress AddressIn(const std::string& data) {
  in_addr v4;
  in6_addr v6;
  if (data.size() == sizeof v4) {
    memcpy(&v4, data.data(), sizeof v4);
    return InetAddress::Of(v4);
  }
  memcpy(&v6, data.data(), sizeof v6);
  return InetAddress::Of(v6);
}

}  // namespace

int AskForAddresses(const std::string& node, int family, std::vector<InetAddress>* found,
                    std::string* canonical) {
  const DnsType type = family == AF_INET6 ? DnsType::kAaaa : DnsType::kA;
  int error = EAI_NONAME;
  for (const std::string& name : Candidates(node)) {
    std::vector<std::string> data;
    const int result = Fetch(name, type, &data, canonical);
    if (result == 0) {
      for (const std::string& address : data) found->push_back(AddressIn(address));
      return 0;
    }
    error = Graver(error, result);
    if (error == EAI_AGAIN) break;  // the others would ask the same silent servers
  }
  return error;
}

int AskForName(const InetAddress& address, std::string* name) {
  const auto* const bytes = address.sa.sa_family == AF_INET
                                ? reinterpret_cast<const uint8_t*>(&address.sin.sin_addr)
                                : reinterpret_cast<const uint8_t*>(&address.sin6.sin6_addr);
  const size_t size = address.sa.sa_family == AF_INET ? sizeof(in_addr) : sizeof(in6_addr);
  std::vector<std::string> data;
  std::string canonical;
  if (const int error = Fetch(ReverseDnsName({bytes, size}), DnsType::kPtr, &data, &canonical)) {
    return error == EAI_NODATA ? EAI_NONAME : error;
  }
  *name = data.front();
  return 0;
}

}  // namespace sockbed::uapi
