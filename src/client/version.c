#include "leaderboard.h"

#define TEXT_(x) #x
#define TEXT(x) TEXT_(x)

const char *lb_version(void)
{
    return TEXT(LB_VERSION_MAJOR) "." TEXT(LB_VERSION_MINOR) "." TEXT(LB_VERSION_PATCH);
}
