/* HTTPS by libevent's evhttp over bufferevent_openssl: answers /N with N bytes.
   https_server PORT CERTIFICATE KEY REQUESTS */
#include <err.h>
#include <event2/buffer.h>
#include <event2/bufferevent_ssl.h>
#include <event2/event.h>
#include <event2/http.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>

static struct event_base *base;
static int left, served;

static struct bufferevent *secured(struct event_base *b, void *ctx) {
  return bufferevent_openssl_socket_new(b, -1, SSL_new(ctx), BUFFEREVENT_SSL_ACCEPTING,
                                        BEV_OPT_CLOSE_ON_FREE);
}

static void completed(struct evhttp_request *request, void *arg) {
  struct timeval soon = {1, 0};
  (void)request;
  (void)arg;
  served++;
  if (--left == 0) event_base_loopexit(base, &soon);
}

static void answer(struct evhttp_request *request, void *arg) {
  struct evbuffer *body = evbuffer_new();
  long i, n = atol(evhttp_request_get_uri(request) + 1);
  (void)arg;
  for (i = 0; i < n; i++) {
    char c = (char)('a' + i % 26);
    evbuffer_add(body, &c, 1);
  }
  evhttp_request_set_on_complete_cb(request, completed, NULL);
  evhttp_send_reply(request, HTTP_OK, "OK", body);
  evbuffer_free(body);
}

int main(int argc, char **argv) {
  SSL_CTX *ctx = SSL_CTX_new(TLS_server_method());
  struct evhttp *http;
  if (argc != 5) errx(2, "usage: https_server PORT CERTIFICATE KEY REQUESTS");
  left = atoi(argv[4]);
  signal(SIGPIPE, SIG_IGN);
  if (SSL_CTX_use_certificate_chain_file(ctx, argv[2]) != 1 ||
      SSL_CTX_use_PrivateKey_file(ctx, argv[3], SSL_FILETYPE_PEM) != 1) {
    ERR_print_errors_fp(stderr);
    return 1;
  }
  base = event_base_new();
  http = evhttp_new(base);
  evhttp_set_bevcb(http, secured, ctx);
  evhttp_set_gencb(http, answer, NULL);
  if (evhttp_bind_socket(http, "0.0.0.0", (unsigned short)atoi(argv[1])) != 0) {
    errx(1, "cannot listen on %s", argv[1]);
  }
  event_base_dispatch(base);
  printf("%d requests served by %s\n", served, event_base_get_method(base));
  evhttp_free(http);
  event_base_free(base);
  SSL_CTX_free(ctx);
  return 0;
}
