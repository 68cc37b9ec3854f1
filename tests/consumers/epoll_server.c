/* A small web server: epoll, non-blocking sockets, files by open and sendfile.
   epoll_server PORT FOLDER REQUESTS */
#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

struct client {
  char request[1024];
  size_t len;
  int file;
  off_t left;
};

static struct client clients[1024];

static void answer(int fd, const char *folder) {
  struct client *c = &clients[fd];
  char path[256], head[128], name[128];
  struct stat st;
  int n;
  if (sscanf(c->request, "GET %127s", name) != 1) snprintf(name, sizeof name, "/none");
  snprintf(path, sizeof path, "%s%s", folder, name);
  c->file = open(path, O_RDONLY);
  if (c->file < 0 || fstat(c->file, &st) != 0) {
    n = snprintf(head, sizeof head, "HTTP/1.0 404 %s\r\n\r\n", strerror(errno));
    c->left = 0;
  } else {
    n = snprintf(head, sizeof head, "HTTP/1.0 200 OK\r\nContent-Length: %ld\r\n\r\n",
                 (long)st.st_size);
    c->left = st.st_size;
  }
  if (write(fd, head, n) != n) warn("write");
}

/* Returns 1 when the client is done with. */
static int serve(int fd, int ep, const char *folder) {
  struct client *c = &clients[fd];
  if (c->file == 0) {
    struct epoll_event out = {.events = EPOLLOUT, .data.fd = fd};
    ssize_t n = read(fd, c->request + c->len, sizeof c->request - 1 - c->len);
    if (n <= 0) return !(n < 0 && errno == EAGAIN);
    c->len += n;
    if (strstr(c->request, "\r\n\r\n") == NULL) return 0;
    answer(fd, folder);
    epoll_ctl(ep, EPOLL_CTL_MOD, fd, &out);
  }
  while (c->left > 0) {
    ssize_t n = sendfile(fd, c->file, NULL, c->left);
    if (n < 0 && errno == EAGAIN) return 0;
    if (n <= 0) break;
    c->left -= n;
  }
  return 1;
}

int main(int argc, char **argv) {
  struct sockaddr_in6 any = {.sin6_family = AF_INET6};
  struct epoll_event event, ready[16];
  int l, ep, left, off = 0, served = 0;
  if (argc != 4) errx(2, "usage: epoll_server PORT FOLDER REQUESTS");
  any.sin6_port = htons(atoi(argv[1]));
  l = socket(AF_INET6, SOCK_STREAM | SOCK_NONBLOCK, 0);
  setsockopt(l, IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof off);
  if (l < 0 || bind(l, (struct sockaddr *)&any, sizeof any) != 0 || listen(l, 64) != 0) {
    err(1, "port %s", argv[1]);
  }
  ep = epoll_create1(EPOLL_CLOEXEC);
  event.events = EPOLLIN;
  event.data.fd = l;
  epoll_ctl(ep, EPOLL_CTL_ADD, l, &event);
  for (left = atoi(argv[3]); left > 0;) {
    int i, n = epoll_wait(ep, ready, 16, -1);
    if (n < 0) err(1, "epoll_wait");
    for (i = 0; i < n; i++) {
      int fd = ready[i].data.fd;
      if (fd == l) {
        event.data.fd = accept4(l, NULL, NULL, SOCK_NONBLOCK);
        if (event.data.fd < 0) continue;
        memset(&clients[event.data.fd], 0, sizeof clients[0]);
        epoll_ctl(ep, EPOLL_CTL_ADD, event.data.fd, &event);
      } else if (serve(fd, ep, argv[2])) {
        if (clients[fd].file > 0) close(clients[fd].file);
        close(fd);
        left--;
        served++;
      }
    }
  }
  printf("%d requests served\n", served);
  return 0;
}
