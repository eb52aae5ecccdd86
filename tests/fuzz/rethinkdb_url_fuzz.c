/* rethinkdb: URLs out of any text. */
#include "store/rethinkdb_url.h"

#include "base/str.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_utf8(const char *text)
{
    size_t len = text ? strlen(text) : 0, n;
    uint32_t c;

    for (; len > 0; text += n, len -= n) {
        n = lbi_utf8_next(text, len, &c);
        if (n == 0)
            abort();
    }
}

static void check_parts(const lbi_rdb_url *url)
{
    if (url->n_hosts == 0 || url->n_hosts > LBI_RDB_HOSTS || !url->database[0] ||
        strlen(url->database) > LBI_RDB_NAME)
        abort();
    for (size_t i = 0; i < url->n_hosts; i++) {
        if (!url->hosts[i].name[0])
            abort();
    }
    check_utf8(url->user);
    check_utf8(url->password);
    check_utf8(url->tls_options.ca_file);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *text = malloc(size + 1);
    lbi_rdb_url url;
    lb_error error = {.msg = ""};

    if (!text)
        return 0;
    memcpy(text, data, size);
    text[size] = '\0';
    if (lbi_rdb_url_parse(text, &url, &error) == 0) {
        check_parts(&url);
        lbi_rdb_url_done(&url);
    } else if (!error.msg[0] || url.text) {
        abort();
    }
    free(text);
    return 0;
}
