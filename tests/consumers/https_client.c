/* Fetches pages with libcurl: one by its easy handle, then ten at once by its multi handle.
   https_client URL CA_FILE SIZE */
#include <curl/curl.h>
#include <err.h>
#include <stdio.h>
#include <stdlib.h>

enum { kParallel = 10 };

struct page {
  long bytes;
  int wrong;
};

static size_t take(char *data, size_t size, size_t count, void *arg) {
  struct page *page = arg;
  size_t i, n = size * count;
  for (i = 0; i < n; i++, page->bytes++) {
    if (data[i] != (char)('a' + page->bytes % 26)) page->wrong = 1;
  }
  return n;
}

static CURL *transfer(const char *url, long bytes, const char *ca, struct page *page) {
  char text[256];
  CURL *easy = curl_easy_init();
  snprintf(text, sizeof text, "%s/%ld", url, bytes);
  curl_easy_setopt(easy, CURLOPT_URL, text);
  curl_easy_setopt(easy, CURLOPT_CAINFO, ca);
  curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, take);
  curl_easy_setopt(easy, CURLOPT_WRITEDATA, page);
  return easy;
}

static void check(const struct page *page, long bytes) {
  if (page->wrong || page->bytes != bytes) errx(1, "%ld bytes came, not %ld", page->bytes, bytes);
}

static void fetch_one(const char *url, long bytes, const char *ca) {
  struct page page = {0, 0};
  CURL *easy = transfer(url, bytes, ca, &page);
  CURLcode result = curl_easy_perform(easy);
  if (result != CURLE_OK) errx(1, "%s", curl_easy_strerror(result));
  check(&page, bytes);
  curl_easy_cleanup(easy);
  puts("one page by the easy handle");
}

static void fetch_many(const char *url, long bytes, const char *ca) {
  struct page pages[kParallel] = {{0, 0}};
  CURL *easy[kParallel];
  CURLM *multi = curl_multi_init();
  CURLMsg *message;
  int i, running = 1, queued;
  for (i = 0; i < kParallel; i++) {
    easy[i] = transfer(url, bytes + i, ca, &pages[i]);
    curl_multi_add_handle(multi, easy[i]);
  }
  while (running) {
    if (curl_multi_perform(multi, &running) != CURLM_OK) errx(1, "curl_multi_perform");
    if (running && curl_multi_poll(multi, NULL, 0, 1000, NULL) != CURLM_OK) errx(1, "poll");
  }
  while ((message = curl_multi_info_read(multi, &queued)) != NULL) {
    if (message->data.result != CURLE_OK) {
      errx(1, "%s", curl_easy_strerror(message->data.result));
    }
  }
  for (i = 0; i < kParallel; i++) {
    check(&pages[i], bytes + i);
    curl_multi_remove_handle(multi, easy[i]);
    curl_easy_cleanup(easy[i]);
  }
  curl_multi_cleanup(multi);
  printf("%d pages by the multi handle\n", kParallel);
}

int main(int argc, char **argv) {
  if (argc != 4) errx(2, "usage: https_client URL CA_FILE SIZE");
  curl_global_init(CURL_GLOBAL_DEFAULT);
  fetch_one(argv[1], atol(argv[3]), argv[2]);
  fetch_many(argv[1], atol(argv[3]), argv[2]);
  curl_global_cleanup();
  return 0;
}
