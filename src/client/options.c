#include "base/error.h"
#include "client/client.h"

#include <string.h>

void lb_init_sized(void *options, size_t size)
{
    if (!options || size < sizeof size)
        return;
    memset(options, 0, size);
    memcpy(options, &size, sizeof size); /* struct_size comes first everywhere */
}

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

    lb_init_sized(dst, size);
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
