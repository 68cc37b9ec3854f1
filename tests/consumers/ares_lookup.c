/* Asks for names with c-ares, whose servers stand in /etc/resolv.conf. ares_lookup NAME... */
#include <ares.h>
#include <arpa/inet.h>
#include <err.h>
#include <netdb.h>
#include <stdio.h>
#include <sys/select.h>
#include <sys/socket.h>

static void found(void *arg, int status, int timeouts, struct ares_addrinfo *info) {
  struct ares_addrinfo_node *node;
  const char *name = arg;
  (void)timeouts;
  if (status != ARES_SUCCESS) {
    printf("%s: %s\n", name, ares_strerror(status));
    return;
  }
  for (node = info->nodes; node != NULL; node = node->ai_next) {
    char text[INET6_ADDRSTRLEN];
    const void *address = node->ai_family == AF_INET
                              ? (const void *)&((struct sockaddr_in *)node->ai_addr)->sin_addr
                              : (const void *)&((struct sockaddr_in6 *)node->ai_addr)->sin6_addr;
    printf("%s: %s\n", name, inet_ntop(node->ai_family, address, text, sizeof text));
  }
  ares_freeaddrinfo(info);
}

int main(int argc, char **argv) {
  struct ares_addrinfo_hints hints = {.ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM};
  ares_channel channel;
  int i;
  ares_library_init(ARES_LIB_INIT_ALL);
  if (ares_init(&channel) != ARES_SUCCESS) errx(1, "ares_init");
  for (i = 1; i < argc; i++) ares_getaddrinfo(channel, argv[i], NULL, &hints, found, argv[i]);
  for (;;) {
    fd_set in, out;
    struct timeval limit, *wait;
    int n;
    FD_ZERO(&in);
    FD_ZERO(&out);
    n = ares_fds(channel, &in, &out);
    if (n == 0) break;
    wait = ares_timeout(channel, NULL, &limit);
    if (select(n, &in, &out, NULL, wait) < 0) err(1, "select");
    ares_process(channel, &in, &out);
  }
  ares_destroy(channel);
  ares_library_cleanup();
  puts("done");
  return 0;
}
