#include "leaderboard.h"

#include <string.h>

void lb_init_sized(void *options, size_t size)
{
    if (!options || size < sizeof size)
        return;
    memset(options, 0, size);
    memcpy(options, &size, sizeof size); /* struct_size comes first everywhere */
}
