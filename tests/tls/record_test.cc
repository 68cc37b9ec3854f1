// Records: how data is cut and padded on its way out, and what waits on its way in.
#include <openssl/ssl.h>

#include "tests/tls/tls_hosts.h"

namespace sockbed::ssl {
namespace {

constexpr int kOverhead = 5 + 1 + 16;  // of a TLS 1.3 record: header, type, tag

// The sizes of the writes of one BIO.
class Writes {
 public:
  explicit Writes(BIO* bio) : bio_(bio) {
    BIO_set_callback_arg(bio, reinterpret_cast<char*>(this));
    BIO_set_callback_ex(bio, Note);
  }
  ~Writes() { BIO_set_callback_ex(bio_, nullptr); }
  Writes(const Writes&) = delete;
  Writes& operator=(const Writes&) = delete;

  // Those since the last call.
  std::vector<int> Take() { return std::exchange(sizes_, {}); }

 private:
  static long Note(BIO* bio, int operation, const char* /*data*/, size_t size, int /*argi*/,
                   long /*argl*/, int ret, size_t* /*processed*/) {
    auto* const self = reinterpret_cast<Writes*>(BIO_get_callback_arg(bio));
    if (operation == BIO_CB_WRITE) self->sizes_.push_back(static_cast<int>(size));
    return ret;
  }

  BIO* const bio_;
  std::vector<int> sizes_;
};

class Records : public TlsHosts {
 protected:
  // A server that reads to the end; a client whose `body` writes.
  void Play(Body body) {
    Serve([this](SSL* ssl) {
      ExpectHandshake(ssl);
      std::string part(20'000, '\0');
      for (;;) {
        const Outcome read = Read(ssl, part.data(), part.size());
        if (!read.ok()) break;
        read_.append(part, 0, static_cast<size_t>(read.ret));
      }
      Shutdown(ssl);
    });
    Ask([body](SSL* ssl) {
      ExpectHandshake(ssl);
      body(ssl);
      EXPECT_TRUE(Shutdown(ssl).ok());
    });
    Run();
  }

  static void WaitForGoodbye(SSL* ssl) {
    char byte;
    EXPECT_EQ(Read(ssl, &byte, 1).ssl_error, SSL_ERROR_ZERO_RETURN);
    EXPECT_TRUE(Shutdown(ssl).ok());
  }

  std::string read_;
};

using Sizes = std::vector<int>;

TEST_F(Records, AreOfSixteenKilobytesAtMost) {
  Play([](SSL* ssl) {
    Writes writes(SSL_get_wbio(ssl));
    WriteText(ssl, std::string(40'000, 'x'));
    constexpr int kWhole = 16'384 + kOverhead;
    EXPECT_EQ(writes.Take(), (Sizes{kWhole, kWhole, 40'000 - 2 * 16'384 + kOverhead}));
  });
  EXPECT_EQ(read_, std::string(40'000, 'x'));
}

TEST_F(Records, APartialWriteIsOneOfThem) {
  Play([](SSL* ssl) {
    SSL_set_mode(ssl, SSL_MODE_ENABLE_PARTIAL_WRITE);
    const std::string data(40'000, 'x');
    EXPECT_EQ(SSL_write(ssl, data.data(), 40'000), 16'384);
  });
  EXPECT_EQ(read_.size(), 16'384u);
}

TEST_F(Records, MayBeMadeSmaller) {
  Play([](SSL* ssl) {
    Writes writes(SSL_get_wbio(ssl));
    EXPECT_EQ(SSL_set_max_send_fragment(ssl, 512), 1);
    WriteText(ssl, std::string(1200, 'x'));
    EXPECT_EQ(writes.Take(), (Sizes{512 + kOverhead, 512 + kOverhead, 176 + kOverhead}));
    EXPECT_EQ(SSL_set_max_send_fragment(ssl, 511), 0);
    ERR_clear_error();
  });
  EXPECT_EQ(read_.size(), 1200u);
}

// RFC 8446 5.4: what a record carries, its length does not tell.
TEST_F(Records, MayBePaddedToBlocks) {
  Play([](SSL* ssl) {
    Writes writes(SSL_get_wbio(ssl));
    EXPECT_EQ(SSL_set_block_padding(ssl, 512), 1);
    WriteText(ssl, "x");
    WriteText(ssl, std::string(500, 'x'));
    WriteText(ssl, std::string(512, 'x'));
    EXPECT_EQ(writes.Take(), (Sizes{512 + 21, 512 + 21, 1024 + 21}));
  });
  EXPECT_EQ(read_, std::string(1013, 'x'));
}

// A program that waits in poll must ask SSL_pending first: poll knows nothing of what is decrypted.
TEST_F(Records, WhatIsLeftOfOneIsPendingAndNoSocketTellsOfIt) {
  Serve([](SSL* ssl) {
    ExpectHandshake(ssl);
    char text[8];
    EXPECT_EQ(SSL_read(ssl, text, 2), 2);
    EXPECT_EQ(SSL_pending(ssl), 3);
    EXPECT_EQ(SSL_has_pending(ssl), 1);
    pollfd entry{SSL_get_fd(ssl), POLLIN, 0};
    EXPECT_EQ(uapi::poll(&entry, 1, 1000), 0);
    EXPECT_EQ(SSL_read(ssl, text, sizeof text), 3);
    EXPECT_EQ(SSL_has_pending(ssl), 0);
    EXPECT_TRUE(Shutdown(ssl).ok());
  });
  Ask([](SSL* ssl) {
    ExpectHandshake(ssl);
    WriteText(ssl, "hello");
    WaitForGoodbye(ssl);
  });
  Run();
}

// Reading ahead takes records that are not decrypted yet: only SSL_has_pending knows of them.
TEST_F(Records, ReadAheadTheNextOneIsPendingUndecrypted) {
  Serve([](SSL* ssl) {
    SSL_set_read_ahead(ssl, 1);
    ExpectHandshake(ssl);
    uapi::usleep(500'000);  // both have come
    char text[8];
    EXPECT_EQ(SSL_read(ssl, text, sizeof text), 3);
    EXPECT_EQ(SSL_pending(ssl), 0);
    EXPECT_EQ(SSL_has_pending(ssl), 1);
    pollfd entry{SSL_get_fd(ssl), POLLIN, 0};
    EXPECT_EQ(uapi::poll(&entry, 1, 1000), 0);
    EXPECT_EQ(SSL_read(ssl, text, sizeof text), 5);
    EXPECT_EQ(SSL_has_pending(ssl), 0);
    EXPECT_TRUE(Shutdown(ssl).ok());
  });
  Ask([](SSL* ssl) {
    ExpectHandshake(ssl);
    WriteText(ssl, "one");
    WriteText(ssl, "three");
    WaitForGoodbye(ssl);
  });
  Run();
}

// A record costs two reads, its header's and its body's, and a server's flight is six of them;
// reading ahead it costs one.
class ReadCalls : public Records, public testing::WithParamInterface<bool> {};

TEST_P(ReadCalls, OfAHandshake) {
  int client_reads = 0;
  const auto count = [](BIO* bio, int operation, const char*, size_t, int, long, int ret,
                        size_t*) -> long {
    if (operation == BIO_CB_READ) ++*reinterpret_cast<int*>(BIO_get_callback_arg(bio));
    return ret;
  };
  Serve([](SSL* ssl) {
    ExpectHandshake(ssl);
    EXPECT_EQ(ReadText(ssl), "x");
  });
  Ask([&](SSL* ssl) {
    SSL_set_read_ahead(ssl, GetParam());
    BIO_set_callback_arg(SSL_get_rbio(ssl), reinterpret_cast<char*>(&client_reads));
    BIO_set_callback_ex(SSL_get_rbio(ssl), count);
    ExpectHandshake(ssl);
    BIO_set_callback_ex(SSL_get_rbio(ssl), nullptr);
    WriteText(ssl, "x");
    SSL_set_quiet_shutdown(ssl, 1);
  });
  Run();
  EXPECT_EQ(client_reads, GetParam() ? 1 : 12);
}

INSTANTIATE_TEST_SUITE_P(Ahead, ReadCalls, testing::Bool(),
                         [](const auto& ahead) { return ahead.param ? "ReadAhead" : "Plain"; });

}  // namespace
}  // namespace sockbed::ssl
