#include "tools/scenario.h"

#include <cstdio>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace sockbed::tools {
namespace {

using testing::HasSubstr;
using testing::StartsWith;

constexpr char kHosts[] = "hosts: {server: {}, client: {}}\n";
constexpr char kPrograms[] = "programs: [{host: server, run: udp-echo-server}]\n";

// The error that `text` gives, or "".
std::string ErrorOf(const std::string& text,
                    const std::map<std::string, std::string>& settings = {}) {
  const auto scenario = ParseScenario("s.yaml", text, settings);
  return scenario.ok() ? "" : std::string(scenario.status().message());
}

TEST(Scenario, ReadsHostsLinksProgramsAndExpectations) {
  const auto scenario = ParseScenario("s.yaml", R"(
name: two
hosts: {a: {clock_offset: 5 s}, b: {sysctl: {net.inet.tcp.sack: 0},
        resolver: {nameservers: [a, 192.0.2.1], search: [example.org], timeout: 2 s,
                   names: {www.lan: a}}}}
links: [{between: [a, b], rate: 1 Mbit/s, latency: 3 ms, loss: 50 %, queue: 10, mtu: 600,
         ethernet: true}]
programs:
  - {host: a, run: tcp-echo-server, name: one, start: 1 s}
  - {host: b, run: tcp-echo-client, args: {server: a, count: 3}}
faults: [{site: mbuf.get, host: b, nth: 4}, {site: mbuf.cluster, pool: mcl2k2, nth: 2}]
expect: [{program: b/tcp-echo-client, exit: 0}, {ends_by: 9 s}]
end: 1 min
)",
                                      {});
  ASSERT_TRUE(scenario.ok()) << scenario.status();
  EXPECT_EQ(scenario->hosts[0].clock_offset, 5 * kSecond);
  EXPECT_EQ(scenario->hosts[1].sysctls[0].name, "net.inet.tcp.sack");
  EXPECT_EQ(scenario->hosts[1].sysctls[0].value, "0");
  ASSERT_TRUE(scenario->hosts[1].resolver.has_value());
  EXPECT_EQ(scenario->hosts[1].resolver->nameservers[1].text, "192.0.2.1");
  EXPECT_EQ(scenario->hosts[1].resolver->search, std::vector<std::string>{"example.org"});
  EXPECT_EQ(scenario->hosts[1].resolver->timeout, 2 * kSecond);
  EXPECT_EQ(scenario->hosts[1].resolver->names[0].first, "www.lan");
  const ScenarioLink& link = scenario->links[0];
  EXPECT_EQ(link.name, "a-b");
  EXPECT_EQ(link.bits_per_second, 1'000'000);
  EXPECT_EQ(link.loss, kAlways / 2);
  EXPECT_EQ(link.mtu, 600);
  EXPECT_TRUE(link.ethernet);
  EXPECT_EQ(scenario->programs[0].name, "one");
  EXPECT_EQ(scenario->programs[0].args.port("port"), 7);
  EXPECT_EQ(scenario->programs[1].args.number("count"), 3);
  EXPECT_EQ(scenario->faults[0].host, 2);
  EXPECT_EQ(scenario->faults[0].only_ordinal, 4u);
  EXPECT_EQ(scenario->faults[0].only_object, std::nullopt);
  EXPECT_EQ(scenario->faults[1].only_object, 2u);
  EXPECT_EQ(scenario->expectations[0].exit_status, 0);
  EXPECT_EQ(scenario->end, 60 * kSecond);
}

TEST(Scenario, SettingsReplaceVariables) {
  const std::string text = std::string("variables: {delay: 1 ms}\n") + kHosts +
                           "links: [{between: [server, client], latency: '${delay}'}]\n" +
                           kPrograms;
  EXPECT_EQ(ParseScenario("s", text, {})->links[0].latency, kMillisecond);
  EXPECT_EQ(ParseScenario("s", text, {{"delay", "2 s"}})->links[0].latency, 2 * kSecond);
}

TEST(Scenario, LinksHaveAddressesOfBothFamilies) {
  const std::string text = std::string(kHosts) +
                           "links: [{between: [server, client],"
                           " addresses6: ['2001:db8::1/64', '2001:db8::2/64']}]\n" +
                           "programs: [{host: client, run: ping, args: {host: '2001:db8::1'}}]\n";
  const absl::StatusOr<Scenario> scenario = ParseScenario("s", text, {});
  ASSERT_TRUE(scenario.ok()) << scenario.status();
  EXPECT_EQ(scenario->links[0].first_address, "");
  EXPECT_EQ(scenario->links[0].second_address6, "2001:db8::2/64");
  EXPECT_EQ(scenario->programs[0].args.text("host"), "2001:db8::1");
}

// What goes wrong, and a part of what the message must say; the place comes first.
struct BadCase {
  const char* name;
  const char* text;
  const char* place;
  const char* says;
};

class BadScenario : public testing::TestWithParam<BadCase> {};

TEST_P(BadScenario, NamesPlaceFoundAndAllowed) {
  const std::string error = ErrorOf(GetParam().text);
  EXPECT_THAT(error, StartsWith(GetParam().place));
  EXPECT_THAT(error, HasSubstr(GetParam().says));
}

INSTANTIATE_TEST_SUITE_P(
    Errors, BadScenario,
    testing::Values(
        BadCase{"Syntax", "hosts: {a: {}\nprograms: ]", "s.yaml:2:", ""},
        BadCase{"UnknownKey", "hosts: {a: {}}\nlinsk: []\nprograms: []", "s.yaml:2:1: ",
                "unknown key \"linsk\" in the scenario (did you mean links?); allowed: "},
        BadCase{"UnknownLinkKey",
                "hosts: {a: {}, b: {}}\nlinks:\n  - {between: [a, b], lss: 1 %}\nprograms: []",
                "s.yaml:3:23: ", "did you mean loss?"},
        BadCase{"UnknownProgram", "hosts: {a: {}}\nprograms:\n  - {host: a, run: tcp-ech-server}",
                "s.yaml:3:20: ", "(did you mean tcp-echo-server?); programs: "},
        BadCase{"DuplicateHost", "hosts:\n  a: {}\n  a: {}\nprograms: []",
                "s.yaml:3:3: ", "\"a\" stands twice in hosts"},
        BadCase{"LinkToNowhere", "hosts: {a: {}}\nlinks:\n  - between: [a, c]\nprograms: []",
                "s.yaml:3:18: ", "between names no host: \"c\""},
        BadCase{"LinkToItself", "hosts: {a: {}}\nlinks:\n  - between: [a, a]\nprograms: []",
                "s.yaml:3:14: ", "two different hosts"},
        BadCase{"BadUnit",
                "hosts: {a: {}, b: {}}\nlinks: [{between: [a, b], latency: 3 miles}]\nprograms: []",
                "s.yaml:2:36: ", "a number and one of ns, us, ms, s"},
        BadCase{"BadChance",
                "hosts: {a: {}, b: {}}\nlinks: [{between: [a, b], loss: 0.1}]\nprograms: []",
                "s.yaml:2:33: ", "a percentage"},
        BadCase{
            "MissingFile",
            "hosts: {a: {}}\nprograms: [{host: a, run: tls-file-server, args: {file: no/such}}]",
            "s.yaml:2:57: ", "No such file"},
        BadCase{"MissingArgument", "hosts: {a: {}}\nprograms: [{host: a, run: tcp-echo-client}]",
                "s.yaml:2:12: ", "needs the argument \"server\""},
        BadCase{"WrongType", "hosts: [a, b]\nprograms: []",
                "s.yaml:1:8: ", "hosts must be a mapping, not a list"},
        BadCase{"BadPort",
                "hosts: {a: {}}\nprograms: [{host: a, run: tcp-echo-server, args: {port: 70000}}]",
                "s.yaml:2:57: ", "from 1 to 65535"},
        BadCase{"NoVariable", "name: ${who}\nhosts: {a: {}}\nprograms: []",
                "s.yaml:1:7: ", "no variable ${who}"},
        BadCase{"UnknownSite", "hosts: {a: {}}\nprograms: []\nfaults: [{site: mbuf.gte}]",
                "s.yaml:3:17: ", "did you mean mbuf.get?"},
        BadCase{"UnknownPool",
                "hosts: {a: {}}\nprograms: []\nfaults: [{site: mbuf.cluster, pool: mcl3k}]",
                "s.yaml:3:37: ", "unknown pool \"mcl3k\" (did you mean mcl2k?); pools: mbufpl, "},
        BadCase{"PoolOfAnotherSite",
                "hosts: {a: {}}\nprograms: []\nfaults: [{site: mbuf.get, pool: mcl64k}]",
                "s.yaml:3:33: ", "the site of pool mcl64k is mbuf.cluster"},
        BadCase{"PoolOfNoSite",
                "hosts: {a: {}}\nprograms: []\nfaults: [{site: link.drop, pool: mbufpl}]",
                "s.yaml:3:34: ", "the site of pool mbufpl is mbuf.get"},
        BadCase{"HalfExpectation", "hosts: {a: {}}\nprograms: []\nexpect: [{exit: 0}]",
                "s.yaml:3:10: ", "an expectation is one of"},
        BadCase{"NoRoute", "hosts: {a: {routes: {10.0.2.1/24: 10.0.1.2}}}\nprograms: []",
                "s.yaml:1:22: ", "is no route, such as 10.0.2.0/30: 10.0.1.2"},
        BadCase{"NoSuchProgramFile", "hosts: {a: {}}\nprograms: [{host: a, run: ./none.so}]",
                "s.yaml:2:27: ", "cannot run ./none.so: No such file"},
        BadCase{"NoProgramFile", "hosts: {a: {}}\nprograms: [{host: a, run: /bin/sh}]",
                "s.yaml:2:27: ", "does not export main"},
        BadCase{"NoFolder", "hosts: {a: {files: [{at: /srv, from: none}]}}\nprograms: []",
                "s.yaml:1:38: ", "no such folder: \"none\""},
        BadCase{"NoPlace", "hosts: {a: {files: [{at: srv}]}}\nprograms: []",
                "s.yaml:1:26: ", "at must be an absolute name"},
        BadCase{"NoPrograms", "hosts: {a: {}}\n", "s.yaml:1:1: ", "needs \"programs\""}),
    [](const auto& info) { return info.param.name; });

TEST(Scenario, RefusesSettingsOfUnknownVariables) {
  const std::string text = std::string("variables: {loss: 1 %}\n") + kHosts + kPrograms;
  EXPECT_THAT(ErrorOf(text, {{"los", "2 %"}}), HasSubstr("(did you mean loss?)"));
}

TEST(Scenario, NamesTheFileThatCannotBeRead) {
  const auto scenario = LoadScenario("no/such.yaml", {});
  ASSERT_FALSE(scenario.ok());
  EXPECT_THAT(std::string(scenario.status().message()), HasSubstr("no/such.yaml"));
}

}  // namespace
}  // namespace sockbed::tools
