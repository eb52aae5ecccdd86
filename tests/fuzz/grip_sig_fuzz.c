/* Tokens, keys and Grip-Last fields out of any text: key, token and field, each ended by a NUL.
 * Nobody finds a token that is valid; one that is made is. */
#include "push/grip_hold.h"
#include "push/grip_token.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { NOW = 1700000000 };

static void check_made(const lbi_grip_key *key)
{
    lbi_buf buf;

    lbi_buf_init(&buf, 4096);
    if (lbi_grip_token_make(&buf, key, "iss", NOW) == 0 && lbi_buf_add_char(&buf, '\0') == 0 &&
        lbi_grip_token_verify(lbi_buf_bytes(&buf), key, "iss", NOW, NULL) < 0)
        abort();
    lbi_buf_done(&buf);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const lbi_grip_key secret = {
        .kind = LBI_GRIP_KEY_SECRET, .bytes = "nobody knows", .size = 12};
    char *text = malloc(size + 3), id[LBI_GRIP_ID_MAX + 1];
    const char *token, *field;
    lbi_grip_key key;
    lb_error error = {.msg = ""};

    if (!text)
        return 0;
    memcpy(text, data, size);
    memset(text + size, 0, 3);
    token = text + strlen(text) + 1;
    if (token > text + size)
        token = text;
    field = token + strlen(token) + 1;
    if (field > text + size)
        field = token;
    if (lbi_grip_token_verify(token, &secret, NULL, NOW, &error) == 0 || !error.msg[0])
        abort();
    if (lbi_grip_key_parse(text, &key, &error) == 0) {
        (void)lbi_grip_token_verify(token, &key, "iss", NOW, &error);
        if (key.kind == LBI_GRIP_KEY_SECRET)
            check_made(&key);
    }
    if (lbi_grip_last(field, "channel", id) && lbi_grip_id_check(id, NULL) < 0)
        abort();
    free(text);
    return 0;
}
