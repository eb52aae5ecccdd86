/* What cppcheck needs of system headers, which it does not read: loops that are macros. */
#define DL_FOREACH(head, el) for ((el) = (head); (el); (el) = (el)->next)
#define DL_FOREACH_SAFE(head, el, tmp)                                                             \
    for ((el) = (head); (el) && ((tmp) = (el)->next, 1); (el) = (tmp))
#define HASH_ITER(hh, head, el, tmp)                                                               \
    for ((el) = (head); (el) && ((tmp) = (el)->hh.next, 1); (el) = (tmp))
