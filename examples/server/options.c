/* The command line and the environment. */
#include "server.h"

#include <getopt.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PORT_DEFAULT 5000
#define ADDRESS_DEFAULT "127.0.0.1"
#define IDLE_DEFAULT_S 30
#define READ_DEFAULT_S 15

enum {
    OPT_DATABASE = 256,
    OPT_LISTEN,
    OPT_PORT,
    OPT_CREATE,
    OPT_READ_ONLY,
    OPT_WRITE_KEY,
    OPT_CORS,
    OPT_SEED,
    OPT_LIMIT,
    OPT_MAX_CONNECTIONS,
    OPT_MAX_PER_ADDRESS,
    OPT_IDLE_TIMEOUT,
    OPT_READ_TIMEOUT,
    OPT_CHANGE_LOG,
    OPT_RELAY,
    OPT_PROXY_REQUIRED,
    OPT_GRIP_TIMEOUT,
    OPT_BASE_PATH,
    OPT_QUIET,
    OPT_HELP,
    OPT_VERSION
};

static const struct option long_options[] = {
    {"database", required_argument, NULL, OPT_DATABASE},
    {"listen", required_argument, NULL, OPT_LISTEN},
    {"port", required_argument, NULL, OPT_PORT},
    {"create", no_argument, NULL, OPT_CREATE},
    {"read-only", no_argument, NULL, OPT_READ_ONLY},
    {"write-key", required_argument, NULL, OPT_WRITE_KEY},
    {"cors", required_argument, NULL, OPT_CORS},
    {"seed", no_argument, NULL, OPT_SEED},
    {"limit", required_argument, NULL, OPT_LIMIT},
    {"max-connections", required_argument, NULL, OPT_MAX_CONNECTIONS},
    {"max-per-address", required_argument, NULL, OPT_MAX_PER_ADDRESS},
    {"idle-timeout", required_argument, NULL, OPT_IDLE_TIMEOUT},
    {"read-timeout", required_argument, NULL, OPT_READ_TIMEOUT},
    {"change-log", required_argument, NULL, OPT_CHANGE_LOG},
    {"relay", no_argument, NULL, OPT_RELAY},
    {"proxy-required", no_argument, NULL, OPT_PROXY_REQUIRED},
    {"grip-timeout", required_argument, NULL, OPT_GRIP_TIMEOUT},
    {"base-path", required_argument, NULL, OPT_BASE_PATH},
    {"quiet", no_argument, NULL, OPT_QUIET},
    {"help", no_argument, NULL, OPT_HELP},
    {"version", no_argument, NULL, OPT_VERSION},
    {NULL, 0, NULL, 0},
};

void options_help(void)
{
    printf(
        "usage: leaderboard-server [OPTION...]\n"
        "\n"
        "Leaderboards over HTTP, with live event streams.\n"
        "\n"
        "  --database URL         sqlite:PATH or rethinkdb://HOST/NAME\n"
        "                         (DATABASE_URL, otherwise sqlite:leaderboard.db)\n"
        "  --listen ADDRESS       (%s: this machine only; 0.0.0.0 or :: for all)\n"
        "  --port N               0 takes a free one (PORT, otherwise %d)\n"
        "  --create               adding to a player that does not exist creates it\n"
        "  --read-only            refuse every write\n"
        "  --write-key KEY        writes need \"Authorization: Bearer KEY\"; better given as\n"
        "                         LB_WRITE_KEY, which other users of the machine cannot see\n"
        "  --cors ORIGINS         origins whose pages may call, such as https://example.org, with\n"
        "                         spaces between them; \"*\" is all\n"
        "  --seed                 make the board \"default\" with five players, unless it exists\n"
        "  --limit N              rows of an event stream, and of a board without ?limit= (%d)\n"
        "  --max-connections N    (10000, or as many as ulimit -n allows); a tenth of them, but not\n"
        "                         more than 50, is kept from event streams\n"
        "  --max-per-address N    connections from one address, 0 = no limit (a tenth of all, and no\n"
        "                         limit if only this machine can connect); behind a proxy, which is\n"
        "                         one address, give 0\n"
        "  --idle-timeout SECONDS end connections on which nothing moves, but not streams (%d)\n"
        "  --read-timeout SECONDS for a request's head to come, and again for its body (%d)\n"
        "  --change-log N         changes kept for followers to catch up (65536)\n"
        "  --relay                tell the GRIP proxies of every change, as \"lbctl relay\" does\n"
        "  --proxy-required       event streams only through a GRIP proxy, others get 501\n"
        "  --grip-timeout SECONDS after so long listeners of a GRIP proxy have the news in any case:\n"
        "                         it asks by itself (120)\n"
        "  --base-path PATH       \"/api\", if a proxy in front takes it away from what it asks for\n"
        "  --quiet                no access log on standard output\n"
        "  --help, --version\n"
        "\n"
        "GRIP_URL names the GRIP proxies that may be in front, and GRIP_PREFIX the prefix of their\n"
        "channels: streams that come through one are left to it, others are served here.\n"
        "GRIP_VERIFY_KEY is the verify-key of the URLs that have none.\n"
        "\n"
        "Standard output is the access log. Standard error is what an operator ought to read: why\n"
        "requests have failed, for one, each kind of failure once a second at most. The exit status\n"
        "is 2 if an option or a variable is wrong, 1 if the server cannot start otherwise.\n",
        ADDRESS_DEFAULT, PORT_DEFAULT, LB_LIMIT_DEFAULT, IDLE_DEFAULT_S, READ_DEFAULT_S);
}

static bool read_number(const char *what, const char *text, uint32_t min, uint32_t max,
                        uint32_t *ret)
{
    int64_t value;

    if (lb_score_parse(text, &value, NULL) < 0 || value < min || value > max) {
        complain("%s takes a number from %" PRIu32 " to %" PRIu32 ", not \"%.100s\"", what, min,
                 max, text);
        return false;
    }
    *ret = (uint32_t)value;
    return true;
}

/* A variable that is empty says nothing, or, as a key, the contrary of what was meant. */
static bool read_variable(const char *name, const char **ret)
{
    const char *value = getenv(name);

    if (value && !*value) {
        complain("%s is set, but empty: give it a value, or unset it", name);
        return false;
    }
    if (value)
        *ret = value;
    return true;
}

static bool read_environment(struct options *options)
{
    const char *port = NULL;

    *options = (struct options){
        .address = ADDRESS_DEFAULT,
        .port = PORT_DEFAULT,
        .max_per_address = AUTOMATIC,
        .idle_timeout_s = IDLE_DEFAULT_S,
        .read_timeout_s = READ_DEFAULT_S,
    };
    return read_variable("DATABASE_URL", &options->database) &&
           read_variable("LB_WRITE_KEY", &options->write_key) &&
           read_variable("GRIP_URL", &options->grip_url) &&
           read_variable("GRIP_PREFIX", &options->grip_prefix) &&
           read_variable("GRIP_VERIFY_KEY", &options->grip_verify_key) &&
           read_variable("PORT", &port) &&
           (!port || read_number("PORT", port, 0, UINT16_MAX, &options->port));
}

static bool read_text(const char *option, const char *text, const char **ret)
{
    if (!*text) {
        complain("%s is empty: give it a value, or leave it out", option);
        return false;
    }
    *ret = text;
    return true;
}

/* ---- Origins -------------------------------------------------------------------------------- */

/* Why a browser would never send this origin, NULL = it might. */
static const char *origin_fault(const char *origin)
{
    const char *scheme_end = strstr(origin, "://"), *host, *port;

    if (strcmp(origin, "*") == 0)
        return "\"*\" is all origins, and stands alone";
    if (!scheme_end || scheme_end == origin)
        return "an origin is scheme://host or scheme://host:port, such as https://example.org";
    host = scheme_end + strlen("://");
    if (!*host || *host == ':')
        return "it names no host";
    if (strpbrk(host, "/?#@"))
        return "an origin ends with the host or its port: no path, no slash, no user";
    if (strpbrk(origin, "*,;\"'\\"))
        return "origins are separated by spaces, and have no wildcards";
    if (strspn(origin, "abcdefghijklmnopqrstuvwxyz0123456789.-+:/[]_") != strlen(origin))
        return "browsers send origins in lower case, and names in Punycode (xn--)";
    port = strrchr(host, ':');
    if (!port || port[strspn(port, ":abcdef0123456789")] == ']')
        return NULL;
    if (!port[1] || port[1 + strspn(port + 1, "0123456789")])
        return "what follows the colon is no port";
    if ((strncmp(origin, "http:", 5) == 0 && strcmp(port, ":80") == 0) ||
        (strncmp(origin, "https:", 6) == 0 && strcmp(port, ":443") == 0))
        return "browsers leave out the port that is the scheme's own";
    return NULL;
}

static bool read_origins(const char *text, const char **ret)
{
    char *copy = strdup(text), *rest = copy;
    const char *fault = NULL;
    size_t n = 0;

    for (char *origin; copy && (origin = strsep(&rest, " ")) != NULL;) {
        if (!*origin)
            continue;
        n++;
        fault = strcmp(text, "*") == 0 ? NULL : origin_fault(origin);
        if (fault) {
            complain("--cors, origin \"%.100s\": %s", origin, fault);
            break;
        }
    }
    if (n == 0)
        complain("--cors names no origin");
    free(copy);
    *ret = text;
    return n > 0 && !fault;
}

/* ---- Options -------------------------------------------------------------------------------- */

static bool read_flag(struct options *options, int option)
{
    switch (option) {
    case OPT_CREATE:
        options->create = true;
        return true;
    case OPT_READ_ONLY:
        options->read_only = true;
        return true;
    case OPT_SEED:
        options->seed = true;
        return true;
    case OPT_RELAY:
        options->relay = true;
        return true;
    case OPT_PROXY_REQUIRED:
        options->proxy_required = true;
        return true;
    case OPT_QUIET:
        options->quiet = true;
        return true;
    case OPT_HELP:
        options->help = true;
        return true;
    case OPT_VERSION:
        options->version = true;
        return true;
    default:
        return false; /* getopt_long() has said what is wrong */
    }
}

static bool read_option(struct options *options, int option, const char *value)
{
    switch (option) {
    case OPT_DATABASE:
        return read_text("--database", value, &options->database);
    case OPT_LISTEN:
        return read_text("--listen", value, &options->address);
    case OPT_WRITE_KEY:
        return read_text("--write-key", value, &options->write_key);
    case OPT_CORS:
        return read_origins(value, &options->cors);
    case OPT_PORT:
        return read_number("--port", value, 0, UINT16_MAX, &options->port);
    case OPT_LIMIT:
        return read_number("--limit", value, 1, LB_LIMIT_MAX, &options->limit);
    case OPT_MAX_CONNECTIONS:
        return read_number("--max-connections", value, 2, 1000000, &options->max_connections);
    case OPT_MAX_PER_ADDRESS:
        return read_number("--max-per-address", value, 0, 1000000, &options->max_per_address);
    case OPT_IDLE_TIMEOUT:
        return read_number("--idle-timeout", value, 1, 3600, &options->idle_timeout_s);
    case OPT_READ_TIMEOUT:
        return read_number("--read-timeout", value, 1, 3600, &options->read_timeout_s);
    case OPT_CHANGE_LOG:
        return read_number("--change-log", value, 1, 10000000, &options->change_log);
    case OPT_BASE_PATH:
        return read_text("--base-path", value, &options->base_path);
    case OPT_GRIP_TIMEOUT:
        return read_number("--grip-timeout", value, 1, 3600, &options->grip_timeout_s);
    default:
        return read_flag(options, option);
    }
}

bool options_read(struct options *options, int argc, char **argv)
{
    int option;

    if (!read_environment(options))
        return false;
    while ((option = getopt_long(argc, argv, "", long_options, NULL)) != -1) {
        if (!read_option(options, option, optarg))
            return false;
    }
    if (optind < argc) {
        complain("\"%.100s\" is no option; --help lists them", argv[optind]);
        return false;
    }
    if (!options->help && (options->relay || options->proxy_required) && !options->grip_url) {
        complain("%s needs GRIP_URL, such as http://localhost:5561/?key=changeme",
                 options->relay ? "--relay" : "--proxy-required");
        return false;
    }
    return true;
}
