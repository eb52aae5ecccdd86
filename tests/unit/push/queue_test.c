/* What waits for one proxy: whose it is, and how much there may be. */
#include "push/queue.h"

#include "test.h"

#include <stdlib.h>
#include <string.h>

enum { BIG = 10000 };

static int owner, other;

static void put(lbi_queue *queue, const void *whose, const char *channel, const char *id,
                size_t size)
{
    char *content = malloc(size + 1);
    lb_push_message m = {.struct_size = sizeof m,
                         .flags = id ? LB_PUSH_LATEST : 0,
                         .channel = channel,
                         .content = content,
                         .content_size = size,
                         .id = id};
    lbi_publication *publication;

    CHECK(content != NULL);
    memset(content, 'x', size);
    CHECK_OK(lbi_publication_new(&m, &publication, NULL));
    publication->owner = whose;
    CHECK_OK(lbi_queue_put(queue, publication, 1));
    lbi_publication_unref(publication);
    free(content);
}

/* Takes what fits into one request. Returns the body. */
static const char *fill(lbi_queue *queue)
{
    static char text[LBI_GRIP_BODY_MAX + 1];
    lbi_buf body;
    size_t len;

    lbi_buf_init(&body, LBI_GRIP_BODY_MAX);
    CHECK_OK(lbi_queue_fill(queue, &body, 1));
    len = body.len;
    memcpy(text, lbi_buf_bytes(&body), len);
    text[len] = '\0';
    lbi_buf_done(&body);
    return text;
}

static bool sends(lbi_queue *queue, const char *channel)
{
    return strstr(fill(queue), channel) != NULL;
}

TEST(each_owner_forgets_what_is_its_own)
{
    lbi_queue queue;

    lbi_queue_init(&queue, 0, 10, 10, 1000000);
    put(&queue, &owner, "of-one", "a", 1);
    put(&queue, &other, "of-another", "a", 1);
    put(&queue, NULL, "of-host", "a", 1);
    (void)fill(&queue);
    lbi_queue_sent(&queue, 200, 1);
    put(&queue, &owner, "of-one", "b", 1);
    put(&queue, &other, "of-another", "b", 1);
    put(&queue, NULL, "of-host", "b", 1);
    lbi_queue_forget(&queue, &owner);
    CHECK_EQ(queue.counters.waiting, 2);
    CHECK(!lbi_queue_is_stale(&queue));
    {
        const char *body = fill(&queue);

        CHECK(!strstr(body, "of-one"));
        CHECK(strstr(body, "\"of-another\",\"id\":\"b\",\"prev-id\":\"a\"") != NULL);
        CHECK(strstr(body, "\"of-host\",\"id\":\"b\",\"prev-id\":\"a\"") != NULL);
    }
    lbi_queue_sent(&queue, 200, 1);
    /* What its listeners have is not known any more. */
    put(&queue, &owner, "of-one", "c", 1);
    CHECK(strstr(fill(&queue), "hint") != NULL);
    /* What is on its way is not sent again. */
    lbi_queue_forget(&queue, &owner);
    CHECK(lbi_queue_is_stale(&queue));
    lbi_queue_again(&queue, true, 1);
    CHECK(!lbi_queue_waits(&queue));
    CHECK_EQ(queue.counters.waiting, 0);
    lbi_queue_done(&queue);
}

TEST(too_many_bytes_of_states)
{
    lbi_queue queue;

    lbi_queue_init(&queue, 0, 100, 100, 3 * BIG + 5000);
    put(&queue, NULL, "c1", "a", BIG);
    put(&queue, NULL, "c2", "a", BIG);
    put(&queue, NULL, "c3", "a", BIG);
    put(&queue, NULL, "m", NULL, BIG); /* counted apart */
    CHECK_EQ(queue.counters.overflows, 0);
    put(&queue, NULL, "c3", "b", 1);
    CHECK_EQ(queue.counters.overflows, 0);
    put(&queue, NULL, "c4", "a", BIG);
    put(&queue, NULL, "c5", "a", BIG);
    CHECK_EQ(queue.counters.overflows, 1);
    CHECK(queue.recover);
    CHECK(queue.state_bytes <= queue.max_bytes && queue.message_bytes <= queue.max_bytes);
    CHECK(!sends(&queue, "\"c2\""));
    lbi_queue_sent(&queue, 200, 1);
    CHECK_EQ(queue.state_bytes, 0);
    CHECK_EQ(queue.message_bytes, 0);
    /* One is kept in any case. */
    put(&queue, NULL, "c6", "a", 5 * BIG);
    CHECK_EQ(queue.counters.overflows, 1);
    CHECK(sends(&queue, "\"c6\""));
    lbi_queue_done(&queue);
}

TEST(too_many_bytes_of_messages)
{
    lbi_queue queue;

    lbi_queue_init(&queue, 0, 100, 100, 2 * BIG + 5000);
    put(&queue, NULL, "c", "state", BIG);
    for (int i = 0; i < 5; i++)
        put(&queue, NULL, "m", NULL, BIG);
    CHECK_EQ(queue.counters.lost, 3);
    CHECK_EQ(queue.counters.waiting, 3);
    put(&queue, NULL, "m", NULL, 5 * BIG);
    CHECK_EQ(queue.counters.waiting, 2);
    (void)fill(&queue);
    lbi_queue_sent(&queue, 200, 1);
    CHECK_EQ(queue.message_bytes, 0);
    CHECK_EQ(queue.counters.overflows, 0);
    lbi_queue_done(&queue);
}

/* What waits for an entry waits for what replaces it, too. */
TEST(what_is_due)
{
    lbi_queue queue;

    lbi_queue_init(&queue, 0, 10, 10, 1000000);
    put(&queue, NULL, "c", "a", 1);
    (void)fill(&queue);
    put(&queue, NULL, "c", "b", 1);
    put(&queue, NULL, "m", NULL, 1);
    lbi_queue_mark(&queue);
    lbi_queue_mark(&queue);
    CHECK_EQ(queue.n_due, 3);
    put(&queue, NULL, "c", "c", 1);
    CHECK_EQ(queue.n_due, 3);
    put(&queue, NULL, "d", "a", 1);
    CHECK_EQ(queue.n_due, 3);
    lbi_queue_again(&queue, true, 1); /* the newer one stands for it */
    CHECK_EQ(queue.n_due, 2);
    (void)fill(&queue);
    put(&queue, NULL, "c", "d", 1);
    lbi_queue_again(&queue, true, 1);
    CHECK_EQ(queue.n_due, 2);
    (void)fill(&queue);
    lbi_queue_sent(&queue, 200, 1);
    CHECK_EQ(queue.n_due, 0);
    CHECK_EQ(queue.counters.waiting, 0);
    lbi_queue_done(&queue);
}
