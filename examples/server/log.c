/* What the server says: complaints on standard error, the access log on standard output. */
#include "server.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <inttypes.h>
#include <netinet/in.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

/* What clients and the database say is cut in the log. */
#define SHOWN 1024
#define ESCAPED_SIZE (SHOWN * 4 + sizeof "...")

/* Failures of one code are told once in so long. */
#define FAILURE_US 1000000

/* Others choose these bytes: none of them may end a line, or reach a terminal, or a word unless
 * there may be spaces. */
static const char *escape(const char *text, bool spaces, char ret[ESCAPED_SIZE])
{
    char *end = ret;
    size_t n = 0;

    for (; text[n] && n < SHOWN; n++) {
        unsigned char c = (unsigned char)text[n];

        if ((c > ' ' && c < 0x7f && c != '\\' && c != '"') || (spaces && (c == ' ' || c == '"')))
            *end++ = text[n];
        else
            end += snprintf(end, sizeof "\\xff", "\\x%02x", c);
    }
    (void)snprintf(end, sizeof "...", "%s", n == 0 ? "-" : text[n] ? "..." : "");
    return ret;
}

/* ---- Standard error ------------------------------------------------------------------------- */

void complain(const char *format, ...)
{
    char text[1024];
    va_list args;

    va_start(args, format);
    (void)vsnprintf(text, sizeof text, format, args);
    va_end(args);
    for (char *p = text; *p; p++) {
        if ((unsigned char)*p < ' ' || *p == 0x7f)
            *p = '?';
    }
    (void)fprintf(stderr, "leaderboard-server: %s\n", text);
}

void complain_of(const lb_notice *notice, void *user)
{
    (void)user;
    complain("%s", notice->message);
}

const char *code_name(int code, char ret[CODE_NAME_SIZE])
{
    const char *name = code == LB_E_NOTFOUND ? "not_found" : lb_error_name(code);
    size_t n = 0;

    for (; name[n] && n < CODE_NAME_SIZE - 1; n++)
        ret[n] = (char)tolower((unsigned char)name[n]);
    ret[n] = '\0';
    return ret;
}

struct failures {
    int code; /* LB_E_... */
    uint64_t told_us;
    unsigned left_out;
};

enum { PLACES = 32 }; /* one for each code that there is */

static struct failures failures[PLACES];

static void complain_of_left_out(struct failures *place)
{
    char name[CODE_NAME_SIZE];

    if (place->left_out > 0)
        complain("%u more requests failed with %s", place->left_out, code_name(place->code, name));
    place->left_out = 0;
}

void complain_of_failure(void *user, const char *method, const char *target, int status,
                         const lb_error *error)
{
    static char shown[3][ESCAPED_SIZE];
    char name[CODE_NAME_SIZE];
    struct failures *place = &failures[(unsigned)-error->code % PLACES];
    uint64_t now = now_us();

    (void)user;
    if (place->told_us != 0 && now < place->told_us + FAILURE_US) {
        place->left_out++;
        return;
    }
    complain_of_left_out(place);
    place->code = error->code;
    place->told_us = now;
    (void)fprintf(stderr, "leaderboard-server: %s %s %d %s: %s\n", escape(method, false, shown[0]),
                  escape(target, false, shown[1]), status, code_name(error->code, name),
                  escape(error->msg, true, shown[2]));
}

void complain_of_rest(void)
{
    for (size_t i = 0; i < PLACES; i++)
        complain_of_left_out(&failures[i]);
}

/* ---- The access log ------------------------------------------------------------------------- */

uint64_t now_us(void)
{
    struct timespec now;

    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000;
}

static void format_peer(const struct sockaddr *peer, char *ret, socklen_t size)
{
    const void *address = NULL;

    if (peer && peer->sa_family == AF_INET)
        address = &((const struct sockaddr_in *)(const void *)peer)->sin_addr;
    else if (peer && peer->sa_family == AF_INET6)
        address = &((const struct sockaddr_in6 *)(const void *)peer)->sin6_addr;
    if (!address || !inet_ntop(peer->sa_family, address, ret, size))
        (void)snprintf(ret, size, "-");
}

void log_request(const struct sockaddr *peer, const char *method, const char *target, int status,
                 uint64_t bytes, uint64_t start_us)
{
    static char shown[2][ESCAPED_SIZE];
    char host[INET6_ADDRSTRLEN], when[32];
    struct timespec now;
    struct tm utc;

    (void)clock_gettime(CLOCK_REALTIME, &now);
    if (!gmtime_r(&now.tv_sec, &utc) || !strftime(when, sizeof when, "%FT%T", &utc))
        when[0] = '\0';
    format_peer(peer, host, sizeof host);
    (void)printf("%s.%03ldZ %s %s %s %d %" PRIu64 " %.1f\n", when, now.tv_nsec / 1000000, host,
                 escape(method, false, shown[0]), escape(target, false, shown[1]), status, bytes,
                 (double)(now_us() - start_us) / 1000);
}

void log_flush(void)
{
    (void)fflush(stdout);
}
