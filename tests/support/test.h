/* The test harness. A test is a function that returns; a CHECK that does not hold ends it.
 *
 * Each test runs in a child process of its own, in an empty directory that is removed afterwards, with an alarm,
 * with standard input closed off and output shown only when it fails. It also fails when it leaves a descriptor
 * open, when a sanitizer reports at exit, and when a child it forked itself fails a CHECK.
 *
 *     TEST(parses_zero) { CHECK_EQ(lbi_parse("0"), 0); }
 *     TEST(takes_long, .timeout_s = 120) { ... }
 *
 * A test program prints one line a test: `ok NAME (3 ms)`, `FAIL NAME: why` or `SKIP NAME: why`. Run it with -l to
 * list, with words to run only the tests whose names contain one, with -d to run one in this process, for a
 * debugger. TEST_TIMEOUT_SCALE=10 in the environment makes every alarm ten times longer (valgrind). */
#ifndef TEST_H
#define TEST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifndef TEST_SUITE
#define TEST_SUITE "test"
#endif

struct test {
    const char *suite, *name;
    void (*run)(void);
    unsigned timeout_s; /* 0: 60 seconds */
    struct test *next;
};

void test_register(struct test *test);

#define TEST(name_, ...)                                                                           \
    static void test_case_##name_(void);                                                           \
    static struct test test_entry_##name_ = {                                                      \
        .suite = TEST_SUITE, .name = #name_, .run = test_case_##name_, __VA_ARGS__};               \
    __attribute__((constructor)) static void test_register_##name_(void)                           \
    {                                                                                              \
        test_register(&test_entry_##name_);                                                        \
    }                                                                                              \
    static void test_case_##name_(void)

/* Both end the test at once, without running its cleanup. */
_Noreturn void test_fail(const char *file, int line, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));
_Noreturn void test_skip(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

void test_check_eq(const char *file, int line, const char *exprs, intmax_t a, intmax_t b);
void test_check_str(const char *file, int line, const char *exprs, const char *a, const char *b);
void test_check_mem(const char *file, int line, const char *exprs, const void *a, const void *b,
                    size_t n);
void test_check_ok(const char *file, int line, const char *expr, int code);

#define SKIP(...) test_skip(__VA_ARGS__)
#define FAIL(...) test_fail(__FILE__, __LINE__, __VA_ARGS__)

#define CHECK(cond)                                                                                \
    do {                                                                                           \
        if (!(cond))                                                                               \
            test_fail(__FILE__, __LINE__, "not so: %s", #cond);                                    \
    } while (0)

/* Integers, enums and bools; `| 0` refuses doubles and pointers at compile time. */
#define CHECK_EQ(a, b)                                                                             \
    test_check_eq(__FILE__, __LINE__, #a " == " #b, (intmax_t)((a) | 0), (intmax_t)((b) | 0))

#define CHECK_STR(a, b) test_check_str(__FILE__, __LINE__, #a " == " #b, (a), (b))
#define CHECK_MEM(a, b, n) test_check_mem(__FILE__, __LINE__, #a " == " #b, (a), (b), (n))

/* A library call that must not return an error (a negative code). */
#define CHECK_OK(expr) test_check_ok(__FILE__, __LINE__, #expr, (expr))

#endif
