// Families: finding a protocol, initialising one, the two timers that run for all protocols.
#include <cerrno>
#include <string>

#include "kernel/sched/timeout.h"
#include "kernel/socket/socket_test_host.h"

namespace sockbed {
namespace {

using DomainTest = SocketTestHost;

constexpr pr_usrreqs kNoRequests = {};
constexpr protosw kTable[] = {
    {SOCK_DGRAM, nullptr, 0, 0, &kNoRequests, nullptr},
    {SOCK_RAW, nullptr, 1, 0, &kNoRequests, nullptr},
    {SOCK_RAW, nullptr, 0, 0, &kNoRequests, nullptr},  // the wildcard
    {SOCK_RAW, nullptr, 0, PR_ATOMIC, &kNoRequests, nullptr},
    {0, nullptr, 9, 0, &kNoRequests, nullptr},
    {SOCK_STREAM, nullptr, 6, 0, nullptr, nullptr},  // answers nothing
};
constexpr domain kFamily = {.dom_family = AF_X25,
                            .dom_name = "test",
                            .dom_externalize = nullptr,
                            .dom_dispose = nullptr,
                            .dom_protosw = kTable};

TEST_F(DomainTest, ProtocolIsFoundByTypeOrByNumberInTheOrderOfTheTable) {
  domain_register(host(), &kFamily);
  InProcess([] {
    EXPECT_EQ(pffindtype(AF_X25, SOCK_DGRAM), &kTable[0]);
    EXPECT_EQ(pffindtype(AF_X25, SOCK_RAW), &kTable[1]);
    EXPECT_EQ(pffindtype(AF_X25, 0), nullptr) << "no type is a type";
    EXPECT_EQ(pffindtype(AF_X25, SOCK_RDM), nullptr);
    EXPECT_EQ(pffindproto(AF_X25, 1, SOCK_RAW), &kTable[1]);
    EXPECT_EQ(pffindproto(AF_X25, 77, SOCK_RAW), &kTable[2]);
    EXPECT_EQ(pffindproto(AF_X25, 77, SOCK_DGRAM), nullptr);
    EXPECT_EQ(pffindproto(AF_UNSPEC, 1, SOCK_RAW), nullptr);
    socket* so = nullptr;
    EXPECT_EQ(socreate(AF_X25, &so, SOCK_STREAM, 0), EPROTONOSUPPORT) << "it answers nothing";
  });
}

// --- Initialising, and the timers. ---

// What the hooks of a host write down.
struct HookLog {
  static constexpr HostSlot kHostSlot = HostSlot::kInet;
  std::string text;
};

template <char kName>
void Log() {
  HostLocal<HookLog>::Get().text += kName;
}

// The same with the tick at which it came.
template <char kName>
void LogTick() {
  HostLocal<HookLog>::Get().text += kName + std::to_string(ticks()) + " ";
}

constexpr protosw kBusyTable[] = {
    {.pr_type = SOCK_DGRAM, .pr_init = Log<'1'>},
    {.pr_type = SOCK_STREAM, .pr_fasttimo = LogTick<'f'>, .pr_slowtimo = LogTick<'s'>},
    {.pr_type = SOCK_RAW, .pr_init = Log<'2'>, .pr_fasttimo = LogTick<'g'>},
};
constexpr domain kBusyFamily = {
    .dom_family = AF_X25, .dom_name = "busy", .dom_protosw = kBusyTable, .dom_init = Log<'d'>};
constexpr protosw kLateTable[] = {{.pr_type = SOCK_DGRAM, .pr_slowtimo = LogTick<'l'>}};
constexpr domain kLateFamily = {
    .dom_family = AF_IPX, .dom_name = "late", .dom_protosw = kLateTable, .dom_init = Log<'e'>};

class ProtocolHooksTest : public DomainTest {
 protected:
  ProtocolHooksTest() : log_(HostLocal<HookLog>::Make(host()).text) {}

  std::string& log_;
};

TEST_F(ProtocolHooksTest, FamilyIsInitialisedBeforeItsProtocolsInOrderOfTheTable) {
  domain_register(host(), &kBusyFamily);
  EXPECT_EQ(log_, "d12");
}

TEST_F(ProtocolHooksTest, TimersComeAfterATickAndThenEvery200And500MsForAllProtocols) {
  domain_register(host(), &kBusyFamily);
  domain_register(host(), &kLateFamily);
  log_.clear();
  InProcess([] { Pause(600 * kMillisecond); });
  EXPECT_EQ(log_, "f1 g1 s1 l1 f21 g21 f41 g41 s51 l51 ");
  EXPECT_EQ(machine().now(), 600 * kMillisecond) << "alone they keep no run going";
}

TEST_F(ProtocolHooksTest, TimersStopWithTheHost) {
  domain_register(host(), &kBusyFamily);
  log_.clear();
  socket_halt(host());
  InProcess([] { Pause(kSecond); });
  EXPECT_EQ(log_, "");
}

TEST_F(ProtocolHooksTest, FamilyWithoutTimersArmsNone) {
  domain_register(host(), &kFamily);
  EXPECT_FALSE(timeout_pending(&sockets().pffasttimo_to));
  EXPECT_FALSE(timeout_pending(&sockets().pfslowtimo_to));
}

}  // namespace
}  // namespace sockbed
