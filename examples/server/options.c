/* The command line and the environment. */
#include "server.h"

#include <getopt.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#define PORT_DEFAULT 5000
#define ADDRESS_DEFAULT "127.0.0.1"
#define IDLE_DEFAULT_S 30

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
    OPT_CHANGE_LOG,
    OPT_RELAY,
    OPT_PROXY_REQUIRED,
    OPT_GRIP_TIMEOUT,
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
    {"change-log", required_argument, NULL, OPT_CHANGE_LOG},
    {"relay", no_argument, NULL, OPT_RELAY},
    {"proxy-required", no_argument, NULL, OPT_PROXY_REQUIRED},
    {"grip-timeout", required_argument, NULL, OPT_GRIP_TIMEOUT},
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
        "  --cors ORIGINS         origins whose pages may call, separated by spaces, or \"*\"\n"
        "  --seed                 make the board \"default\" with five players, unless it exists\n"
        "  --limit N              rows of an event stream, and of a board without ?limit= (%d)\n"
        "  --max-connections N    (10000, or as many as ulimit -n allows)\n"
        "  --max-per-address N    connections from one address (no limit)\n"
        "  --idle-timeout SECONDS end connections on which nothing moves, but not streams (%d)\n"
        "  --change-log N         changes kept for followers to catch up (65536)\n"
        "  --relay                tell the GRIP proxies of every change, as \"lbctl relay\" does\n"
        "  --proxy-required       event streams only through a GRIP proxy, others get 501\n"
        "  --grip-timeout SECONDS a proxy asks after so long without news (120)\n"
        "  --quiet                no access log on standard output\n"
        "  --help, --version\n"
        "\n"
        "GRIP_URL names the GRIP proxies that may be in front, and GRIP_PREFIX the prefix of their\n"
        "channels: streams that come through one are left to it, others are served here.\n",
        ADDRESS_DEFAULT, PORT_DEFAULT, LB_LIMIT_DEFAULT, IDLE_DEFAULT_S);
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

static const char *environment(const char *name)
{
    const char *value = getenv(name);

    return value && *value ? value : NULL;
}

static bool read_environment(struct options *options)
{
    const char *port = environment("PORT");

    *options = (struct options){
        .database = environment("DATABASE_URL"),
        .write_key = environment("LB_WRITE_KEY"),
        .grip_url = environment("GRIP_URL"),
        .grip_prefix = environment("GRIP_PREFIX"),
        .address = ADDRESS_DEFAULT,
        .port = PORT_DEFAULT,
        .idle_timeout_s = IDLE_DEFAULT_S,
    };
    return !port || read_number("PORT", port, 0, UINT16_MAX, &options->port);
}

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
        options->database = value;
        return true;
    case OPT_LISTEN:
        options->address = value;
        return true;
    case OPT_WRITE_KEY:
        options->write_key = value;
        return true;
    case OPT_CORS:
        options->cors = value;
        return true;
    case OPT_PORT:
        return read_number("--port", value, 0, UINT16_MAX, &options->port);
    case OPT_LIMIT:
        return read_number("--limit", value, 1, LB_LIMIT_MAX, &options->limit);
    case OPT_MAX_CONNECTIONS:
        return read_number("--max-connections", value, 1, 1000000, &options->max_connections);
    case OPT_MAX_PER_ADDRESS:
        return read_number("--max-per-address", value, 1, 1000000, &options->max_per_address);
    case OPT_IDLE_TIMEOUT:
        return read_number("--idle-timeout", value, 1, 3600, &options->idle_timeout_s);
    case OPT_CHANGE_LOG:
        return read_number("--change-log", value, 1, 10000000, &options->change_log);
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
    return true;
}
