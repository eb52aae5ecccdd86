/*
 * Heads that a proxy in front may have read otherwise than libmicrohttpd has, so that the one takes
 * for a body what the other takes for the next request. libmicrohttpd lets some of them pass, even
 * when it is told to be strict: they are found here, and their connections ended.
 */
#include "server.h"

#include <stddef.h>
#include <string.h>
#include <strings.h>

enum { LINE_END = sizeof "\r\n" - 1 };

struct head {
    size_t size; /* as it must have been sent, if this is how it was meant */
    unsigned lengths, codings, hosts;
    const char *fault;
};

/* What may be in the name of a method or a field (RFC 9110, 5.6.2). */
static bool is_token(const char *text)
{
    static const char marks[] = "!#$%&'*+-.^_`|~";
    const char *p = text;

    while ((*p >= '0' && *p <= '9') || (*p >= 'A' && *p <= 'Z') || (*p >= 'a' && *p <= 'z') ||
           (*p && strchr(marks, *p)))
        p++;
    return p != text && !*p;
}

static bool has_control(const char *value)
{
    for (; *value; value++) {
        if (((unsigned char)*value < ' ' && *value != '\t') || *value == 0x7f)
            return true;
    }
    return false;
}

/* Name and value stand where the line was: between them were a colon and blanks. Otherwise
 * libmicrohttpd has joined several lines. */
static bool follows(const char *value, const char *name, size_t *ret_blanks)
{
    const char *after = name + strlen(name) + 1;

    if ((uintptr_t)value < (uintptr_t)after)
        return false;
    *ret_blanks = (uintptr_t)value - (uintptr_t)after;
    return strspn(after, " \t") == *ret_blanks;
}

static void look_at_name(struct head *head, const char *name, const char *value)
{
    if (strcasecmp(name, MHD_HTTP_HEADER_CONTENT_LENGTH) == 0)
        head->lengths++;
    if (strcasecmp(name, MHD_HTTP_HEADER_HOST) == 0)
        head->hosts++;
    if (strcasecmp(name, MHD_HTTP_HEADER_TRANSFER_ENCODING) == 0) {
        head->codings++;
        if (strcasecmp(value, "chunked") != 0)
            head->fault = "the only transfer encoding here is chunked";
    }
}

static enum MHD_Result look_at_line(void *cls, enum MHD_ValueKind kind, const char *name,
                                    const char *value)
{
    struct head *head = cls;
    size_t blanks;

    (void)kind;
    if (!value || !is_token(name) || has_control(value) || !follows(value, name, &blanks)) {
        head->fault = "a field of the head is malformed";
        return MHD_NO;
    }
    head->size += strlen(name) + strlen(":") + blanks + strlen(value) + LINE_END;
    look_at_name(head, name, value);
    return MHD_YES;
}

const char *framing_fault(struct MHD_Connection *connection, const char *method, const char *target,
                          const char *version)
{
    const union MHD_ConnectionInfo *info =
        MHD_get_connection_info(connection, MHD_CONNECTION_INFO_REQUEST_HEADER_SIZE);
    struct head head = {.size = strlen(method) + strlen(" ") + strlen(target) + strlen(" ") +
                                strlen(version) + LINE_END + LINE_END};

    (void)MHD_get_connection_values(connection, MHD_HEADER_KIND, look_at_line, &head);
    if (head.fault)
        return head.fault;
    if (head.lengths + head.codings > 1)
        return "the length of the body is given more than once";
    if (head.codings > 0 && strcmp(version, MHD_HTTP_VERSION_1_0) == 0)
        return "HTTP/1.0 has no transfer encodings";
    if (head.hosts > 1)
        return "Host is given more than once";
    if (!is_token(method) || !info || info->header_size != head.size)
        return "a line of the head is folded, has superfluous blanks or does not end with CR LF";
    return NULL;
}
