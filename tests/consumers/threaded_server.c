/* A thread per client, a counter under a mutex, the last one told by a condition variable.
   threaded_server PORT CLIENTS */
#include <err.h>
#include <netinet/in.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t done = PTHREAD_COND_INITIALIZER;
static int running;
static long bytes;

static void *serve(void *arg) {
  int fd = (int)(intptr_t)arg;
  char buffer[512];
  ssize_t n;
  while ((n = recv(fd, buffer, sizeof buffer, 0)) > 0) {
    if (send(fd, buffer, n, MSG_NOSIGNAL) != n) break;
    pthread_mutex_lock(&lock);
    bytes += n;
    pthread_mutex_unlock(&lock);
  }
  close(fd);
  pthread_mutex_lock(&lock);
  if (--running == 0) pthread_cond_signal(&done);
  pthread_mutex_unlock(&lock);
  return NULL;
}

static void farewell(void) { printf("%ld bytes by threads\n", bytes); }

int main(int argc, char **argv) {
  struct sockaddr_in any;
  int l, i, clients;
  if (argc != 3) errx(2, "usage: threaded_server PORT CLIENTS");
  atexit(farewell);
  memset(&any, 0, sizeof any);
  any.sin_family = AF_INET;
  any.sin_port = htons(atoi(argv[1]));
  clients = atoi(argv[2]);
  if ((l = socket(AF_INET, SOCK_STREAM, 0)) < 0) err(1, "socket");
  if (bind(l, (struct sockaddr *)&any, sizeof any) != 0) err(1, "bind");
  if (listen(l, 5) != 0) err(1, "listen");
  for (i = 0; i < clients; i++) {
    pthread_t thread;
    int fd = accept(l, NULL, NULL);
    if (fd < 0) err(1, "accept");
    pthread_mutex_lock(&lock);
    running++;
    pthread_mutex_unlock(&lock);
    if (pthread_create(&thread, NULL, serve, (void *)(intptr_t)fd) != 0) errx(1, "no thread");
    pthread_detach(thread);
  }
  pthread_mutex_lock(&lock);
  while (running > 0) pthread_cond_wait(&done, &lock);
  pthread_mutex_unlock(&lock);
  exit(0);
}
