/* Which relays share a lease. */
#include "push/relay.h"

#include "test.h"

#include <string.h>

/* Those of the same proxies share it, in whatever words. */
TEST(the_name_of_the_lease)
{
    static const char *const urls[] = {"http://a/x?key=k https://b",
                                       "https://b:443, HTTP://A:80/x/", "http://a/x https://b:444"};
    char names[3][LB_BOARD_MAX + 1];
    lb_options o;
    lb_client *client;

    lb_options_init(&o);
    o.database = "sqlite:test.db";
    CHECK_OK(lb_client_new(&o, &client, NULL));
    for (size_t i = 0; i < 3; i++) {
        lb_push_options p = {.struct_size = sizeof p, .grip_url = urls[i]};
        lb_push *push;
        lb_relay *relay;

        CHECK_OK(lb_push_new(&p, &push, NULL));
        CHECK_OK(lb_relay_new(client, push, NULL, &relay, NULL));
        strcpy(names[i], relay->lease);
        lb_relay_free(relay);
        lb_push_free(push);
    }
    CHECK_STR(names[1], names[0]);
    CHECK(strcmp(names[2], names[0]) != 0);
    lb_client_free(client);
}
