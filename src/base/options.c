#include "base/options.h"

#include "base/error.h"

#include <stdbool.h>
#include <string.h>

static bool all_zero(const char *p, size_t size)
{
    for (size_t i = 0; i < size; i++) {
        if (p[i])
            return false;
    }
    return true;
}

int lbi_options_copy(void *dst, size_t size, const void *src, const char *what, lb_error *reterr)
{
    size_t given;

    memset(dst, 0, size);
    memcpy(dst, &size, sizeof size);
    if (!src)
        return 0;
    memcpy(&given, src, sizeof given);
    if (given < sizeof given)
        return lbi_fail(reterr, LB_E_INVAL, "%s has no size: prepare it with %s_init()", what,
                        what);
    if (given > size && !all_zero((const char *)src + size, given - size))
        return lbi_fail(reterr, LB_E_UNSUPPORTED,
                        "%s asks for something that this version of the library does not know",
                        what);
    memcpy(dst, src, given < size ? given : size);
    return 0;
}
