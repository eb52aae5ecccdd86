/* Runs the tests that TEST() registered: see test.h. */
#include "test.h"

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <limits.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { DEFAULT_TIMEOUT_S = 60, MAX_FD = 1024, EXIT_ALL_SKIPPED = 77 };
enum outcome { PASSED, FAILED, SKIPPED };

/* Shared with the test's process and whatever it forks, so that a failed CHECK is heard wherever it happens. */
struct report {
    enum outcome outcome;
    char message[1000];
};

static struct test *tests;
static struct test **tests_end = &tests;
static struct report *report;
static bool in_debugger;

/* Only there when the library is linked in; the harness's own tests have no need of it. */
const char *lb_strerror(int code) __attribute__((weak));

void test_register(struct test *test)
{
    *tests_end = test;
    tests_end = &test->next;
}

/* --- inside a test ----------------------------------------------------------------------------------------- */

_Noreturn static void leave(enum outcome outcome, const char *message)
{
    if (report->outcome != FAILED) { /* the first failure is the one to tell */
        snprintf(report->message, sizeof report->message, "%s", message);
        report->outcome = outcome;
    }
    fflush(NULL);
    if (in_debugger && outcome == FAILED)
        abort();
    _exit(outcome ==
          FAILED); /* not exit(): LeakSanitizer would complain of what the test could not free */
}

_Noreturn void test_fail(const char *file, int line, const char *fmt, ...)
{
    char text[900], message[1000];
    va_list args;
    va_start(args, fmt);
    vsnprintf(text, sizeof text, fmt, args);
    va_end(args);
    const char *base = strrchr(file, '/');
    snprintf(message, sizeof message, "%s:%d: %s", base != NULL ? base + 1 : file, line, text);
    leave(FAILED, message);
}

_Noreturn void test_skip(const char *fmt, ...)
{
    char message[1000];
    va_list args;
    va_start(args, fmt);
    vsnprintf(message, sizeof message, fmt, args);
    va_end(args);
    leave(SKIPPED, message);
}

void test_check_eq(const char *file, int line, const char *exprs, intmax_t a, intmax_t b)
{
    if (a != b)
        test_fail(file, line, "%s: %jd and %jd", exprs, a, b);
}

void test_check_str(const char *file, int line, const char *exprs, const char *a, const char *b)
{
    if (a == NULL || b == NULL ? a != b : strcmp(a, b) != 0)
        test_fail(file, line, "%s: \"%s\" and \"%s\"", exprs, a != NULL ? a : "(null)",
                  b != NULL ? b : "(null)");
}

static void format_hex(char *text, size_t size, const unsigned char *bytes, size_t n)
{
    size_t used = 0;
    text[0] = '\0';
    for (size_t i = 0; i < n && used + 4 <= size; i++, used += 3)
        snprintf(text + used, size - used, "%02x ", bytes[i]);
}

void test_check_mem(const char *file, int line, const char *exprs, const void *a, const void *b,
                    size_t n)
{
    const unsigned char *x = a, *y = b;
    for (size_t at = 0; at < n; at++) {
        if (x[at] == y[at])
            continue;
        char left[60], right[60];
        size_t shown = n - at < 16 ? n - at : 16;
        format_hex(left, sizeof left, x + at, shown);
        format_hex(right, sizeof right, y + at, shown);
        test_fail(file, line, "%s: differ at byte %zu of %zu: %sand %s", exprs, at, n, left, right);
    }
}

void test_check_ok(const char *file, int line, const char *expr, int code)
{
    if (code < 0)
        test_fail(file, line, "%s: %d (%s)", expr, code,
                  lb_strerror != NULL ? lb_strerror(code) : "?");
}

/* --- around a test ----------------------------------------------------------------------------------------- */

static void note_open_fds(bool open[MAX_FD])
{
    for (int fd = 0; fd < MAX_FD; fd++)
        open[fd] = fcntl(fd, F_GETFD) >= 0;
}

static void check_open_fds(const bool before[MAX_FD])
{
    bool after[MAX_FD];
    note_open_fds(after);
    for (int fd = 0; fd < MAX_FD; fd++) {
        if (before[fd] == after[fd])
            continue;
        char link[40], target[200] = "";
        snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
        if (readlink(link, target, sizeof target - 1) < 0)
            target[0] = '\0';
        char why[300];
        if (after[fd])
            snprintf(why, sizeof why, "left descriptor %d open (%s)", fd, target);
        else
            snprintf(why, sizeof why, "closed descriptor %d, which it had not opened", fd);
        leave(FAILED, why);
    }
}

static unsigned timeout_of(const struct test *test)
{
    const char *scale = getenv("TEST_TIMEOUT_SCALE");
    unsigned seconds = test->timeout_s != 0 ? test->timeout_s : DEFAULT_TIMEOUT_S;
    return seconds * (scale != NULL ? (unsigned)strtoul(scale, NULL, 10) : 1);
}

_Noreturn static void run_in_child(const struct test *test, const char *dir)
{
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    setpgid(0, 0); /* so that what it leaves running can be ended with it */
    setrlimit(RLIMIT_CORE, &(struct rlimit){0});
    unsetenv("DATABASE_URL");
    if (chdir(dir) != 0)
        FAIL("cannot enter %s: %s", dir, strerror(errno));
    int null = open("/dev/null", O_RDONLY),
        out = open("../output", O_WRONLY | O_CREAT | O_APPEND, 0600);
    if (null < 0 || out < 0 || dup2(null, 0) < 0 || dup2(out, 1) < 0 || dup2(out, 2) < 0)
        FAIL("cannot redirect the test's output: %s", strerror(errno));
    close(null);
    close(out);

    bool open_before[MAX_FD];
    note_open_fds(open_before);
    alarm(timeout_of(test));
    test->run();
    check_open_fds(open_before);
    exit(0); /* the way on which the sanitizers report */
}

static void judge(const struct test *test, int status)
{
    char why[80];
    if (report->outcome == FAILED)
        return; /* it said so itself */
    if (WIFSIGNALED(status) && WTERMSIG(status) == SIGALRM)
        snprintf(why, sizeof why, "still running after %u s", timeout_of(test));
    else if (WIFSIGNALED(status))
        snprintf(why, sizeof why, "killed by signal %d (%s)", WTERMSIG(status),
                 strsignal(WTERMSIG(status)));
    else if (WEXITSTATUS(status) != 0)
        snprintf(why, sizeof why, "exit status %d, see its output", WEXITSTATUS(status));
    else
        return;
    report->outcome = FAILED;
    snprintf(report->message, sizeof report->message, "%s", why);
}

static void print_output(const char *path)
{
    FILE *file = fopen(path, "r");
    if (file == NULL)
        return;
    char line[4096];
    while (fgets(line, sizeof line, file) != NULL)
        printf("    | %s%s", line, strchr(line, '\n') != NULL ? "" : "\n");
    fclose(file);
}

static int remove_entry(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
    (void)st, (void)type, (void)ftw;
    return remove(path);
}

static int64_t now_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static enum outcome run(const struct test *test)
{
    const char *tmp = getenv("TMPDIR");
    char top[PATH_MAX / 2], dir[PATH_MAX], output[PATH_MAX];
    snprintf(top, sizeof top, "%s/lbtest.XXXXXX", tmp != NULL ? tmp : "/tmp");
    if (mkdtemp(top) == NULL) {
        perror(top);
        exit(1);
    }
    snprintf(dir, sizeof dir, "%s/cwd", top);
    snprintf(output, sizeof output, "%s/output", top);
    mkdir(dir, 0700);

    *report = (struct report){.outcome = PASSED};
    int64_t begin = now_ms();
    int status = 0;
    fflush(NULL);
    pid_t pid = fork();
    if (pid == 0)
        run_in_child(test, dir);
    if (pid < 0 || waitpid(pid, &status, 0) != pid) {
        perror("fork");
        exit(1);
    }
    kill(-pid, SIGKILL);
    judge(test, status);

    if (report->outcome == PASSED)
        printf("ok %s/%s (%lld ms)\n", test->suite, test->name, (long long)(now_ms() - begin));
    else
        printf("%s %s/%s: %s\n", report->outcome == FAILED ? "FAIL" : "SKIP", test->suite,
               test->name, report->message);
    if (report->outcome == FAILED)
        print_output(output);
    fflush(stdout);
    nftw(top, remove_entry, 16, FTW_DEPTH | FTW_PHYS);
    return report->outcome;
}

/* --- the program ------------------------------------------------------------------------------------------- */

static bool is_chosen(const struct test *test, char *const words[])
{
    if (words[0] == NULL)
        return true;
    for (; words[0] != NULL; words++)
        if (strstr(test->name, words[0]) != NULL)
            return true;
    return false;
}

int main(int argc, char *argv[])
{
    bool list = false;
    int option;
    while ((option = getopt(argc, argv, "ld")) != -1) {
        if (option == 'l') {
            list = true;
        } else if (option == 'd') {
            in_debugger = true;
        } else {
            fprintf(stderr, "usage: %s [-l] [-d] [WORD...]\n", argv[0]);
            return 2;
        }
    }
    report = mmap(NULL, sizeof *report, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (report == MAP_FAILED) {
        perror("mmap");
        return 1;
    }

    unsigned count[3] = {0};
    for (const struct test *test = tests; test != NULL; test = test->next) {
        if (!is_chosen(test, argv + optind))
            continue;
        if (list)
            printf("%s\n", test->name);
        else if (in_debugger)
            test->run();
        else
            count[run(test)]++;
    }
    if (list || in_debugger)
        return 0;
    if (count[PASSED] + count[FAILED] + count[SKIPPED] == 0) {
        fprintf(stderr, "%s: no such test\n", argv[0]);
        return 1;
    }
    return count[FAILED] != 0 ? 1 : count[PASSED] == 0 ? EXIT_ALL_SKIPPED : 0;
}
