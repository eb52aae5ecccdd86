/* Strict, locale-free reading and checking of what comes from outside. */
#ifndef LBI_BASE_STR_H
#define LBI_BASE_STR_H

#include "leaderboard.h"

#include <stdbool.h>

#define LBI_UUID_LEN 36

/* An idempotency key. Returns 0 or LB_E_INVAL. */
int lbi_key_check(const char *key, lb_error *reterr);

/* A score or an amount. Returns 0 or LB_E_INVAL. */
int lbi_score_check(int64_t score, lb_error *reterr);

/* Decimal digits only, at most max. The whole of text[0..len). */
bool lbi_parse_u64(const char *text, size_t len, uint64_t max, uint64_t *ret);

/* -?(0|[1-9][0-9]*) within the range of a score. The whole of text[0..len). */
bool lbi_parse_score(const char *text, size_t len, int64_t *ret);

/* Length of the UTF-8 sequence at text[0..len), 0 if there is no valid one; *ret is its code
 * point. Refuses overlong forms, surrogates and what lies beyond U+10FFFF. */
size_t lbi_utf8_next(const char *text, size_t len, uint32_t *ret);

/* A name that somebody else wrote, as one that lb_name_check() takes: what is no UTF-8 and control
 * characters become U+FFFD, what is too long is cut. "" if nothing is left. */
void lbi_name_mend(const char *raw, char ret[LB_NAME_MAX + 1]);

/* 0..15, -1 for what is no hexadecimal digit. */
int lbi_hex_digit(char c);

/* Makes text of %41 and the like, in place. False: not well-formed, a NUL, or no UTF-8. */
bool lbi_percent_decode(char *text);

/* A UUIDv4 out of 16 random bytes, as text with NUL. */
void lbi_uuid4(const uint8_t random[16], char ret[LBI_UUID_LEN + 1]);

/* Copies src into dst of the given size, cut if need be, always with NUL. */
void lbi_copy(char *dst, size_t size, const char *src);

#endif
