/* A client in a libuv loop: a poll handle, a timer, and a prepare handle that keeps the timer. */
#include "common.h"

#include <uv.h>

typedef struct host {
    lb_client *client;
    uv_poll_t poll;
    uv_timer_t timer;
    uv_prepare_t prepare;
} host;

static void stop(host *h)
{
    uv_close((uv_handle_t *)&h->poll, NULL);
    uv_close((uv_handle_t *)&h->timer, NULL);
    uv_close((uv_handle_t *)&h->prepare, NULL);
}

static void work(host *h)
{
    while (!finished && lb_client_process(h->client) > 0)
        ;
    if (finished && !uv_is_closing((uv_handle_t *)&h->poll))
        stop(h);
}

static void on_readable(uv_poll_t *poll, int status, int events)
{
    (void)status;
    (void)events;
    work(poll->data);
}

static void on_timer(uv_timer_t *timer)
{
    work(timer->data);
}

/* Runs before the loop sleeps. libuv's clock is CLOCK_MONOTONIC in milliseconds. */
static void on_prepare(uv_prepare_t *prepare)
{
    host *h = prepare->data;
    uint64_t deadline, now_ms = uv_hrtime() / 1000000;

    lb_client_deadline(h->client, &deadline);
    if (deadline == LB_NEVER) {
        uv_timer_stop(&h->timer);
        return;
    }
    deadline = deadline / 1000 + 1;
    uv_timer_start(&h->timer, on_timer, deadline > now_ms ? deadline - now_ms : 0, 0);
}

int main(void)
{
    host h = {.client = start()};
    uv_loop_t *loop = uv_default_loop();

    uv_poll_init(loop, &h.poll, lb_client_fd(h.client));
    uv_timer_init(loop, &h.timer);
    uv_prepare_init(loop, &h.prepare);
    h.poll.data = h.timer.data = h.prepare.data = &h;
    uv_poll_start(&h.poll, UV_READABLE, on_readable);
    uv_prepare_start(&h.prepare, on_prepare);
    uv_run(loop, UV_RUN_DEFAULT);
    uv_loop_close(loop);
    lb_client_free(h.client);
    return 0;
}
