/* A Marketing Cloud that costs next to nothing: HTTP/1.1 on loopback, one thread, epoll (Linux).
 *
 *   usage: server EVENT_DEFINITION.json      prints "listening PORT" and serves until it is killed
 *
 *   POST /v1/requestToken                    a v1 token, at once
 *   POST ...batchcontactevents               201 and an event instance id, after the latency
 *   GET  .../eventDefinitions/...            what the file holds
 *   GET  /reset?latency_ms=200               forget all counts, set the latency
 *   GET  /stats                              the counts, as server_asyncio.Tally.statistics()
 *   anything else                            404 as JSON
 *
 * In flight: from the moment a request's headers are seen to the moment its answer is written.
 * Bodies are thrown away unread (MSG_TRUNC) but for their first bytes, where RecordCount stands.
 * All waits are equally long, so who waits is a queue, not a heap. A client that pipelines, or sends
 * chunked bodies, is cut off: none of those measured does.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

enum { HEAD_MAX = 8192, PREFIX_MAX = 200, DISCARD_MAX = 1 << 20, EVENTS_MAX = 256,
       DEFINITION_MAX = 4096 };
enum State { READING_HEAD, READING_BODY, WAITING };
enum Kind { BATCH, TOKEN, DEFINITION, STATS, RESET, UNKNOWN };

typedef struct Connection {
    int fd;
    enum State state;
    enum Kind kind;
    int gone; /* the client left while its answer was owed: freed when the queue reaches it */
    size_t head_held, prefix_held, body_left;
    double due;
    struct Connection *next;
    char head[HEAD_MAX + 1], prefix[PREFIX_MAX + 1];
} Connection;

typedef struct { double at, integral; } Mark; /* taken at each answer */

static int poller, timer;
static Connection *first_waiting, *last_waiting;
static double latency;
static char definition[DEFINITION_MAX + 1];

static struct {
    uint64_t requests, answered, contacts, body_bytes, tokens, connections;
    long in_flight, max_in_flight;
    double first, last, changed, integral, cpu_at_reset;
    Mark *marks;
    size_t room;
} tally;

static double now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec + t.tv_nsec / 1e9;
}

static double cpu_seconds(void) {
    struct rusage use;
    getrusage(RUSAGE_SELF, &use);
    return use.ru_utime.tv_sec + use.ru_stime.tv_sec +
           (use.ru_utime.tv_usec + use.ru_stime.tv_usec) / 1e6;
}

static void fail(const char *what) {
    perror(what);
    exit(1);
}

/* ---- the tally ---- */

static void reset_tally(void) {
    Mark *marks = tally.marks;
    size_t room = tally.room;
    memset(&tally, 0, sizeof tally);
    tally.marks = marks;
    tally.room = room;
    tally.cpu_at_reset = cpu_seconds();
}

static void change_in_flight(int by, double at) {
    if (!tally.requests) tally.first = tally.changed = at;
    tally.integral += tally.in_flight * (at - tally.changed);
    tally.changed = at;
    tally.in_flight += by;
    if (tally.in_flight > tally.max_in_flight) tally.max_in_flight = tally.in_flight;
}

static void count_answer(double at) {
    change_in_flight(-1, at);
    if (tally.answered == tally.room) {
        tally.room = tally.room ? tally.room * 2 : 4096;
        tally.marks = realloc(tally.marks, tally.room * sizeof(Mark));
        if (!tally.marks) fail("realloc");
    }
    tally.marks[tally.answered++] = (Mark){at, tally.integral};
    tally.last = at;
}

/* In flight averaged over time between the first and the last tenth of the answers. */
static double steady_in_flight(double otherwise) {
    size_t tenth = tally.answered / 10;
    if (!tenth) return otherwise;
    Mark from = tally.marks[tenth - 1], to = tally.marks[tally.answered - tenth - 1];
    return to.at > from.at ? (to.integral - from.integral) / (to.at - from.at) : otherwise;
}

static int write_stats(char *into, size_t size) {
    double window = tally.answered ? tally.last - tally.first : 0;
    double mean = window > 0 ? tally.marks[tally.answered - 1].integral / window : 0;
    return snprintf(into, size,
        "{\"requests\":%lu,\"answered\":%lu,\"contacts\":%lu,\"body_bytes\":%lu,\"tokens\":%lu,"
        "\"connections\":%lu,\"max_in_flight\":%ld,\"mean_in_flight\":%.4f,"
        "\"steady_in_flight\":%.4f,\"window_seconds\":%.6f,\"cpu_seconds\":%.6f}",
        tally.requests, tally.answered, tally.contacts, tally.body_bytes, tally.tokens,
        tally.connections, tally.max_in_flight, mean, steady_in_flight(mean), window,
        cpu_seconds() - tally.cpu_at_reset);
}

static void count_contacts(const char *prefix) {
    const char *at = strstr(prefix, "\"RecordCount\"");
    if (at && (at = strchr(at + 13, ':'))) tally.contacts += strtoul(at + 1, NULL, 10);
}

/* ---- connections ---- */

static void drop(Connection *c) {
    if (c->fd >= 0) close(c->fd);
    c->fd = -1;
    if (c->kind == BATCH && c->state != READING_HEAD) change_in_flight(-1, now());
    if (c->state == WAITING) c->gone = 1;
    else free(c);
}

/* Answers are far smaller than a socket's buffer: one write takes them whole, or the client is gone. */
static int answer(Connection *c, const char *status, const char *body) {
    char text[DEFINITION_MAX + 256];
    int size = snprintf(text, sizeof text,
        "HTTP/1.1 %s\r\nContent-Type: application/json; charset=utf-8\r\nContent-Length: %zu\r\n\r\n%s",
        status, strlen(body), body);
    c->state = READING_HEAD;
    c->head_held = c->prefix_held = 0;
    return send(c->fd, text, size, MSG_NOSIGNAL) == size;
}

static int answer_batch(Connection *c) {
    char body[96];
    snprintf(body, sizeof body, "{\"eventInstanceId\":\"00000000-0000-4000-8000-%012lx\"}",
             (unsigned long)tally.answered + 1);
    count_answer(now());
    return answer(c, "201 Created", body);
}

static void arm_timer(void) {
    struct itimerspec when = {0};
    if (first_waiting) {
        double in = first_waiting->due - now();
        if (in < 1e-6) in = 1e-6;
        when.it_value.tv_sec = (time_t)in;
        when.it_value.tv_nsec = (long)((in - (time_t)in) * 1e9);
    }
    timerfd_settime(timer, 0, &when, NULL);
}

static int wait_for_answer(Connection *c) {
    c->state = WAITING;
    c->due = now() + latency;
    c->next = NULL;
    if (last_waiting) last_waiting->next = c;
    else first_waiting = c;
    last_waiting = c;
    if (first_waiting == c) arm_timer();
    return 1;
}

static void answer_those_due(void) {
    uint64_t expirations;
    if (read(timer, &expirations, sizeof expirations) < 0 && errno != EAGAIN) fail("timer");
    while (first_waiting && first_waiting->due <= now() + 1e-6) {
        Connection *c = first_waiting;
        first_waiting = c->next;
        if (!first_waiting) last_waiting = NULL;
        if (c->gone) free(c);
        else if (!answer_batch(c)) shutdown(c->fd, SHUT_RDWR); /* dropped by its own event */
    }
    arm_timer();
}

static int finish_request(Connection *c) {
    char body[700];
    c->prefix[c->prefix_held] = 0;
    switch (c->kind) {
    case BATCH:
        count_contacts(c->prefix);
        return latency > 0 ? wait_for_answer(c) : answer_batch(c);
    case TOKEN:
        tally.tokens++;
        return answer(c, "200 OK", "{\"accessToken\":\"benchmarktoken0123456789\",\"expiresIn\":3600}");
    case DEFINITION:
        return answer(c, "200 OK", definition);
    case STATS:
        write_stats(body, sizeof body);
        return answer(c, "200 OK", body);
    case RESET:
        return answer(c, "200 OK", "{}");
    default:
        return answer(c, "404 Not Found", "{\"message\":\"Not Found\",\"errorcode\":404}");
    }
}

static enum Kind kind_of(const char *line) {
    const char *query;
    if (!strncmp(line, "POST ", 5)) {
        if (strstr(line, "/batchcontactevents ")) return BATCH;
        return strstr(line, "/v1/requestToken ") ? TOKEN : UNKNOWN;
    }
    if (!strncmp(line, "GET /stats ", 11)) return STATS;
    if (strstr(line, "/eventDefinitions/")) return DEFINITION;
    if (strncmp(line, "GET /reset", 10)) return UNKNOWN;
    reset_tally();
    query = strstr(line, "latency_ms=");
    latency = query ? strtod(query + 11, NULL) / 1000 : 0;
    return RESET;
}

/* The request line and headers are complete: `body` is what came with them. 0: cut the client off. */
static int begin_request(Connection *c, char *body) {
    char *line_end, *length;
    size_t came = c->head + c->head_held - body;
    body[-1] = 0;
    length = strcasestr(c->head, "\ncontent-length:");
    c->body_left = length ? strtoul(length + 16, NULL, 10) : 0;
    if (strcasestr(c->head, "\ntransfer-encoding:") || came > c->body_left) return 0;
    if ((line_end = strchr(c->head, '\n'))) *line_end = 0;
    c->kind = kind_of(c->head);
    c->state = READING_BODY;
    if (c->kind == BATCH) {
        change_in_flight(+1, now());
        tally.requests++;
        tally.body_bytes += c->body_left;
    }
    c->prefix_held = came < PREFIX_MAX ? came : PREFIX_MAX;
    memcpy(c->prefix, body, c->prefix_held);
    c->body_left -= came;
    return c->body_left ? 1 : finish_request(c);
}

static int take_head(Connection *c) {
    char *end;
    ssize_t n = recv(c->fd, c->head + c->head_held, HEAD_MAX - c->head_held, 0);
    if (n <= 0) return n < 0 && errno == EAGAIN ? -1 : 0;
    c->head_held += n;
    end = memmem(c->head, c->head_held, "\r\n\r\n", 4);
    if (end) return begin_request(c, end + 4);
    return c->head_held < HEAD_MAX;
}

static int take_body(Connection *c) {
    static char nowhere[4];
    size_t room = PREFIX_MAX - c->prefix_held, want = c->body_left;
    ssize_t n;
    if (room) n = recv(c->fd, c->prefix + c->prefix_held, want < room ? want : room, 0);
    else n = recv(c->fd, nowhere, want < DISCARD_MAX ? want : DISCARD_MAX, MSG_TRUNC);
    if (n <= 0) return n < 0 && errno == EAGAIN ? -1 : 0;
    if (room) c->prefix_held += n;
    c->body_left -= n;
    return c->body_left ? 1 : finish_request(c);
}

/* What comes while an answer is owed can only be the end. */
static int take_end(Connection *c) {
    char byte;
    return recv(c->fd, &byte, 1, MSG_PEEK) < 0 && errno == EAGAIN;
}

/* One step of a head, or a body to its end. */
static void take(Connection *c) {
    int going = 1;
    if (c->state == WAITING) going = take_end(c);
    else if (c->state == READING_HEAD) going = take_head(c);
    else while (going > 0 && c->state == READING_BODY) going = take_body(c);
    if (going == 0) drop(c);
}

static void watch(int fd, void *data) {
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = data};
    if (epoll_ctl(poller, EPOLL_CTL_ADD, fd, &event) < 0) fail("epoll_ctl");
}

static void accept_connection(int listener) {
    int on = 1, fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
    Connection *c;
    if (fd < 0) return;
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    if (!(c = calloc(1, sizeof *c))) fail("calloc");
    c->fd = fd;
    tally.connections++;
    watch(fd, c);
}

static int listen_on_loopback(void) {
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof address;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0 || bind(fd, (struct sockaddr *)&address, size) < 0 || listen(fd, 1024) < 0)
        fail("listen");
    if (getsockname(fd, (struct sockaddr *)&address, &size) < 0) fail("getsockname");
    printf("listening %d\n", ntohs(address.sin_port));
    fflush(stdout);
    return fd;
}

static void read_definition(const char *path) {
    FILE *file = fopen(path, "r");
    if (!file || !fread(definition, 1, DEFINITION_MAX, file)) fail(path);
    fclose(file);
}

int main(int count, char **arguments) {
    struct epoll_event events[EVENTS_MAX];
    int listener;
    prctl(PR_SET_PDEATHSIG, SIGKILL); /* never outlive the harness */
    if (count > 1) read_definition(arguments[1]);
    poller = epoll_create1(EPOLL_CLOEXEC);
    timer = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC);
    if (poller < 0 || timer < 0) fail("epoll, timerfd");
    reset_tally();
    listener = listen_on_loopback();
    watch(listener, &listener);
    watch(timer, &timer);
    for (;;) {
        int n = epoll_wait(poller, events, EVENTS_MAX, -1);
        if (n < 0 && errno != EINTR) fail("epoll_wait");
        for (int i = 0; i < n; i++) {
            if (events[i].data.ptr == &listener) accept_connection(listener);
            else if (events[i].data.ptr == &timer) answer_those_due();
            else take(events[i].data.ptr);
        }
    }
}
