/* Fields that are lists: Accept, If-None-Match; and Origin, Authorization. */
#include "http/request.h"

#include <string.h>
#include <strings.h>

static bool is_space(char c)
{
    return c == ' ' || c == '\t';
}

static const char *skip_space(const char *p)
{
    while (is_space(*p))
        p++;
    return p;
}

/* Where the element of a list ends: at `sep` or a comma that is in no quoted string. */
static const char *element_end(const char *p, char sep)
{
    bool quoted = false;

    for (; *p; p++) {
        if (quoted && *p == '\\' && p[1])
            p++;
        else if (*p == '"')
            quoted = !quoted;
        else if (!quoted && (*p == ',' || *p == sep))
            break;
    }
    return p;
}

/* 0, 1, 0.123, 1.000 as thousandths; -1 = no such number. */
static int parse_quality(const char *p, const char *end)
{
    int value = 0, scale = 1000;

    while (end > p && is_space(end[-1]))
        end--;
    if (p == end || (*p != '0' && *p != '1'))
        return -1;
    value = (*p++ - '0') * scale;
    if (p < end && *p++ != '.')
        return -1;
    if (end - p > 3)
        return -1;
    for (; p < end; p++) {
        if (*p < '0' || *p > '9')
            return -1;
        scale /= 10;
        value += (*p - '0') * scale;
    }
    return value <= 1000 ? value : -1;
}

/* How well a media type is liked. */
typedef struct liking {
    const char *type; /* in full, such as "application/json" */
    int quality;      /* thousandths */
    int exactness;    /* 0 nothing said, 1 for any type, 2 for the major type, 3 for the type */
    int order;        /* of the element that said so */
} liking;

static int exactness(const char *range, size_t len, const char *type)
{
    size_t major = strcspn(type, "/") + 1;

    if (len == 3 && memcmp(range, "*/*", 3) == 0)
        return 1;
    if (len == major + 1 && range[major] == '*' && strncasecmp(range, type, major) == 0)
        return 2;
    return len == strlen(type) && strncasecmp(range, type, len) == 0 ? 3 : 0;
}

static void like(liking *type, const char *range, size_t len, int quality, int order)
{
    int how = exactness(range, len, type->type);

    if (how <= type->exactness)
        return;
    type->quality = quality;
    type->exactness = how;
    type->order = order;
}

/* The quality of an element, whose parameters begin at p; -1 = malformed. */
static int element_quality(const char *p)
{
    int quality = 1000;

    while (*p == ';') {
        const char *name = skip_space(p + 1);

        p = element_end(name, ';');
        if ((name[0] == 'q' || name[0] == 'Q') && name[1] == '=')
            quality = parse_quality(name + 2, p);
        if (quality < 0)
            return quality;
    }
    return quality;
}

static bool prefers(const liking *a, const liking *b)
{
    if (a->quality != b->quality)
        return a->quality > b->quality;
    if (a->exactness != b->exactness)
        return a->exactness > b->exactness;
    return a->order < b->order;
}

int lbi_accept(const char *field)
{
    liking json = {.type = "application/json"}, stream = {.type = "text/event-stream"};
    bool any = false;
    int order = 0;

    for (const char *p = field ? skip_space(field) : ""; *p; p = skip_space(p)) {
        const char *end = element_end(p, ';');
        size_t len = (size_t)(end - p);
        int quality = element_quality(end);

        while (len > 0 && is_space(p[len - 1]))
            len--;
        if (len > 0 && quality >= 0) {
            any = true;
            order++;
            like(&json, p, len, quality, order);
            like(&stream, p, len, quality, order);
        }
        p = element_end(p, ',');
        p += *p == ',';
    }
    if (!any)
        return LBI_ACCEPT_JSON;
    if (stream.quality > 0 && prefers(&stream, &json))
        return LBI_ACCEPT_STREAM;
    return json.quality > 0 ? LBI_ACCEPT_JSON : LBI_ACCEPT_NOTHING;
}

bool lbi_tag_matches(const char *field, const char *tag)
{
    size_t len = strlen(tag);

    for (const char *p = skip_space(field); *p; p = skip_space(p)) {
        const char *end;

        if (*p == '*')
            return true;
        if (*p == ',') { /* an empty element */
            p++;
            continue;
        }
        if (strncmp(p, "W/", 2) == 0)
            p += 2;
        /* No escapes in a tag: it ends at the next quote. */
        end = *p == '"' ? strchr(p + 1, '"') : NULL;
        if (!end)
            return false;
        if ((size_t)(end + 1 - p) == len && memcmp(p, tag, len) == 0)
            return true;
        p = end + 1;
    }
    return false;
}

static size_t without_port(const char *host, size_t len, const char *port)
{
    size_t n = strlen(port);

    return len > n && memcmp(host + len - n, port, n) == 0 ? len - n : len;
}

bool lbi_origin_is(const char *origin, const char *host, size_t len)
{
    const char *port = strncasecmp(origin, "https:", 6) == 0 ? ":443" : ":80";
    const char *own = strstr(origin, "://");
    size_t own_len;

    if (!own)
        return false; /* "null": of a page that is to be told from all others */
    own += 3;
    own_len = without_port(own, strlen(own), port);
    len = without_port(host, len, port);
    return len > 0 && len == own_len && strncasecmp(own, host, len) == 0;
}

const char *lbi_bearer(const char *field)
{
    if (!field || strncasecmp(field, "Bearer ", 7) != 0)
        return NULL;
    return skip_space(field + 7);
}
