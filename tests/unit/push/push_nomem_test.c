/* Every allocation of ours fails in turn; the proxy is one that is not there. */
#include "leaderboard-push.h"

#include "fake_http.h"
#include "fault.h"
#include "test.h"

#include <stdio.h>

static void on_done(const lb_push_result *result, void *user)
{
    int *results = user;

    CHECK(result->code < 0);
    ++*results;
}

TEST(out_of_memory)
{
    fake_http http;
    char url[100];

    fake_http_start(&http); /* for a port that nobody listens at */
    snprintf(url, sizeof url, "http://127.0.0.1:%u/?iss=i&key=k", http.port);
    fake_http_close(&http);
    FOR_EACH_ALLOC_FAILURE (i) {
        lb_push_options o = {.struct_size = sizeof o, .grip_url = url, .max_channels = 1};
        lb_push_message m = {.struct_size = sizeof m,
                             .flags = LB_PUSH_LATEST,
                             .channel = "c",
                             .id = "i",
                             .content = "x",
                             .content_size = 1};
        lb_push *push = NULL;
        int code = lb_push_new(&o, &push, NULL), published = 0, results = 0;

        CHECK(code == 0 || (code == LB_E_NOMEM && fault_fired()));
        for (int n = 0; code == 0 && n < 4; n++) {
            m.channel = n % 2 ? "c" : "d";
            code = lb_push_publish(push, &m, on_done, &results, NULL);
            CHECK(code == 0 || (code == LB_E_NOMEM && fault_fired()));
            published += code == 0;
            CHECK_OK(lb_push_process(push));
        }
        lb_push_free(push);
        CHECK_EQ(results, published); /* each once, whatever happens */
    }
    fake_http_open(&http);
    fake_http_stop(&http);
}
