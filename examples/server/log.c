/* What the server says: complaints on standard error, the access log on standard output. */
#include "server.h"

#include <arpa/inet.h>
#include <inttypes.h>
#include <netinet/in.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

/* Longer targets are cut in the log. */
#define TARGET_SHOWN 1024

void complain(const char *format, ...)
{
    char text[1024];
    va_list args;

    va_start(args, format);
    (void)vsnprintf(text, sizeof text, format, args);
    va_end(args);
    (void)fprintf(stderr, "leaderboard-server: %s\n", text);
}

void complain_of(const lb_notice *notice, void *user)
{
    (void)user;
    complain("%s", notice->message);
}

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

/* Clients choose these bytes: none of them may end a word, a line, or reach a terminal. */
static void print_escaped(const char *text)
{
    size_t n = 0;

    for (const char *p = text; *p && n < TARGET_SHOWN; p++, n++) {
        unsigned char c = (unsigned char)*p;

        if (c > ' ' && c < 0x7f && c != '\\' && c != '"')
            (void)putchar(c);
        else
            (void)printf("\\x%02x", c);
    }
    if (n == 0)
        (void)putchar('-');
    else if (text[n])
        (void)fputs("...", stdout);
}

void log_request(const struct sockaddr *peer, const char *method, const char *target, int status,
                 uint64_t bytes, uint64_t start_us)
{
    char host[INET6_ADDRSTRLEN], when[32];
    struct timespec now;
    struct tm utc;

    (void)clock_gettime(CLOCK_REALTIME, &now);
    if (!gmtime_r(&now.tv_sec, &utc) || !strftime(when, sizeof when, "%FT%T", &utc))
        when[0] = '\0';
    format_peer(peer, host, sizeof host);
    (void)printf("%s.%03ldZ %s ", when, now.tv_nsec / 1000000, host);
    print_escaped(method);
    (void)putchar(' ');
    print_escaped(target);
    (void)printf(" %d %" PRIu64 " %.1f\n", status, bytes, (double)(now_us() - start_us) / 1000);
}

void log_flush(void)
{
    (void)fflush(stdout);
}
