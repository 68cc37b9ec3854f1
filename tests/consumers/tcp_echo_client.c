/* Sends lines to an echo server and checks what comes back. tcp_echo_client HOST PORT LINES */
#include <err.h>
#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static int lines_left; /* a static of its own in every process */

static int dial(const char *host, const char *port) {
  struct addrinfo hints, *list, *a;
  int fd = -1, error;
  memset(&hints, 0, sizeof hints);
  hints.ai_socktype = SOCK_STREAM;
  if ((error = getaddrinfo(host, port, &hints, &list)) != 0) errx(1, "%s", gai_strerror(error));
  for (a = list; a != NULL; a = a->ai_next) {
    fd = socket(a->ai_family, a->ai_socktype, a->ai_protocol);
    if (fd >= 0 && connect(fd, a->ai_addr, a->ai_addrlen) == 0) break;
    if (fd >= 0) close(fd);
    fd = -1;
  }
  freeaddrinfo(list);
  if (fd < 0) err(1, "%s", host);
  return fd;
}

int main(int argc, char **argv) {
  FILE *server;
  int fd;
  if (argc != 4) errx(2, "usage: tcp_echo_client HOST PORT LINES");
  fd = dial(argv[1], argv[2]);
  if ((server = fdopen(fd, "r")) == NULL) err(1, "fdopen");
  for (lines_left += atoi(argv[3]); lines_left > 0; lines_left--) {
    char sent[64], got[64];
    int n = snprintf(sent, sizeof sent, "line %d of %s\n", lines_left, getenv("USER"));
    if (write(fd, sent, n) != n) err(1, "write");
    if (fgets(got, sizeof got, server) == NULL) errx(1, "the server is gone");
    if (strcmp(sent, got) != 0) errx(1, "got %s", got);
  }
  puts("all lines came back");
  exit(0);
}
