#include "os/random.h"

#include "leaderboard.h"

#include <errno.h>
#include <sys/random.h>

int lbi_random(void *buf, size_t size)
{
    char *p = buf;

    while (size > 0) {
        ssize_t n = getrandom(p, size, 0);

        if (n < 0 && errno != EINTR)
            return LB_E_IO;
        if (n > 0) {
            p += n;
            size -= (size_t)n;
        }
    }
    return 0;
}
