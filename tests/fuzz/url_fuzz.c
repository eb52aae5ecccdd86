/* Database URLs: making a client of one touches nothing, and says what is wrong with it. */
#include "leaderboard.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_refused(int r, const lb_error *error)
{
    if (r != LB_E_INVAL && r != LB_E_UNSUPPORTED && r != LB_E_IO && r != LB_E_TLS)
        abort();
    if (error->code != r || error->msg[0] == '\0' || strlen(error->msg) >= sizeof error->msg)
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *url = malloc(size + 1);
    lb_client *client = NULL;
    lb_error error = {.code = 0};
    lb_options options;
    uint64_t due = 0;
    int r;

    if (!url)
        abort();
    if (size)
        memcpy(url, data, size);
    url[size] = '\0';
    lb_options_init(&options);
    options.database = url;
    r = lb_client_new(&options, &client, &error);
    if (r < 0)
        check_refused(r, &error);
    else if (lb_client_deadline(client, &due) < 0 || lb_client_fd(client) < 0)
        abort();
    lb_client_free(client);
    free(url);
    return 0;
}
