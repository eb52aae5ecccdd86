/* --relay, where libcurl is missing: there is never one. */
#include "server.h"

bool relay_start(struct server *server)
{
    (void)server;
    complain("--relay: this server was built without libcurl, which publishing needs");
    return false;
}

void relay_end(struct relay *relay)
{
    (void)relay;
}

int relay_fd(struct relay *relay)
{
    (void)relay;
    return -1;
}

uint64_t relay_deadline(struct relay *relay)
{
    (void)relay;
    return LB_NEVER;
}

bool relay_work(struct relay *relay)
{
    (void)relay;
    return false;
}

void relay_stop(struct relay *relay, uint32_t timeout_ms)
{
    (void)relay;
    (void)timeout_ms;
}

bool relay_is_stopped(const struct relay *relay)
{
    (void)relay;
    return true;
}

void relay_add_metrics(struct relay *relay, struct metrics *metrics)
{
    (void)relay;
    (void)metrics;
}
