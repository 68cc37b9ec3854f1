#include "tools/packetdrill/live_host.h"

#include <signal.h>

#include <cstring>
#include <utility>

#include "absl/strings/str_cat.h"
#include "kernel/inet/in6_var.h"
#include "kernel/inet/in_var.h"
#include "kernel/inet/ip_var.h"
#include "kernel/inet/route.h"
#include "kernel/mbuf/chain.h"
#include "kernel/sched/synch.h"
#include "uapi/rthread.h"
#include "uapi/uapi.h"

namespace sockbed::packetdrill {
namespace {

// The script starts when the host has been up for a while: no clock of its reads zero.
constexpr SimTime kStart = 1 * kSecond;

// What a host may send, and how many events it may have, before the clock moves on.
constexpr uint64_t kPerInstantMax = 200'000;

in_addr ToInAddr(const Address& address) {
  in_addr in;
  std::memcpy(&in, address.bytes.data(), sizeof in);
  return in;
}

in6_addr ToIn6Addr(const Address& address) {
  in6_addr in6;
  std::memcpy(&in6, address.bytes.data(), sizeof in6);
  return in6;
}

inpaddru ToInet(const Address& address) {
  return address.v6() ? inpaddru(ToIn6Addr(address)) : inpaddru(ToInAddr(address));
}

absl::Status Refused(const char* what, int error) {
  return absl::InvalidArgumentError(absl::StrCat(what, ": ", strerror(error)));
}

}  // namespace

absl::StatusOr<std::unique_ptr<LiveHost>> LiveHost::Boot(const LiveHostOptions& options,
                                                         MachineStore* store) {
  std::unique_ptr<LiveHost> live(new LiveHost);
  live->simulation_ =
      std::make_unique<Simulation>(Machine::Options{.seed = options.seed, .store = store});
  live->host_ = &live->simulation_->AddHost("host");
  live->scope_ = std::make_unique<MachineScope>(live->simulation_->machine());
  live->alarm_.handler = [](Event*) {};
  live->progress_ = [host = live.get()] {
    const uint64_t events = host->simulation_->machine().events_run();
    host->CountAtThisInstant(events - host->events_seen_);
    host->events_seen_ = events;
  };
  if (absl::Status status = live->Configure(options); !status.ok()) return status;
  LiveHost* const self = live.get();
  self->host_->Spawn("packetdrill", [self] { self->ProcessMain(); }, {.daemon = true});
  self->RunTo(0);
  return live;
}

LiveHost::~LiveHost() {
  if (simulation_ != nullptr) (void)Finish();
}

absl::Status LiveHost::Configure(const LiveHostOptions& options) {
  // System calls take no time that a script could see.
  host_->SetSysctl("kern.syscall_ns", 1);
  if (options.profile == Profile::kFreeBsd) host_->SetSysctl("net.inet.tcp.profile", 1);
  const HostScope scope(*host_);
  ifp_ = if_attach(*host_, "tun0");
  ifp_->if_softc = this;
  ifp_->if_output = &LiveHost::Output;
  ifp_->if_mtu = options.mtu;
  ifp_->if_flags |= IFF_RUNNING | IFF_POINTOPOINT | IFF_MULTICAST;
  if_up(ifp_);
  const bool v6 = options.local.v6();
  const auto prefix_len = static_cast<uint8_t>(options.local_prefix_len);
  const int error = v6 ? in6_ifadd(ifp_, ToIn6Addr(options.local), prefix_len)
                       : in_ifadd(ifp_, ToInAddr(options.local), prefix_len);
  if (error != 0) return Refused("local_ip", error);
  if (v6 && options.local_linklocal.v6()) {
    const in6_addr scoped = in6_setscope(ToIn6Addr(options.local_linklocal), ifp_->if_index);
    if (const int refused = in6_ifadd(ifp_, scoped, 64)) {
      return Refused("local_linklocal_ip", refused);
    }
  }
  const RouteSpec route = {.dest = ToInet(options.remote_net),
                           .family = static_cast<sa_family_t>(v6 ? AF_INET6 : AF_INET),
                           .plen = static_cast<uint8_t>(options.remote_prefix_len),
                           .gateway = ToInet(options.gateway)};
  if (const int route_error = rt_add(route)) return Refused("gateway_ip", route_error);
  return absl::OkStatus();
}

// --- Time. ---

int64_t LiveHost::us_at(SimTime when) { return (when - kStart) / kMicrosecond; }

int64_t LiveHost::now_us() const { return us_at(simulation_->machine().now()); }

Machine::End LiveHost::Run(SimTime until) { return simulation_->machine().Run(until, progress_); }

void LiveHost::CountAtThisInstant(uint64_t n) {
  const SimTime now = simulation_->machine().now();
  if (now != instant_) at_instant_ = 0;
  instant_ = now;
  at_instant_ += n;
  KASSERT(at_instant_ <= kPerInstantMax);
}

bool LiveHost::RunOn(int64_t us) {
  Machine& machine = simulation_->machine();
  const SimTime until = std::max(kStart + us * kMicrosecond, machine.now());
  // The alarm keeps the clock going when nothing else is due.
  const bool alone = Run(machine.now()) == Machine::End::kQuiescent;
  quiescent_ = alone;
  if (until > machine.now()) machine.Schedule(&alarm_, until);
  const bool stopped = Run(until) == Machine::End::kStopped;
  machine.Cancel(&alarm_);
  return stopped;
}

void LiveHost::RunTo(int64_t us) {
  while (RunOn(us)) {
  }
}

bool LiveHost::RunToPacket(int64_t us) {
  const size_t before = sent_.size();
  Machine& machine = simulation_->machine();
  const SimTime until = std::max(kStart + us * kMicrosecond, machine.now());
  while (sent_.size() == before) {
    const Machine::End end = Run(until);
    quiescent_ = end == Machine::End::kQuiescent;
    if (end != Machine::End::kStopped) break;
  }
  return sent_.size() != before;
}

// --- Packets. ---

void LiveHost::Inject(const std::vector<uint8_t>& packet) {
  if (listener_) listener_(simulation_->machine().now(), packet, false);
  const HostScope scope(*host_);
  MbufPtr m = m_devget(reinterpret_cast<const char*>(packet.data()),
                       static_cast<int>(packet.size()), max_linkhdr);
  KASSERT(m != nullptr);
  m->m_pkthdr.ph_family = packet[0] >> 4 == 6 ? AF_INET6 : AF_INET;
  if_input(ifp_, std::move(m));
}

int LiveHost::Output(ifnet* ifp, MbufPtr m, const sockaddr*) {
  auto* const self = static_cast<LiveHost*>(ifp->if_softc);
  SentPacket sent = {self->now_us(), std::vector<uint8_t>(static_cast<size_t>(m->m_pkthdr.len))};
  m_copydata(m.get(), 0, m->m_pkthdr.len, sent.bytes.data());
  if (self->listener_) self->listener_(Now(), sent.bytes, true);
  self->sent_.push_back(std::move(sent));
  self->CountAtThisInstant(1);
  self->simulation_->machine().Stop();
  return 0;
}

// --- Processes. ---

void LiveHost::ProcessMain() {
  struct sigaction ignore = {};
  ignore.sa_handler = SIG_IGN;
  (void)uapi::sigaction(SIGPIPE, &ignore, nullptr);  // errors come as EPIPE
  for (;;) {
    while (!job_) {
      if (tsleep(&job_, PWAIT | PCATCH, "script", 0) != 0) return;
    }
    job_();
    job_ = nullptr;
    simulation_->machine().Stop();
  }
}

bool LiveHost::Do(std::function<void()> body, int64_t us) {
  if (job_) return false;
  job_ = std::move(body);
  {
    const HostScope scope(*host_);
    wakeup(&job_);
  }
  RunTo(now_us());
  if (!job_) return true;
  Machine& machine = simulation_->machine();
  const SimTime until = std::max(kStart + us * kMicrosecond, machine.now());
  while (job_ && Run(until) == Machine::End::kStopped) {
  }
  if (!job_) RunTo(now_us());
  return !job_;
}

void* LiveHost::SleeperMain(void* self) {
  auto* const live = static_cast<LiveHost*>(self);
  live->sleeper_body_();
  live->sleeper_done_us_ = live->now_us();
  live->sleeper_done_ = true;
  live->simulation_->machine().Stop();
  return nullptr;
}

void LiveHost::StartSleeper(std::function<void()> body) {
  KASSERT(sleeper_done_);
  sleeper_done_ = false;
  sleeper_body_ = std::move(body);
  const auto start = [this] {
    pthread_t thread;
    int error = uapi::pthread_create(&thread, nullptr, &LiveHost::SleeperMain, this);
    KASSERT(error == 0);
    error = uapi::pthread_detach(thread);
    KASSERT(error == 0);
  };
  (void)Do(start, now_us());
}

bool LiveHost::RunToSleeper(int64_t us) {
  Machine& machine = simulation_->machine();
  const SimTime until = std::max(kStart + us * kMicrosecond, machine.now());
  while (!sleeper_done_ && Run(until) == Machine::End::kStopped) {
  }
  if (sleeper_done_) RunTo(now_us());
  return sleeper_done_;
}

std::string LiveHost::Finish() {
  const RunResult result = simulation_->Finish();
  scope_.reset();
  simulation_.reset();
  return result.leaks;
}

}  // namespace sockbed::packetdrill
