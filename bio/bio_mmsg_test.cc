// Many datagrams in one call, and local addresses: what OpenSSL 3.2 adds; 3.0 has no oracle for it.
#include <netinet/in.h>

#include <array>

#include "bio/both_ways.h"

namespace sockbed {
namespace {

class BioMmsg : public TwoHosts {
 protected:
  void InProcess(std::function<void()> body) {
    client_.Spawn("test", std::move(body));
    Run();
  }

  static BioPtr Bound(uint16_t port) {
    const int fd = sockbed::BIO_socket(AF_INET, SOCK_DGRAM, 0, 0);
    sockaddr_in any{};
    any.sin_family = AF_INET;
    any.sin_port = htons(port);
    EXPECT_EQ(sockbed::BIO_bind(fd, AddrOf(any).get(), 0), 1);
    return BioPtr(sockbed::BIO_new_dgram(fd, BIO_CLOSE));
  }

  static int SendAll(BIO* bio, BIO_MSG* msgs, size_t count, size_t* processed) {
    return BIO_sendmmsg(bio, msgs, sizeof(BIO_MSG), count, 0, processed);
  }
  static int ReceiveAll(BIO* bio, BIO_MSG* msgs, size_t count, size_t* processed) {
    return BIO_recvmmsg(bio, msgs, sizeof(BIO_MSG), count, 0, processed);
  }
};

TEST_F(BioMmsg, EachMessageHasItsPeerAndItsLength) {
  InProcess([] {
    const BioPtr a = Bound(1), b = Bound(2);
    char one[] = "one", three[] = "three";
    const AddrPtr to = Loopback(2);
    BIO_MSG out[] = {{one, 3, to.get()}, {three, 5, to.get()}};
    size_t processed = 9;
    EXPECT_EQ(SendAll(a.get(), out, 2, &processed), 1);
    EXPECT_EQ(processed, 2u);
    char buffers[3][8];
    const AddrPtr from(BIO_ADDR_new());
    BIO_MSG in[] = {{buffers[0], 8, from.get()}, {buffers[1], 4}, {buffers[2], 8}};
    EXPECT_EQ(ReceiveAll(b.get(), in, 3, &processed), 1);
    EXPECT_EQ(processed, 2u);  // nobody waits for a third
    EXPECT_EQ(in[0].data_len, 3u);
    EXPECT_EQ(in[1].data_len, 4u);  // cut to its room
    EXPECT_EQ(TextOf(from.get()), "127.0.0.1:1");
    EXPECT_EQ(SendAll(a.get(), out, 0, &processed), 1);
    EXPECT_EQ(processed, 0u);
    EXPECT_EQ(TakeErrors(), Errors{}) << "nobody is told of the third";
  });
}

TEST_F(BioMmsg, AFailureOfTheFirstIsAnEntryAndLeavesTheRetryFlags) {
  InProcess([] {
    const BioPtr a = Bound(1);
    int fd = -1;
    BIO_get_fd(a.get(), &fd);
    sockbed::BIO_socket_nbio(fd, 1);
    char buffer[8];
    BIO_MSG msg{buffer, sizeof buffer};
    size_t processed = 9;
    ERR_clear_error();
    EXPECT_EQ(ReceiveAll(a.get(), &msg, 1, &processed), 0);
    EXPECT_EQ(processed, 0u);
    EXPECT_EQ(BIO_err_is_non_fatal(static_cast<unsigned>(ERR_peek_error())), 1);
    EXPECT_EQ(TakeErrors(), (Errors{{ERR_LIB_SYS, EWOULDBLOCK, "calling recvmsg()"}}));
    EXPECT_FALSE(BIO_should_retry(a.get()));
    EXPECT_EQ(SendAll(a.get(), &msg, 1, &processed), 0);
    EXPECT_EQ(BIO_err_is_non_fatal(static_cast<unsigned>(ERR_peek_error())), 0);
    EXPECT_EQ(TakeErrors(), (Errors{{ERR_LIB_SYS, EDESTADDRREQ, "calling sendmsg()"}}));
  });
}

// A BIO's callback hears of the call before it, and may refuse it; and after it, with its result.
TEST_F(BioMmsg, ACallbackHearsOfTheCall) {
  InProcess([] {
    struct Heard {
      int before = 0, after = 0;
      bool refuse = false;
    } heard;
    const BioPtr a = Bound(1);
    BIO_set_callback_arg(a.get(), reinterpret_cast<char*>(&heard));
    BIO_set_callback_ex(
        a.get(),
        [](BIO* bio, int operation, const char* text, size_t, int, long, int ret, size_t*) -> long {
          auto* const self = reinterpret_cast<Heard*>(BIO_get_callback_arg(bio));
          const auto* args = reinterpret_cast<const BIO_MMSG_CB_ARGS*>(text);
          if (operation == BIO_CB_SENDMMSG) {
            self->before = static_cast<int>(args->num_msg);
            return self->refuse ? 0 : 1;
          }
          if (operation == (BIO_CB_SENDMMSG | BIO_CB_RETURN)) {
            self->after = static_cast<int>(*args->num_processed);
          }
          return ret;
        });
    char x[] = "x";
    const AddrPtr to = Loopback(2);
    BIO_MSG out[] = {{x, 1, to.get()}, {x, 1, to.get()}};
    size_t processed = 9;
    EXPECT_EQ(SendAll(a.get(), out, 2, &processed), 1);
    EXPECT_EQ(heard.before, 2);
    EXPECT_EQ(heard.after, 2);
    heard = {.refuse = true};
    EXPECT_EQ(SendAll(a.get(), out, 2, &processed), 0);
    EXPECT_EQ(processed, 0u);
    EXPECT_EQ(heard.after, 0);
    BIO_set_callback_ex(a.get(), nullptr);
  });
}

TEST_F(BioMmsg, ALaterFailureEndsTheCallAndIsNotTold) {
  InProcess([] {
    const BioPtr a = Bound(1), b = Bound(2);
    char text[] = "x";
    const AddrPtr to = Loopback(2);
    BIO_MSG out[] = {{text, 1, to.get()}, {text, 1}, {text, 1, to.get()}};
    size_t processed = 0;
    ERR_clear_error();
    EXPECT_EQ(SendAll(a.get(), out, 3, &processed), 1);
    EXPECT_EQ(processed, 1u);
    EXPECT_EQ(TakeErrors(), Errors{});
  });
}

TEST_F(BioMmsg, WhatIsNotUnderstoodIsRefused) {
  InProcess([] {
    const BioPtr a = Bound(1), other(BIO_new(BIO_s_mem()));
    char text[] = "x";
    const AddrPtr local = Loopback(1);
    BIO_MSG msg{text, 1, nullptr, local.get()};
    size_t processed = 0;
    const auto reason = [] { return ERR_GET_REASON(ERR_get_error()); };
    EXPECT_EQ(SendAll(a.get(), &msg, 1, &processed), 0);
    EXPECT_EQ(reason(), BIO_R_LOCAL_ADDR_NOT_AVAILABLE);
    EXPECT_EQ(SendAll(other.get(), &msg, 1, &processed), 0);
    EXPECT_EQ(reason(), BIO_R_UNSUPPORTED_METHOD);
    const AddrPtr to = Loopback(1);
    msg = {text, 1, to.get()};  // nothing is wrong with it
    processed = 9;
    EXPECT_EQ(BIO_sendmmsg(a.get(), &msg, sizeof msg, 1, 1, &processed), 0);
    EXPECT_EQ(reason(), ERR_R_PASSED_INVALID_ARGUMENT);
    EXPECT_EQ(processed, 0u);
    EXPECT_EQ(BIO_sendmmsg(a.get(), &msg, 1, 1, 0, &processed), 0);
    EXPECT_EQ(reason(), ERR_R_PASSED_INVALID_ARGUMENT);
  });
}

TEST_F(BioMmsg, AtMostSixtyFourGoInOneCall) {
  InProcess([] {
    const BioPtr a = Bound(1), b = Bound(2);
    char text[] = "x";
    const AddrPtr to = Loopback(2);
    std::array<BIO_MSG, 70> out;
    out.fill({text, 1, to.get(), nullptr, 77});
    size_t processed = 0;
    EXPECT_EQ(SendAll(a.get(), out.data(), out.size(), &processed), 1);
    EXPECT_EQ(processed, 64u);
    EXPECT_EQ(out[63].flags, 0u);
    EXPECT_EQ(out[64].flags, 77u) << "it was not looked at";
    EXPECT_EQ(ReceiveAll(b.get(), out.data(), out.size(), &processed), 1);
    EXPECT_GT(processed, 1u);
    EXPECT_EQ(out[1].flags, 0u);
  });
}

// The BIO's own peer stands in for one that a message does not name, unless the socket has one.
TEST_F(BioMmsg, WithoutAPeerAMessageGoesWhereTheBiosGo) {
  InProcess([] {
    const BioPtr a = Bound(1), b = Bound(2);
    char text[] = "four";
    BIO_MSG msg{text, 4};
    size_t processed = 0;
    EXPECT_EQ(BIO_dgram_set_peer(a.get(), Loopback(2).get()), 1);
    EXPECT_EQ(SendAll(a.get(), &msg, 1, &processed), 1);
    int fd = -1;
    BIO_get_fd(a.get(), &fd);
    EXPECT_EQ(sockbed::BIO_connect(fd, Loopback(2).get(), 0), 1);
    EXPECT_EQ(BIO_ctrl_set_connected(a.get(), Loopback(2).get()), 1);
    EXPECT_EQ(SendAll(a.get(), &msg, 1, &processed), 1);
    char buffer[8];
    for (int i = 0; i < 2; ++i) EXPECT_EQ(BIO_read(b.get(), buffer, sizeof buffer), 4);
  });
}

TEST_F(BioMmsg, OnlyWhatWouldHavePassedIsNotFatal) {
  InProcess([] {
    EXPECT_EQ(BIO_err_is_non_fatal(ERR_PACK(ERR_LIB_BIO, 0, BIO_R_NON_FATAL)), 1);
    EXPECT_EQ(BIO_err_is_non_fatal(ERR_PACK(ERR_LIB_BIO, 0, BIO_R_BROKEN_PIPE)), 0);
    EXPECT_EQ(BIO_err_is_non_fatal(ERR_PACK(ERR_LIB_RAND, 0, BIO_R_NON_FATAL)), 0);
    EXPECT_EQ(BIO_err_is_non_fatal(ERR_SYSTEM_FLAG | EINTR), 1);
    EXPECT_EQ(BIO_err_is_non_fatal(ERR_SYSTEM_FLAG | EPIPE), 0);
  });
}

// A host with two addresses answers from the one that was asked.
TEST_F(BioMmsg, LocalAddressesAreToldAndChosen) {
  InProcess([&] {
    const BioPtr server = Bound(1), asker = Bound(2);
    int enabled = 9;
    EXPECT_EQ(BIO_ctrl(server.get(), BIO_CTRL_DGRAM_GET_LOCAL_ADDR_CAP, 0, nullptr), 1);
    EXPECT_EQ(BIO_ctrl(server.get(), BIO_CTRL_DGRAM_SET_LOCAL_ADDR_ENABLE, 1, nullptr), 1);
    EXPECT_EQ(BIO_ctrl(server.get(), BIO_CTRL_DGRAM_GET_LOCAL_ADDR_ENABLE, 0, &enabled), 1);
    EXPECT_EQ(enabled, 1);
    EXPECT_EQ(BIO_ctrl(server.get(), BIO_CTRL_DGRAM_GET_EFFECTIVE_CAPS, 0, nullptr), 15);

    const AddrPtr asked = AddrOf(client_.address(1));
    EXPECT_EQ(BIO_dgram_set_peer(asker.get(), asked.get()), 1);
    EXPECT_EQ(BIO_puts(asker.get(), "who?"), 4);
    char buffer[8];
    const AddrPtr peer(BIO_ADDR_new()), local(BIO_ADDR_new());
    BIO_MSG msg{buffer, sizeof buffer, peer.get(), local.get()};
    size_t processed = 0;
    EXPECT_EQ(ReceiveAll(server.get(), &msg, 1, &processed), 1);
    EXPECT_EQ(TextOf(local.get()), TextOf(asked.get()));
    EXPECT_EQ(SendAll(server.get(), &msg, 1, &processed), 1);
    EXPECT_EQ(BIO_read(asker.get(), buffer, sizeof buffer), 4);
    EXPECT_EQ(BIO_dgram_get_peer(asker.get(), peer.get()), 1);
    EXPECT_EQ(TextOf(peer.get()), TextOf(asked.get()));  // and not 127.0.0.1

    // A later failure is not told; port 0 stands for the socket's own, and no address for any.
    char more[] = "m";
    const AddrPtr back = AddrOf(client_.address(2)), any = AddrOf(client_.address(0)),
                  none(BIO_ADDR_new());
    BIO_MSG few[] = {{more, 1, back.get(), any.get()},
                     {more, 1, back.get(), none.get()},
                     {more, 1, back.get(), back.get()}};
    ERR_clear_error();
    EXPECT_EQ(SendAll(server.get(), few, 3, &processed), 1);
    EXPECT_EQ(processed, 2u);
    EXPECT_EQ(TakeErrors(), Errors{});

    BIO_MSG wrong{buffer, 1, peer.get(), peer.get()};
    BIO_ADDR_rawmake(peer.get(), AF_INET, "\x7f\0\0\x01", 4, htons(77));
    EXPECT_EQ(SendAll(server.get(), &wrong, 1, &processed), 0);
    EXPECT_EQ(ERR_GET_REASON(ERR_get_error()), BIO_R_PORT_MISMATCH);
  });
}

TEST_F(BioMmsg, TheDescriptorToWaitOnIsTold) {
  InProcess([] {
    const BioPtr bio = Bound(1);
    BIO_POLL_DESCRIPTOR descriptor;
    EXPECT_EQ(BIO_ctrl(bio.get(), BIO_CTRL_GET_RPOLL_DESCRIPTOR, 0, &descriptor), 1);
    EXPECT_EQ(descriptor.type, unsigned{BIO_POLL_DESCRIPTOR_TYPE_SOCK_FD});
    BIO_POLL_DESCRIPTOR for_write;
    EXPECT_EQ(BIO_ctrl(bio.get(), BIO_CTRL_GET_WPOLL_DESCRIPTOR, 0, &for_write), 1);
    EXPECT_EQ(for_write.value.fd, descriptor.value.fd);
    const BioPtr fresh(BIO_new(sockbed::BIO_s_datagram()));
    EXPECT_EQ(BIO_ctrl(fresh.get(), BIO_CTRL_GET_RPOLL_DESCRIPTOR, 0, &for_write), 0);
    EXPECT_EQ(descriptor.value.fd, BIO_get_fd(bio.get(), nullptr));
  });
}

}  // namespace
}  // namespace sockbed
