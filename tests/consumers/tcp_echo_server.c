/* An echo server as taught: getaddrinfo, bind, listen, select. tcp_echo_server PORT CLIENTS */
#include <err.h>
#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/select.h>
#include <sys/socket.h>
#include <unistd.h>

static int listener(const char *port) {
  struct addrinfo hints, *list, *a;
  int fd = -1, on = 1, error;
  memset(&hints, 0, sizeof hints);
  hints.ai_family = AF_UNSPEC;
  hints.ai_socktype = SOCK_STREAM;
  hints.ai_flags = AI_PASSIVE;
  if ((error = getaddrinfo(NULL, port, &hints, &list)) != 0) errx(1, "%s", gai_strerror(error));
  for (a = list; a != NULL && fd < 0; a = a->ai_next) {
    fd = socket(a->ai_family, a->ai_socktype, a->ai_protocol);
    if (fd < 0) continue;
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    if (bind(fd, a->ai_addr, a->ai_addrlen) != 0 || listen(fd, 5) != 0) {
      close(fd);
      fd = -1;
    }
  }
  freeaddrinfo(list);
  if (fd < 0) err(1, "port %s", port);
  return fd;
}

int main(int argc, char **argv) {
  fd_set all, ready;
  int fd, l, max, left;
  long total = 0;
  if (argc != 3) errx(2, "usage: tcp_echo_server PORT CLIENTS");
  l = max = listener(argv[1]);
  left = atoi(argv[2]);
  FD_ZERO(&all);
  FD_SET(l, &all);
  while (left > 0) {
    ready = all;
    if (select(max + 1, &ready, NULL, NULL, NULL) < 0) err(1, "select");
    for (fd = 0; fd <= max; fd++) {
      char buffer[4096];
      ssize_t n;
      if (!FD_ISSET(fd, &ready)) continue;
      if (fd == l) {
        int client = accept(l, NULL, NULL);
        if (client < 0) err(1, "accept");
        FD_SET(client, &all);
        if (client > max) max = client;
        continue;
      }
      n = read(fd, buffer, sizeof buffer);
      if (n > 0 && write(fd, buffer, n) == n) {
        total += n;
        continue;
      }
      FD_CLR(fd, &all);
      close(fd);
      left--;
    }
  }
  printf("%ld bytes echoed\n", total);
  return 0;
}
