#include "base/error.h"

#include <stdarg.h>
#include <stdio.h>

int lbi_fail(lb_error *reterr, int code, const char *format, ...)
{
    va_list args;

    if (!reterr)
        return code;
    reterr->code = code;
    va_start(args, format);
    (void)vsnprintf(reterr->msg, sizeof reterr->msg, format, args);
    va_end(args);
    return code;
}

int lbi_fail_nomem(lb_error *reterr)
{
    return lbi_fail(reterr, LB_E_NOMEM, "out of memory");
}

const char *lb_strerror(int code)
{
    switch (code) {
#define LBI_CASE(name, value, text)                                                                \
    case value:                                                                                    \
        return text;
        LB_ERROR_MAP(LBI_CASE)
#undef LBI_CASE
    default:
        return "unknown error";
    }
}

const char *lb_error_name(int code)
{
    switch (code) {
#define LBI_CASE(name, value, text)                                                                \
    case value:                                                                                    \
        return #name;
        LB_ERROR_MAP(LBI_CASE)
#undef LBI_CASE
    default:
        return "?";
    }
}
