// fl-load: the traffic of the lab and bench tests. One file, no library: gcc -O2 -o fl-load fl-load.c
//
//   fl-load serve PORT [NAME] [--seconds S] [--udp]
//   fl-load connect IP PORT --rate N --seconds S [--timeout MS]
//   fl-load flood IP PORT --seconds S --tuples T [--udp]
//   fl-load downloads IP PORT --seconds S [--count N] [--kbps K]
//   fl-load talk IP PORT --ms M [--count N] [--udp] [--keep]
//
// serve answers each byte it gets with a line "NAME PEER" (PEER: the client's address as seen there; NAME: by default the
//   address it was reached at), and keeps the connection. A request that starts with "GET " is HTTP/1.0: "/" is a page that
//   says the same, "/stream?kbps=K" an endless download at K kbit/s. With --udp each datagram is answered with the line.
// connect opens N connections a second whether or not earlier ones were answered, sends a byte on each, waits for the line,
//   and closes by RST (no TIME_WAIT, no lack of ports). A lost SYN shows as latency (the kernel repeats it after 1 s), or as
//   a timeout.
// flood sends SYN (or UDP) packets from T source ports in turn, as fast as one core can: conntrack sees T flows, no more.
//   Two packets of a tuple are the same packet. IPv4 only.
// downloads opens N streams, prints "event=open" to stderr when all of them run, and looks at each after S seconds: alive
//   (bytes came within the last second), stalled (none came), closed (ended, or was reset), failed (never began).
// talk keeps N questions under way for M milliseconds, as fast as they are answered: each on a new connection (UDP: a new
//   socket, so the first packet of a flow), which is closed by RST; with --keep on N connections that stay. connect_ms is the
//   time until a connection stood, answer_ms from the question to its answer. A question unanswered for a second has failed.
//
// All but serve end with one line of JSON on stdout. Exit 0: measured, whatever the result; 1: could not; 2: bad arguments.
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/ip.h>
#include <netinet/tcp.h>
#include <netinet/udp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum {
  kMaxFds = 60000,
  kMaxRate = 50000,
  kMaxSeconds = 3600,
  kMaxConnects = 10000000,  // rate * seconds: the latencies are kept, 4 bytes each
  kMaxInFlight = 20000,
  kMaxTuples = 60000,
  kMaxDownloads = 5000,
  kMaxKbps = 1000000,
  kTickMs = 20,        // streams are fed, and timeouts looked at, this often
  kAnswerMax = 128,    // "NAME PEER\n"
  kNamesMax = 64,      // different answers that are counted; the rest is "other"
};

// -- small things

static _Noreturn void die(int code, const char* format, ...) {
  va_list args;
  va_start(args, format);
  fputs("fl-load: ", stderr);
  vfprintf(stderr, format, args);
  fputc('\n', stderr);
  va_end(args);
  exit(code);
}

static double now(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

static void* must(void* memory) {
  if (memory == NULL) die(1, "out of memory");
  return memory;
}

static long number(const char* what, const char* text, long low, long high) {
  char* end;
  errno = 0;
  const long value = strtol(text, &end, 10);
  if (*text == '\0' || *end != '\0' || errno != 0 || value < low || value > high)
    die(2, "%s: '%s' is not a whole number from %ld to %ld", what, text, low, high);
  return value;
}

static void allow_many_fds(void) {
  struct rlimit limit = {kMaxFds, kMaxFds};
  if (setrlimit(RLIMIT_NOFILE, &limit) == 0) return;
  getrlimit(RLIMIT_NOFILE, &limit);  // not root: as many as we may
  limit.rlim_cur = limit.rlim_max;
  setrlimit(RLIMIT_NOFILE, &limit);
}

static void watch(int epoll, int op, int fd, uint32_t events, uint64_t data) {
  struct epoll_event e = {.events = events, .data.u64 = data};
  if (epoll_ctl(epoll, op, fd, &e) != 0) die(1, "epoll_ctl: %s", strerror(errno));
}

static void close_by_reset(int fd) {
  const struct linger none = {1, 0};
  setsockopt(fd, SOL_SOCKET, SO_LINGER, &none, sizeof none);
  close(fd);
}

struct address {
  struct sockaddr_storage ss;
  socklen_t size;
};

static struct address parse_address(const char* ip, const char* port_text) {
  struct address a = {0};
  const in_port_t port = htons((uint16_t)number("PORT", port_text, 1, 65535));
  struct sockaddr_in* v4 = (struct sockaddr_in*)&a.ss;
  struct sockaddr_in6* v6 = (struct sockaddr_in6*)&a.ss;
  if (inet_pton(AF_INET, ip, &v4->sin_addr) == 1) {
    v4->sin_family = AF_INET;
    v4->sin_port = port;
    a.size = sizeof *v4;
  } else if (inet_pton(AF_INET6, ip, &v6->sin6_addr) == 1) {
    v6->sin6_family = AF_INET6;
    v6->sin6_port = port;
    a.size = sizeof *v6;
  } else {
    die(2, "IP: '%s' is not an address", ip);
  }
  return a;
}

// An IPv4 peer of a dual-stack socket is written as IPv4.
static void write_address(const struct in6_addr* a, char out[INET6_ADDRSTRLEN]) {
  if (IN6_IS_ADDR_V4MAPPED(a)) inet_ntop(AF_INET, &a->s6_addr[12], out, INET6_ADDRSTRLEN);
  else inet_ntop(AF_INET6, a, out, INET6_ADDRSTRLEN);
}

// -- counting by name: failure reasons, answers

struct counts {
  int size;
  struct { char name[kAnswerMax]; long count; } item[kNamesMax];
};

// The name may come from the network: what JSON would have to escape becomes '?'.
static void count(struct counts* c, const char* name) {
  char clean[kAnswerMax];
  size_t n = 0;
  for (; name[n] != '\0' && name[n] != '\n' && name[n] != '\r' && n + 1 < sizeof clean; ++n)
    clean[n] = name[n] < ' ' || name[n] > '~' || name[n] == '"' || name[n] == '\\' ? '?' : name[n];
  clean[n] = '\0';
  int i = 0;
  while (i < c->size && strcmp(c->item[i].name, clean) != 0) ++i;
  if (i == c->size) {
    if (c->size == kNamesMax) --i;
    else ++c->size;
    strcpy(c->item[i].name, c->size == kNamesMax ? "other" : clean);
  }
  ++c->item[i].count;
}

static long total(const struct counts* c) {
  long sum = 0;
  for (int i = 0; i < c->size; ++i) sum += c->item[i].count;
  return sum;
}

static void print_counts(const char* key, const struct counts* c) {
  printf("\"%s\": {", key);
  for (int i = 0; i < c->size; ++i)
    printf("%s\"%s\": %ld", i == 0 ? "" : ", ", c->item[i].name, c->item[i].count);
  printf("}");
}

static const char* reason_of(int error) {
  switch (error) {
    case ECONNREFUSED: return "refused";
    case ECONNRESET: case EPIPE: return "reset";
    case EHOSTUNREACH: case ENETUNREACH: return "unreachable";
    case ETIMEDOUT: return "timeout";
    case EPERM: case EACCES: return "prohibited";
    case EADDRNOTAVAIL: case EAGAIN: return "no_local_port";
    case EMFILE: case ENFILE: return "no_local_fd";
    default: return "other";
  }
}

// -- serve

struct client {
  bool is_streaming;
  bool is_closing;  // a page was sent: close when the other side has
  double bytes_per_tick, credit;
  size_t size;         // of the HTTP request so far; 0: not one
  char request[1024];
  char answer[kAnswerMax];
};

static struct client* clients[kMaxFds];  // by descriptor
static int streams[kMaxFds], stream_count;

static void drop_client(int fd) {
  if (clients[fd]->is_streaming) {
    int i = 0;
    while (streams[i] != fd) ++i;
    streams[i] = streams[--stream_count];
  }
  free(clients[fd]);
  clients[fd] = NULL;
  close(fd);
}

static void accept_all(int epoll, int listener, const char* name) {
  int fd;
  struct sockaddr_in6 peer, own;
  socklen_t size = sizeof peer;
  while ((fd = accept4(listener, (struct sockaddr*)&peer, &size, SOCK_NONBLOCK | SOCK_CLOEXEC)) >= 0) {
    char peer_text[INET6_ADDRSTRLEN], own_text[INET6_ADDRSTRLEN];
    size = sizeof own;
    if (fd >= kMaxFds || getsockname(fd, (struct sockaddr*)&own, &size) != 0) {
      close(fd);
      continue;
    }
    size = sizeof peer;
    write_address(&peer.sin6_addr, peer_text);
    write_address(&own.sin6_addr, own_text);
    struct client* c = clients[fd] = must(calloc(1, sizeof *c));
    snprintf(c->answer, sizeof c->answer, "%s %s\n", name != NULL ? name : own_text, peer_text);
    watch(epoll, EPOLL_CTL_ADD, fd, EPOLLIN | EPOLLRDHUP, (uint64_t)fd);
  }
}

static void answer_http(int fd, struct client* c) {
  char reply[512];
  long kbps = 80;
  char path[256] = "";
  sscanf(c->request, "GET %255s", path);
  const bool is_stream = strncmp(path, "/stream", 7) == 0 && (path[7] == '\0' || path[7] == '?');
  const char* option = is_stream ? strstr(path, "?kbps=") : NULL;
  char* end = "";
  if (option != NULL) kbps = strtol(option + 6, &end, 10);
  const char* status = !is_stream && strcmp(path, "/") != 0 ? "404 Not Found"
                       : *end != '\0' || kbps < 1 || kbps > kMaxKbps ? "400 Bad Request" : "200 OK";
  const int space = (int)strcspn(c->answer, " ");
  int n = snprintf(reply, sizeof reply, "HTTP/1.0 %s\r\nContent-Type: text/plain\r\nX-Name: %.*s\r\nConnection: close\r\n\r\n",
                   status, space, c->answer);
  if (!is_stream && status[0] == '2')
    n += snprintf(reply + n, sizeof reply - (size_t)n, "name %.*s\nclient %s", space, c->answer, c->answer + space + 1);
  if (write(fd, reply, (size_t)n) != n || status[0] != '2' || !is_stream) {
    shutdown(fd, SHUT_WR);
    c->is_closing = true;
    return;
  }
  c->bytes_per_tick = (double)kbps * 1000 / 8 * kTickMs / 1000;
  c->is_streaming = true;
  streams[stream_count++] = fd;
}

// False: the connection is over.
static bool serve_client(int fd, struct client* c) {
  char in[4096];
  const ssize_t n = read(fd, in, sizeof in);
  if (n < 0) return errno == EAGAIN || errno == EINTR;
  if (n == 0) return false;
  if (c->is_streaming || c->is_closing) return true;  // whatever a client still says
  if (c->size > 0 || in[0] == 'G') {
    if (c->size + (size_t)n >= sizeof c->request) return false;
    memcpy(c->request + c->size, in, (size_t)n);
    c->size += (size_t)n;
    c->request[c->size] = '\0';
    if (strncmp(c->request, "GET ", c->size < 4 ? c->size : 4) != 0) return false;
    if (strstr(c->request, "\r\n\r\n") != NULL) answer_http(fd, c);
    return true;
  }
  const size_t length = strlen(c->answer);
  for (ssize_t i = 0; i < n; ++i)
    if (write(fd, c->answer, length) != (ssize_t)length) return false;  // it asks and does not read
  return true;
}

static void feed_streams(double ticks) {
  static char filler[65536];
  if (filler[0] == 0) memset(filler, '.', sizeof filler);
  for (int i = stream_count - 1; i >= 0; --i) {  // backwards: drop_client moves the last one here
    const int fd = streams[i];
    struct client* c = clients[fd];
    c->credit += c->bytes_per_tick * ticks;
    while (c->credit >= 1) {
      const size_t want = c->credit < sizeof filler ? (size_t)c->credit : sizeof filler;
      const ssize_t n = write(fd, filler, want);
      if (n < 0 && errno != EAGAIN) {
        drop_client(fd);
        break;
      }
      // Nothing is saved up for a client that does not read: after a pause it gets its rate, not a burst.
      c->credit = n == (ssize_t)want ? c->credit - (double)n : 0;
    }
  }
}

static void answer_datagrams(int fd, const char* name) {
  for (int i = 0; i < 256; ++i) {
    char in[2048], answer[kAnswerMax], text[INET6_ADDRSTRLEN], own_text[INET6_ADDRSTRLEN];
    char control[256];
    struct sockaddr_in6 peer;
    struct iovec io = {in, sizeof in};
    struct msghdr m = {&peer, sizeof peer, &io, 1, control, sizeof control, 0};
    if (recvmsg(fd, &m, 0) < 0) return;
    struct in6_pktinfo* own = NULL;
    for (struct cmsghdr* c = CMSG_FIRSTHDR(&m); c != NULL; c = CMSG_NXTHDR(&m, c))
      if (c->cmsg_level == IPPROTO_IPV6 && c->cmsg_type == IPV6_PKTINFO) own = (struct in6_pktinfo*)CMSG_DATA(c);
    if (own == NULL) continue;
    own->ipi6_ifindex = 0;  // the answer leaves from the address that was asked, by whatever route
    write_address(&peer.sin6_addr, text);
    write_address(&own->ipi6_addr, own_text);
    io = (struct iovec){answer, (size_t)snprintf(answer, sizeof answer, "%s %s\n", name != NULL ? name : own_text, text)};
    sendmsg(fd, &m, MSG_DONTWAIT);
  }
}

static int bound_socket(int type, uint16_t port) {
  const int one = 1, zero = 0;
  const int fd = socket(AF_INET6, type | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (fd < 0) die(1, "socket: %s", strerror(errno));
  setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
  setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &zero, sizeof zero);
  setsockopt(fd, IPPROTO_IPV6, IPV6_RECVPKTINFO, &one, sizeof one);
  const struct sockaddr_in6 any = {.sin6_family = AF_INET6, .sin6_port = htons(port)};
  if (bind(fd, (const struct sockaddr*)&any, sizeof any) != 0 || (type == SOCK_STREAM && listen(fd, 4096) != 0))
    die(1, "port %u: %s", port, strerror(errno));
  return fd;
}

static int serve(uint16_t port, const char* name, long seconds, bool with_udp) {
  const int epoll = epoll_create1(EPOLL_CLOEXEC);
  const int listener = bound_socket(SOCK_STREAM, port);
  const int datagrams = with_udp ? bound_socket(SOCK_DGRAM, port) : -1;
  watch(epoll, EPOLL_CTL_ADD, listener, EPOLLIN, (uint64_t)listener);
  if (with_udp) watch(epoll, EPOLL_CTL_ADD, datagrams, EPOLLIN, (uint64_t)datagrams);
  fprintf(stderr, "event=listening port=%u\n", port);

  struct epoll_event events[256];
  const double end = now() + (double)seconds;
  double fed = now();
  for (double t = fed; t < end; t = now()) {
    const int n = epoll_wait(epoll, events, 256, stream_count > 0 ? kTickMs / 2 : 500);
    for (int i = 0; i < n; ++i) {
      const int fd = (int)events[i].data.u64;
      if (fd == listener) accept_all(epoll, listener, name);
      else if (fd == datagrams) answer_datagrams(datagrams, name);
      else if (events[i].events & (EPOLLERR | EPOLLHUP) || !serve_client(fd, clients[fd])) drop_client(fd);
    }
    const double ticks = (now() - fed) * 1000 / kTickMs;
    if (ticks >= 1) {
      fed = now();
      feed_streams(ticks < 50 ? ticks : 50);
    }
  }
  return 0;
}

// -- connect

struct attempt {
  int fd;  // -1: done
  bool is_asked;
  double started;
};

static int by_value(const void* a, const void* b) {
  const float x = *(const float*)a, y = *(const float*)b;
  return x < y ? -1 : x > y;
}

static double percentile_ms(const float* sorted, long n, double share) {
  return n == 0 ? 0 : (double)sorted[(long)((double)(n - 1) * share)];
}

static int connect_many(struct address to, long rate, long seconds, long timeout_ms) {
  if (rate * seconds > kMaxConnects) die(2, "--rate times --seconds is over %d", kMaxConnects);
  const long all = rate * seconds;
  const double timeout = (double)timeout_ms / 1000;
  // A ring in the order of starting, so that the oldest, whose timeout comes first, is always at the tail.
  struct attempt* ring = must(calloc(kMaxInFlight, sizeof *ring));
  float* latency = must(malloc(sizeof *latency * (size_t)all));
  struct counts failed = {0}, answers = {0};
  struct epoll_event events[512];
  const int epoll = epoll_create1(EPOLL_CLOEXEC);
  const double start = now(), stop = start + (double)seconds;
  double last_ok = start, gap = 0, gap_start = start;
  long begun = 0, oldest = 0, ok = 0;

  // What could not be begun in time (too many in flight, or no processor) is left out: "started" says how many were. The
  // grace is for the last one of a run on a busy machine.
  const double last_start = stop + 0.1;
  for (double t = start; (t < last_start && begun < all) || oldest < begun; t = now()) {
    while (t < last_start && begun < all && begun - oldest < kMaxInFlight && t >= start + (double)begun / (double)rate) {
      struct attempt* a = &ring[begun++ % kMaxInFlight];
      a->fd = socket(to.ss.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
      a->is_asked = false;
      a->started = now();
      if (a->fd < 0) {
        count(&failed, reason_of(errno));
      } else if (connect(a->fd, (struct sockaddr*)&to.ss, to.size) != 0 && errno != EINPROGRESS) {
        count(&failed, reason_of(errno));
        close(a->fd);
        a->fd = -1;
      } else {
        watch(epoll, EPOLL_CTL_ADD, a->fd, EPOLLOUT, (uint64_t)((begun - 1) % kMaxInFlight));
      }
    }
    const int n = epoll_wait(epoll, events, 512, 1);
    t = now();
    for (int i = 0; i < n; ++i) {
      struct attempt* a = &ring[events[i].data.u64];
      char in[kAnswerMax];
      const char* problem = NULL;
      if (!a->is_asked) {
        int error = 0;
        socklen_t size = sizeof error;
        getsockopt(a->fd, SOL_SOCKET, SO_ERROR, &error, &size);
        if (error == 0 && write(a->fd, "q", 1) == 1) {
          a->is_asked = true;
          watch(epoll, EPOLL_CTL_MOD, a->fd, EPOLLIN, events[i].data.u64);
          continue;
        }
        problem = reason_of(error != 0 ? error : errno);
      } else {
        const ssize_t got = read(a->fd, in, sizeof in - 1);
        if (got > 0) {
          in[got] = '\0';
          count(&answers, in);
          latency[ok++] = (float)((t - a->started) * 1000);
          if (t - last_ok > gap) {
            gap = t - last_ok;
            gap_start = last_ok;
          }
          last_ok = t;
        } else {
          problem = got == 0 ? "closed" : reason_of(errno);
        }
      }
      if (problem != NULL) count(&failed, problem);
      close_by_reset(a->fd);
      a->fd = -1;
    }
    for (; oldest < begun; ++oldest) {
      struct attempt* a = &ring[oldest % kMaxInFlight];
      if (a->fd >= 0 && t - a->started < timeout) break;
      if (a->fd >= 0) {
        count(&failed, "timeout");
        close_by_reset(a->fd);
        a->fd = -1;
      }
    }
  }
  if (stop - last_ok > gap) {  // it never came back: the gap lasts to the end
    gap = stop - last_ok;
    gap_start = last_ok;
  }
  qsort(latency, (size_t)ok, sizeof *latency, by_value);
  printf("{\"started\": %ld, \"seconds\": %.3f, \"ok\": %ld, ", begun, now() - start, ok);
  print_counts("failed", &failed);
  printf(", \"p50_ms\": %.3f, \"p99_ms\": %.3f, \"max_ms\": %.3f, \"gap_ms\": %.1f, \"gap_start_ms\": %.1f, ",
         percentile_ms(latency, ok, 0.5), percentile_ms(latency, ok, 0.99), percentile_ms(latency, ok, 1), gap * 1000,
         (gap_start - start) * 1000);
  print_counts("answers", &answers);
  printf("}\n");
  free(ring);
  free(latency);
  return 0;
}

// -- flood

static uint16_t fold(uint32_t sum) {
  while (sum >> 16) sum = (sum & 0xffff) + (sum >> 16);
  return (uint16_t)~sum;
}

static uint32_t add_words(uint32_t sum, const void* data, size_t size) {  // size is even
  const unsigned char* bytes = data;
  for (size_t i = 0; i < size; i += 2) {
    uint16_t word;  // copied: reading a struct through a uint16_t* is undefined, and -O2 makes use of that
    memcpy(&word, bytes + i, sizeof word);
    sum += word;
  }
  return sum;
}

struct packet {
  struct iphdr ip;
  union {
    struct tcphdr tcp;
    struct udphdr udp;
  };
};

static int flood(struct address to, long seconds, long tuples, bool is_udp) {
  if (to.ss.ss_family != AF_INET) die(2, "flood: IPv4 only");
  const struct sockaddr_in* dst = (struct sockaddr_in*)&to.ss;
  struct sockaddr_in own;
  socklen_t size = sizeof own;
  const int probe = socket(AF_INET, SOCK_DGRAM, 0);  // asks the routing table for our address; sends nothing
  if (connect(probe, (const struct sockaddr*)dst, sizeof *dst) != 0 || getsockname(probe, (struct sockaddr*)&own, &size) != 0)
    die(1, "no route: %s", strerror(errno));
  close(probe);
  const int fd = socket(AF_INET, SOCK_RAW | SOCK_CLOEXEC, IPPROTO_RAW);
  if (fd < 0) die(1, "raw socket: %s", strerror(errno));

  // All packets are made before, so that the loop is nothing but sendmmsg.
  const size_t length = sizeof(struct iphdr) + (is_udp ? sizeof(struct udphdr) : sizeof(struct tcphdr));
  struct packet* packets = must(calloc((size_t)tuples, sizeof *packets));
  struct iovec* io = must(calloc((size_t)tuples, sizeof *io));
  struct mmsghdr* messages = must(calloc((size_t)tuples, sizeof *messages));
  for (long i = 0; i < tuples; ++i) {
    struct packet* p = &packets[i];
    p->ip = (struct iphdr){.version = 4, .ihl = 5, .ttl = 64, .protocol = is_udp ? IPPROTO_UDP : IPPROTO_TCP,
                           .tot_len = htons((uint16_t)length), .saddr = own.sin_addr.s_addr, .daddr = dst->sin_addr.s_addr};
    const in_port_t source = htons((uint16_t)(65535 - i));  // kMaxTuples keeps it above the system's ports
    if (is_udp) {
      p->udp = (struct udphdr){.source = source, .dest = dst->sin_port, .len = htons(sizeof p->udp)};  // no checksum: legal
    } else {
      p->tcp = (struct tcphdr){.source = source, .dest = dst->sin_port, .seq = htonl(0x10000), .doff = 5, .syn = 1,
                               .window = htons(64240)};
      uint32_t sum = add_words(0, &p->ip.saddr, 8);
      sum += htons(IPPROTO_TCP) + htons(sizeof p->tcp);
      p->tcp.check = fold(add_words(sum, &p->tcp, sizeof p->tcp));
    }
    io[i] = (struct iovec){p, length};
    messages[i].msg_hdr = (struct msghdr){.msg_name = (void*)dst, .msg_namelen = sizeof *dst, .msg_iov = &io[i], .msg_iovlen = 1};
  }

  long sent = 0, next = 0;
  struct counts failed = {0};
  const double start = now(), end = start + (double)seconds;
  double t = start;
  for (; t < end; t = now()) {
    const long left = tuples - next;
    const int n = sendmmsg(fd, &messages[next], (unsigned)(left < 64 ? left : 64), 0);
    if (n <= 0) count(&failed, errno == ENOBUFS ? "no_buffer" : reason_of(errno));
    sent += n > 0 ? n : 0;
    next = (next + (n > 0 ? n : 1)) % tuples;
  }
  printf("{\"sent\": %ld, \"seconds\": %.3f, \"per_second\": %.0f, ", sent, t - start, (double)sent / (t - start));
  print_counts("failed", &failed);
  printf("}\n");
  free(packets);
  free(io);
  free(messages);
  return 0;
}

// -- downloads

struct download {
  int fd;  // -1: over
  bool is_asked, is_named;
  const char* problem;  // why it is over, NULL: it is not
  size_t head_size;
  char head[512];       // the start of the reply, until the name is found in it
  char name[64];
  long bytes, bytes_before_last_second;
};

static void read_name(struct download* d, const char* in, size_t n) {
  const size_t room = sizeof d->head - 1 - d->head_size;
  const size_t take = n < room ? n : room;
  memcpy(d->head + d->head_size, in, take);
  d->head_size += take;
  d->head[d->head_size] = '\0';
  if (strstr(d->head, "\r\n\r\n") == NULL && d->head_size < sizeof d->head - 1) return;
  d->is_named = true;
  const char* at = strstr(d->head, "X-Name: ");
  if (at == NULL || sscanf(at, "X-Name: %63s", d->name) != 1) strcpy(d->name, "unknown");
}

static int downloads(struct address to, long wanted, long seconds, long kbps) {
  struct download* all = must(calloc((size_t)wanted, sizeof *all));
  const int epoll = epoll_create1(EPOLL_CLOEXEC);
  char request[128];
  const int request_size = snprintf(request, sizeof request, "GET /stream?kbps=%ld HTTP/1.0\r\n\r\n", kbps);
  for (long i = 0; i < wanted; ++i) {
    struct download* d = &all[i];
    d->fd = socket(to.ss.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (d->fd < 0) die(1, "socket: %s", strerror(errno));
    if (connect(d->fd, (struct sockaddr*)&to.ss, to.size) != 0 && errno != EINPROGRESS) {
      d->problem = reason_of(errno);
      close(d->fd);
      d->fd = -1;
      continue;
    }
    watch(epoll, EPOLL_CTL_ADD, d->fd, EPOLLOUT, (uint64_t)i);
  }

  const double end = now() + (double)seconds;
  bool is_last_second = false;
  long open = 0;
  for (double t = now(); t < end; t = now()) {
    struct epoll_event events[256];
    if (!is_last_second && t >= end - 1) {
      is_last_second = true;
      for (long i = 0; i < wanted; ++i) all[i].bytes_before_last_second = all[i].bytes;
    }
    const int n = epoll_wait(epoll, events, 256, kTickMs);
    for (int i = 0; i < n; ++i) {
      struct download* d = &all[events[i].data.u64];
      static char in[65536];
      ssize_t got = 0;
      if (!d->is_asked) {
        int error = 0;
        socklen_t size = sizeof error;
        getsockopt(d->fd, SOL_SOCKET, SO_ERROR, &error, &size);
        if (error == 0 && write(d->fd, request, (size_t)request_size) == request_size) {
          d->is_asked = true;
          watch(epoll, EPOLL_CTL_MOD, d->fd, EPOLLIN, events[i].data.u64);
          continue;
        }
        d->problem = reason_of(error != 0 ? error : errno);
      } else if ((got = read(d->fd, in, sizeof in)) > 0) {
        d->bytes += got;
        if (!d->is_named) {
          read_name(d, in, (size_t)got);
          if (d->is_named && ++open == wanted) fprintf(stderr, "event=open count=%ld\n", open);
        }
        continue;
      } else {
        d->problem = got == 0 ? "ended" : reason_of(errno);
      }
      close(d->fd);
      d->fd = -1;
    }
  }

  long alive = 0, stalled = 0, bytes = 0, last = 0, slowest = -1;
  struct counts closed = {0}, failed = {0}, names = {0};
  for (long i = 0; i < wanted; ++i) {
    const struct download* d = &all[i];
    const long progress = d->bytes - d->bytes_before_last_second;
    bytes += d->bytes;
    last += progress;
    if (!d->is_named) count(&failed, d->problem != NULL ? d->problem : "timeout");
    else if (d->problem != NULL) count(&closed, d->problem);
    else if (progress == 0) ++stalled;
    else {
      ++alive;
      count(&names, d->name);
      if (slowest < 0 || progress < slowest) slowest = progress;
    }
    if (d->fd >= 0) close_by_reset(d->fd);
  }
  printf("{\"count\": %ld, \"alive\": %ld, \"stalled\": %ld, \"closed\": %ld, \"failed\": %ld, ", wanted, alive, stalled,
         total(&closed), total(&failed));
  print_counts("closed_by", &closed);
  printf(", ");
  print_counts("failed_by", &failed);
  printf(", \"bytes\": %ld, \"bytes_last_second\": %ld, \"slowest_last_second\": %ld, ", bytes, last, slowest < 0 ? 0 : slowest);
  print_counts("names", &names);
  printf("}\n");
  free(all);
  return 0;
}

// -- talk

struct speaker {
  int fd;  // -1: to be opened
  bool is_open, is_asked;
  double opened, asked;
};

struct talk {
  struct address to;
  bool is_udp, is_kept;
  int epoll;
  long answers, connects;
  float *answer_ms, *connect_ms;  // kMaxConnects each
  struct counts failed;
};

static void hang_up(struct speaker* s) {
  if (s->fd >= 0) close_by_reset(s->fd);
  s->fd = -1;
}

static void fail(struct talk* talk, struct speaker* s, const char* problem) {
  count(&talk->failed, problem);
  hang_up(s);
}

static void put_question(struct talk* talk, struct speaker* s, double t) {
  s->asked = t;
  s->is_asked = true;
  if (write(s->fd, "q", 1) != 1) fail(talk, s, reason_of(errno));
}

// When that fails, the next turn tries again.
static void open_speaker(struct talk* talk, struct speaker* s, uint64_t index) {
  const int type = (talk->is_udp ? SOCK_DGRAM : SOCK_STREAM) | SOCK_NONBLOCK | SOCK_CLOEXEC;
  *s = (struct speaker){.fd = socket(talk->to.ss.ss_family, type, 0), .opened = now()};
  if (s->fd < 0) {
    count(&talk->failed, reason_of(errno));
  } else if (connect(s->fd, (struct sockaddr*)&talk->to.ss, talk->to.size) != 0 && errno != EINPROGRESS) {
    fail(talk, s, reason_of(errno));
  } else {
    watch(talk->epoll, EPOLL_CTL_ADD, s->fd, talk->is_udp ? EPOLLIN : EPOLLOUT, index);
    if (talk->is_udp) put_question(talk, s, s->opened);
  }
}

static void hear(struct talk* talk, struct speaker* s, uint64_t index) {
  const double t = now();
  if (!talk->is_udp && !s->is_open) {
    int error = 0;
    socklen_t size = sizeof error;
    getsockopt(s->fd, SOL_SOCKET, SO_ERROR, &error, &size);
    if (error != 0) {
      fail(talk, s, reason_of(error));
      return;
    }
    s->is_open = true;
    if (talk->connects < kMaxConnects) talk->connect_ms[talk->connects++] = (float)((t - s->opened) * 1000);
    watch(talk->epoll, EPOLL_CTL_MOD, s->fd, EPOLLIN, index);
    put_question(talk, s, t);
    return;
  }
  char in[kAnswerMax];
  const ssize_t got = read(s->fd, in, sizeof in);
  if (got <= 0) {
    fail(talk, s, got == 0 ? "closed" : reason_of(errno));
    return;
  }
  if (in[got - 1] != '\n') return;  // the rest is on its way
  if (talk->answers < kMaxConnects) talk->answer_ms[talk->answers++] = (float)((t - s->asked) * 1000);
  if (talk->is_kept) put_question(talk, s, t);
  else hang_up(s);
}

static int talk_to(struct address to, long ms, long wanted, bool is_udp, bool is_kept) {
  struct talk talk = {.to = to, .is_udp = is_udp, .is_kept = is_kept, .epoll = epoll_create1(EPOLL_CLOEXEC)};
  talk.answer_ms = must(malloc(sizeof(float) * kMaxConnects));  // untouched memory costs nothing
  talk.connect_ms = must(malloc(sizeof(float) * kMaxConnects));
  struct speaker* speakers = must(calloc((size_t)wanted, sizeof *speakers));
  for (long i = 0; i < wanted; ++i) speakers[i].fd = -1;
  struct epoll_event events[512];
  const double start = now(), stop = start + (double)ms / 1000;
  double t = start, looked = start;
  for (; t < stop; t = now()) {
    for (long i = 0; i < wanted; ++i)
      if (speakers[i].fd < 0) open_speaker(&talk, &speakers[i], (uint64_t)i);
    const int n = epoll_wait(talk.epoll, events, 512, 1);
    for (int i = 0; i < n; ++i) hear(&talk, &speakers[events[i].data.u64], events[i].data.u64);
    if (t - looked < 0.1) continue;
    looked = t;
    for (long i = 0; i < wanted; ++i)
      if (speakers[i].fd >= 0 && t - (speakers[i].is_asked ? speakers[i].asked : speakers[i].opened) > 1) fail(&talk, &speakers[i], "timeout");
  }
  qsort(talk.answer_ms, (size_t)talk.answers, sizeof(float), by_value);
  qsort(talk.connect_ms, (size_t)talk.connects, sizeof(float), by_value);
  printf("{\"answers\": %ld, \"seconds\": %.3f, \"per_second\": %.0f, ", talk.answers, t - start, (double)talk.answers / (t - start));
  printf("\"connect_ms\": {\"p50\": %.4f, \"p99\": %.4f}, ", percentile_ms(talk.connect_ms, talk.connects, 0.5),
         percentile_ms(talk.connect_ms, talk.connects, 0.99));
  printf("\"answer_ms\": {\"p50\": %.4f, \"p99\": %.4f}, ", percentile_ms(talk.answer_ms, talk.answers, 0.5),
         percentile_ms(talk.answer_ms, talk.answers, 0.99));
  print_counts("failed", &talk.failed);
  printf("}\n");
  for (long i = 0; i < wanted; ++i) hang_up(&speakers[i]);
  free(speakers);
  free(talk.answer_ms);
  free(talk.connect_ms);
  return 0;
}

// -- arguments

static const char kUsage[] =
    "usage: fl-load serve PORT [NAME] [--seconds S] [--udp]\n"
    "       fl-load connect IP PORT --rate N --seconds S [--timeout MS]\n"
    "       fl-load flood IP PORT --seconds S --tuples T [--udp]\n"
    "       fl-load downloads IP PORT --seconds S [--count N] [--kbps K]\n"
    "       fl-load talk IP PORT --ms M [--count N] [--udp] [--keep]\n";

enum option_id { kRate, kSeconds, kTimeout, kTuples, kCount, kKbps, kMs, kUdp, kKeep, kOptions };

static const struct {
  const char* name;
  long low, high;
} kOption[kOptions] = {
    [kRate] = {"--rate", 1, kMaxRate},     [kSeconds] = {"--seconds", 1, kMaxSeconds}, [kTimeout] = {"--timeout", 1, 60000},
    [kTuples] = {"--tuples", 1, kMaxTuples}, [kCount] = {"--count", 1, kMaxDownloads}, [kKbps] = {"--kbps", 1, kMaxKbps},
    [kMs] = {"--ms", 1, kMaxSeconds * 1000},
    [kUdp] = {"--udp", 0, 0}, [kKeep] = {"--keep", 0, 0},  // take no value
};

struct arguments {
  int positional_count;
  const char* positional[2];
  long value[kOptions];  // -1: not given
};

static struct arguments parse(int argc, char** argv, int least, int most, unsigned allowed, unsigned required) {
  struct arguments a = {0};
  for (int i = 0; i < kOptions; ++i) a.value[i] = -1;
  for (int i = 2; i < argc; ++i) {
    if (argv[i][0] != '-') {
      if (a.positional_count == most) die(2, "%s: one argument too many: '%s'", argv[1], argv[i]);
      a.positional[a.positional_count++] = argv[i];
      continue;
    }
    int id = 0;
    while (id < kOptions && strcmp(argv[i], kOption[id].name) != 0) ++id;
    if (id == kOptions || !(allowed & 1u << id)) die(2, "%s: unknown option '%s'", argv[1], argv[i]);
    if (a.value[id] != -1) die(2, "%s is there twice", argv[i]);
    const bool is_bare = kOption[id].high == 0;
    if (!is_bare && i + 1 == argc) die(2, "%s needs a value", argv[i]);
    a.value[id] = is_bare ? 1 : number(kOption[id].name, argv[i + 1], kOption[id].low, kOption[id].high);
    if (!is_bare) ++i;
  }
  if (a.positional_count < least) die(2, "%s: an argument is missing\n%s", argv[1], kUsage);
  for (int id = 0; id < kOptions; ++id)
    if (required & 1u << id && a.value[id] == -1) die(2, "%s: %s is missing", argv[1], kOption[id].name);
  return a;
}

#define BIT(id) (1u << (id))

static long value_or(const struct arguments* a, enum option_id id, long otherwise) {
  return a->value[id] == -1 ? otherwise : a->value[id];
}

int main(int argc, char** argv) {
  signal(SIGPIPE, SIG_IGN);
  allow_many_fds();
  const char* command = argc > 1 ? argv[1] : "";
  if (strcmp(command, "serve") == 0) {
    const struct arguments a = parse(argc, argv, 1, 2, BIT(kSeconds) | BIT(kUdp), 0);
    const char* name = a.positional[1];
    if (name != NULL && (strlen(name) > 60 || strpbrk(name, " \"\\\r\n\t") != NULL))
      die(2, "NAME: at most 60 characters, no blanks, quotes or backslashes");
    return serve((uint16_t)number("PORT", a.positional[0], 1, 65535), name, value_or(&a, kSeconds, kMaxSeconds), a.value[kUdp] == 1);
  }
  if (strcmp(command, "connect") == 0) {
    const struct arguments a = parse(argc, argv, 2, 2, BIT(kRate) | BIT(kSeconds) | BIT(kTimeout), BIT(kRate) | BIT(kSeconds));
    return connect_many(parse_address(a.positional[0], a.positional[1]), a.value[kRate], a.value[kSeconds],
                        value_or(&a, kTimeout, 2000));
  }
  if (strcmp(command, "flood") == 0) {
    const struct arguments a = parse(argc, argv, 2, 2, BIT(kSeconds) | BIT(kTuples) | BIT(kUdp), BIT(kSeconds) | BIT(kTuples));
    return flood(parse_address(a.positional[0], a.positional[1]), a.value[kSeconds], a.value[kTuples], a.value[kUdp] == 1);
  }
  if (strcmp(command, "downloads") == 0) {
    const struct arguments a = parse(argc, argv, 2, 2, BIT(kSeconds) | BIT(kCount) | BIT(kKbps), BIT(kSeconds));
    return downloads(parse_address(a.positional[0], a.positional[1]), value_or(&a, kCount, 100), a.value[kSeconds],
                     value_or(&a, kKbps, 80));
  }
  if (strcmp(command, "talk") == 0) {
    const struct arguments a = parse(argc, argv, 2, 2, BIT(kMs) | BIT(kCount) | BIT(kUdp) | BIT(kKeep), BIT(kMs));
    return talk_to(parse_address(a.positional[0], a.positional[1]), a.value[kMs], value_or(&a, kCount, 1), a.value[kUdp] == 1,
                   a.value[kKeep] == 1);
  }
  fputs(kUsage, stderr);
  return 2;
}
