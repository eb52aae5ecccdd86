/* Linked lists: utlist, included here and nowhere else. Elements have `prev` and `next`. */
#ifndef LBI_BASE_LIST_H
#define LBI_BASE_LIST_H

#include <utlist.h>

#endif
