/* TLS as the manual pages of OpenSSL have it: the client's socket is given by SSL_set_fd or made by
   BIO_s_connect, the server's by accept(2) and SSL_set_fd or by BIO_s_accept; DTLS goes by
   BIO_s_datagram.
   tls_echo serve|ask fd|bio|dgram HOST PORT CERTIFICATES [KEY] */
#include <err.h>
#include <netdb.h>
#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define BYTES 40000 /* of an answer, over a stream */

static const char *host, *port;

static void fail(const char *what) {
  ERR_print_errors_fp(stderr);
  errx(1, "%s", what);
}

/* A connected socket, or a bound one. */
static int open_socket(int type, int serves) {
  struct addrinfo hints = {.ai_family = AF_INET, .ai_socktype = type}, *found;
  int fd, on = 1, error;
  if (serves) hints.ai_flags = AI_PASSIVE;
  error = getaddrinfo(serves ? NULL : host, port, &hints, &found);
  if (error != 0) errx(1, "%s: %s", host, gai_strerror(error));
  fd = socket(found->ai_family, found->ai_socktype, found->ai_protocol);
  if (fd < 0) err(1, "socket");
  if (serves) {
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    if (bind(fd, found->ai_addr, found->ai_addrlen) != 0) err(1, "bind");
    if (type == SOCK_STREAM && listen(fd, 5) != 0) err(1, "listen");
  } else if (connect(fd, found->ai_addr, found->ai_addrlen) != 0) {
    err(1, "connect");
  }
  freeaddrinfo(found);
  return fd;
}

/* A datagram socket that is connected, once the server knows to whom. */
static void give_datagrams(SSL *ssl, int serves) {
  const int fd = open_socket(SOCK_DGRAM, serves);
  struct timeval limit = {1, 0};
  BIO *bio = BIO_new_dgram(fd, BIO_CLOSE);
  BIO_ADDR *peer = BIO_ADDR_new();
  struct sockaddr_in name = {.sin_family = AF_INET};
  socklen_t len = sizeof name;
  SSL_set_bio(ssl, bio, bio);
  if (serves) {
    size_t size = sizeof name.sin_addr;
    SSL_set_options(ssl, SSL_OP_COOKIE_EXCHANGE);
    while (DTLSv1_listen(ssl, peer) <= 0) continue;
    BIO_ADDR_rawaddress(peer, &name.sin_addr, &size);
    name.sin_port = BIO_ADDR_rawport(peer);
    if (connect(fd, (struct sockaddr *)&name, sizeof name) != 0) err(1, "connect");
  } else {
    getpeername(fd, (struct sockaddr *)&name, &len);
    BIO_ADDR_rawmake(peer, AF_INET, &name.sin_addr, sizeof name.sin_addr, name.sin_port);
  }
  BIO_ctrl(bio, BIO_CTRL_DGRAM_SET_CONNECTED, 0, peer);
  BIO_ctrl(bio, BIO_CTRL_DGRAM_SET_RECV_TIMEOUT, 0, &limit);
  BIO_ADDR_free(peer);
}

/* What the handshake of one connection is made over. */
static void give_socket(SSL *ssl, const char *how, int serves) {
  int fd;
  if (strcmp(how, "bio") == 0) {
    char name[300];
    BIO *bio;
    snprintf(name, sizeof name, "%s:%s", serves ? "*" : host, port);
    bio = serves ? BIO_new_accept(name) : BIO_new_connect(name);
    if (serves) {
      BIO *listener = bio;
      /* The first call binds, the second accepts. */
      if (BIO_do_accept(listener) <= 0 || BIO_do_accept(listener) <= 0) fail("BIO_do_accept");
      bio = BIO_pop(listener);
      BIO_free(listener);
    } else if (BIO_do_connect(bio) <= 0) {
      fail("BIO_do_connect");
    }
    SSL_set_bio(ssl, bio, bio);
    return;
  }
  if (strcmp(how, "dgram") == 0) {
    give_datagrams(ssl, serves);
    return;
  }
  fd = open_socket(SOCK_STREAM, serves);
  if (serves) {
    int listener = fd;
    fd = accept(listener, NULL, NULL);
    if (fd < 0) err(1, "accept");
    close(listener);
  }
  if (SSL_set_fd(ssl, fd) != 1) fail("SSL_set_fd");
  if (SSL_get_fd(ssl) != fd) errx(1, "SSL_get_fd");
}

static int cookie(SSL *ssl, unsigned char *bytes, unsigned *len) {
  (void)ssl;
  memset(bytes, 'c', *len = 16);
  return 1;
}
static int verify_cookie(SSL *ssl, const unsigned char *bytes, unsigned len) {
  (void)ssl;
  return len == 16 && bytes[15] == 'c';
}

static void hand_shake(SSL *ssl, int serves) {
  int n;
  while ((n = serves ? SSL_accept(ssl) : SSL_connect(ssl)) <= 0) {
    if (SSL_get_error(ssl, n) != SSL_ERROR_WANT_READ) fail("handshake");
    DTLSv1_handle_timeout(ssl);
  }
}

int main(int argc, char **argv) {
  static char data[BYTES];
  const int serves = argc > 2 && strcmp(argv[1], "serve") == 0;
  const int dgram = argc > 2 && strcmp(argv[2], "dgram") == 0;
  long sum = 0, wanted = dgram ? 1000 : BYTES;
  SSL_CTX *ctx;
  SSL *ssl;
  int n, turns = 0;
  if (argc != (serves ? 7 : 6)) errx(2, "usage: see the head of tls_echo.c");
  host = argv[3];
  port = argv[4];
  ctx = SSL_CTX_new(dgram ? DTLS_method() : TLS_method());
  if (serves) {
    SSL_CTX_set_cookie_generate_cb(ctx, cookie);
    SSL_CTX_set_cookie_verify_cb(ctx, verify_cookie);
    if (SSL_CTX_use_certificate_chain_file(ctx, argv[5]) != 1) fail(argv[5]);
    if (SSL_CTX_use_PrivateKey_file(ctx, argv[6], SSL_FILETYPE_PEM) != 1) fail(argv[6]);
  } else {
    SSL_CTX_set_verify(ctx, SSL_VERIFY_PEER, NULL);
    if (SSL_CTX_load_verify_locations(ctx, argv[5], NULL) != 1) fail(argv[5]);
  }
  ssl = SSL_new(ctx);
  if (!serves && SSL_set1_host(ssl, host) != 1) fail(host);
  give_socket(ssl, argv[2], serves);
  hand_shake(ssl, serves);
  if (serves) {
    /* A datagram may be lost, and the question come again. */
    do {
      n = SSL_read(ssl, data, sizeof data);
      if (n > 0) {
        memset(data, 'e', sizeof data);
        if (SSL_write(ssl, data, (int)wanted) != wanted) fail("SSL_write");
        sum = wanted;
      } else if (SSL_get_error(ssl, n) != SSL_ERROR_WANT_READ) {
        break;
      }
    } while (dgram && ++turns < 10);
  }
  while (!serves && sum < wanted) {
    if (sum == 0 && SSL_write(ssl, "which way?", 10) != 10) fail("SSL_write");
    do {
      n = SSL_read(ssl, data, sizeof data);
      if (n > 0) sum += n;
    } while (n > 0 && sum < wanted);
    if (n <= 0 && SSL_get_error(ssl, n) != SSL_ERROR_WANT_READ) fail("SSL_read");
  }
  printf("%ld bytes by %s over %s\n", sum, SSL_get_version(ssl), argv[2]);
  SSL_shutdown(ssl);
  SSL_free(ssl);
  SSL_CTX_free(ctx);
  return sum == wanted ? 0 : 1;
}
