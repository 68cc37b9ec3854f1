/* libuv: one loop with an echo server, or clients of one, which find it in a thread of the pool.
   uv_echo serve PORT CLIENTS | uv_echo ask HOST PORT CLIENTS BYTES */
#include <err.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <uv.h>

static uv_loop_t *loop;
static uv_tcp_t listener;
static int left;
static long total, bytes;

static void room(uv_handle_t *handle, size_t wanted, uv_buf_t *buffer) {
  (void)handle;
  *buffer = uv_buf_init(malloc(wanted), (unsigned)wanted);
}

static void gone(uv_handle_t *handle) { free(handle); }

static void written(uv_write_t *request, int status) {
  if (status != 0) errx(1, "write: %s", uv_strerror(status));
  free(request->data);
  free(request);
}

/* Takes data. */
static void put(uv_stream_t *stream, char *data, size_t len) {
  uv_write_t *request = malloc(sizeof *request);
  uv_buf_t buffer = uv_buf_init(data, (unsigned)len);
  request->data = data;
  uv_write(request, stream, &buffer, 1, written);
}

static void echo(uv_stream_t *stream, ssize_t n, const uv_buf_t *buffer) {
  if (n > 0) {
    total += n;
    put(stream, buffer->base, (size_t)n);
    return;
  }
  free(buffer->base);
  if (n == 0) return;
  uv_close((uv_handle_t *)stream, gone);
  if (--left == 0) uv_close((uv_handle_t *)&listener, NULL);
}

static void accepted(uv_stream_t *server, int status) {
  uv_tcp_t *client = malloc(sizeof *client);
  if (status != 0) errx(1, "accept: %s", uv_strerror(status));
  uv_tcp_init(loop, client);
  if (uv_accept(server, (uv_stream_t *)client) != 0) errx(1, "uv_accept");
  uv_read_start((uv_stream_t *)client, room, echo);
}

static void serve(char **argv) {
  struct sockaddr_in any;
  uv_ip4_addr("0.0.0.0", atoi(argv[2]), &any);
  left = atoi(argv[3]);
  uv_tcp_init(loop, &listener);
  if (uv_tcp_bind(&listener, (struct sockaddr *)&any, 0) != 0) errx(1, "bind");
  if (uv_listen((uv_stream_t *)&listener, 16, accepted) != 0) errx(1, "listen");
}

static void answered(uv_stream_t *stream, ssize_t n, const uv_buf_t *buffer) {
  long *got = stream->data;
  if (n < 0) errx(1, "read: %s", uv_strerror((int)n));
  *got += n;
  total += n;
  free(buffer->base);
  if (*got < bytes) return;
  free(got);
  uv_close((uv_handle_t *)stream, gone);
}

static void connected(uv_connect_t *request, int status) {
  char *data = malloc((size_t)bytes);
  if (status != 0) errx(1, "connect: %s", uv_strerror(status));
  memset(data, 'u', (size_t)bytes);
  uv_read_start(request->handle, room, answered);
  put(request->handle, data, (size_t)bytes);
  free(request);
}

static void resolved(uv_getaddrinfo_t *request, int status, struct addrinfo *list) {
  if (status != 0) errx(1, "getaddrinfo: %s", uv_strerror(status));
  while (left-- > 0) {
    uv_tcp_t *tcp = malloc(sizeof *tcp);
    uv_connect_t *connecting = malloc(sizeof *connecting);
    uv_tcp_init(loop, tcp);
    tcp->data = calloc(1, sizeof(long));
    uv_tcp_connect(connecting, tcp, list->ai_addr, connected);
  }
  uv_freeaddrinfo(list);
  free(request);
}

static void ask(char **argv) {
  static const struct addrinfo hints = {.ai_family = AF_INET, .ai_socktype = SOCK_STREAM};
  left = atoi(argv[4]);
  bytes = atol(argv[5]);
  if (uv_getaddrinfo(loop, malloc(sizeof(uv_getaddrinfo_t)), resolved, argv[2], argv[3],
                     &hints) != 0) {
    errx(1, "uv_getaddrinfo");
  }
}

int main(int argc, char **argv) {
  loop = uv_default_loop(); /* a static variable of the library, one for each process */
  if (argc == 4 && strcmp(argv[1], "serve") == 0) {
    serve(argv);
  } else if (argc == 6 && strcmp(argv[1], "ask") == 0) {
    ask(argv);
  } else {
    errx(2, "usage: uv_echo serve PORT CLIENTS | uv_echo ask HOST PORT CLIENTS BYTES");
  }
  uv_run(loop, UV_RUN_DEFAULT);
  uv_loop_close(loop);
  printf("%ld bytes by libuv\n", total);
  return 0;
}
