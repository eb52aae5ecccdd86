/* GRIP URLs out of any text. */
#include "push/grip_url.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int has_control(const char *text)
{
    for (; text && *text; text++) {
        if ((unsigned char)*text < ' ' || *text == 0x7f)
            return 1;
    }
    return 0;
}

/* What goes into a request must not be able to add to it. */
static void check_proxy(const lbi_grip_proxy *proxy)
{
    const char *end = strstr(proxy->publish_url, "/publish/");

    if (strncmp(proxy->publish_url, "http", 4) != 0 || !end ||
        !strstr(proxy->recover_url, "/recover/"))
        abort();
    if (has_control(proxy->publish_url) || has_control(proxy->bearer) || has_control(proxy->user) ||
        has_control(proxy->password))
        abort();
    if (proxy->iss && proxy->key.kind != LBI_GRIP_KEY_SECRET)
        abort();
    if (proxy->key.size > LBI_GRIP_SECRET_MAX || proxy->verify_key.size > LBI_GRIP_SECRET_MAX)
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *text = malloc(size + 1);
    lbi_grip_config config;
    lb_error error = {.msg = ""};

    if (!text)
        return 0;
    memcpy(text, data, size);
    text[size] = '\0';
    if (lbi_grip_url_parse(text, &config, &error) == 0) {
        if (config.n == 0 || config.n > LBI_GRIP_PROXIES)
            abort();
        for (size_t i = 0; i < config.n; i++)
            check_proxy(&config.proxies[i]);
        lbi_grip_config_done(&config);
    } else if (!error.msg[0]) {
        abort();
    }
    free(text);
    return 0;
}
