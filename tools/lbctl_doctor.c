#include "lbctl_doctor.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define COUNT_MS 2000
/* What is worth a warning: a hundred times what is usual. */
#define COMMIT_SLOW_US 100000
#define CHANGE_SLOW_US 100000
#define WAL_LARGE ((int64_t)256 << 20)

static void find(struct lbctl_doctor *d, bool problem, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

static void find(struct lbctl_doctor *d, bool problem, const char *format, ...)
{
    struct lbctl_finding *finding = &d->findings[d->n];
    va_list args;

    d->sick |= problem;
    if (d->n == LBCTL_FINDINGS_MAX)
        return;
    d->n++;
    finding->problem = problem;
    va_start(args, format);
    (void)vsnprintf(finding->text, sizeof finding->text, format, args);
    va_end(args);
}

/* ---- The URL and the file ------------------------------------------------------------------- */

/* What stands between "user:" and the last "@" of what may be user, password and hosts. */
static void hide_password(const char *url, char *ret, size_t size)
{
    const char *host = strstr(url, "://"), *at = strrchr(url, '@'), *colon;

    host = host ? host + 3 : url;
    colon = at && at > host ? memchr(host, ':', (size_t)(at - host)) : NULL;
    if (colon)
        (void)snprintf(ret, size, "%.*s:***%s", (int)(colon - url), url, at);
    else
        (void)snprintf(ret, size, "%s", url);
}

static int64_t size_of(const char *path)
{
    struct stat st;

    return stat(path, &st) == 0 ? (int64_t)st.st_size : -1;
}

static void look_at_file(struct lbctl_doctor *d, const char *url)
{
    const char *file = url + strlen("sqlite:");
    char wal[PATH_MAX + 8];

    d->size = d->wal_size = -1;
    if (strncmp(url, "sqlite:", strlen("sqlite:")) != 0)
        return;
    if (!realpath(file, d->path))
        (void)snprintf(d->path, sizeof d->path, "%s", file);
    d->size = size_of(d->path);
    d->file_exists = d->size >= 0;
    (void)snprintf(wal, sizeof wal, "%s-wal", d->path);
    d->wal_size = size_of(wal);
    if (d->wal_size > WAL_LARGE)
        find(d, false,
             "the write-ahead log has %" PRId64 " MB: some program keeps an old state open, so "
             "that it cannot be moved into the database; fuser '%s' names those that have it open",
             d->wal_size >> 20, wal);
}

static void look_at_url(struct lbctl_doctor *d)
{
    const char *url = lbctl_database(d->ctl, &d->source);

    if (!url)
        url = "sqlite:leaderboard.db"; /* as leaderboard.h says */
    if (strncmp(url, "sqlite:", strlen("sqlite:")) == 0)
        (void)snprintf(d->url, sizeof d->url, "%s", url);
    else
        hide_password(url, d->url, sizeof d->url);
    look_at_file(d, url);
}

/* ---- What is in it -------------------------------------------------------------------------- */

struct page {
    char ids[LB_LIMIT_MAX][LB_BOARD_MAX + 1];
    uint32_t n;
};

static int on_board(const lb_board *board, void *user)
{
    struct page *page = user;

    (void)snprintf(page->ids[page->n++], sizeof page->ids[0], "%s", board->id);
    return 0;
}

static uint32_t left_ms(uint64_t end_us)
{
    uint64_t now = lbctl_now_us();

    return now < end_us ? (uint32_t)((end_us - now) / 1000) : 0;
}

/* False when the time is over or something is wrong; what was counted stays. */
static bool count_page(struct lbctl_doctor *d, const struct page *page, uint64_t end,
                       lb_error *error)
{
    lb_read_options options;

    lb_read_options_init(&options);
    for (uint32_t i = 0; i < page->n; i++) {
        const lb_board *board;
        int r;

        options.timeout_ms = left_ms(end);
        error->code = LB_E_TIMEOUT;
        if (options.timeout_ms == 0)
            return false;
        r = lb_board_info(d->ctl->client, page->ids[i], &options, &board, error);
        if (r == LB_E_NOTFOUND) /* deleted a moment ago */
            continue;
        if (r < 0)
            return false;
        d->boards++;
        d->players += board->players;
    }
    return true;
}

static bool count(struct lbctl_doctor *d, struct page *page, lb_error *error)
{
    uint64_t end = lbctl_now_us() + COUNT_MS * 1000;
    char after[LB_BOARD_MAX + 1] = "";
    lb_range range;

    lb_range_init(&range);
    do {
        range.after = *after ? after : NULL;
        page->n = 0;
        if (lb_board_list(d->ctl->client, &range, on_board, page, error) < 0)
            return false;
        d->counted = true;
        if (!count_page(d, page, end, error))
            return false;
        if (page->n)
            memcpy(after, page->ids[page->n - 1], sizeof after);
    } while (page->n == LB_LIMIT_MAX);
    return true;
}

/* It comes from a server: nothing in it reaches a terminal as a command. */
static void copy_text(char *ret, size_t size, const char *text)
{
    (void)snprintf(ret, size, "%s", text);
    for (char *c = ret; *c; c++) {
        if ((unsigned char)*c < 0x20 || *c == 0x7f)
            *c = ' ';
    }
}

static int add_fact(const char *name, const char *value, void *user)
{
    struct lbctl_doctor *d = user;
    struct lbctl_fact fact;

    copy_text(fact.name, sizeof fact.name, name);
    copy_text(fact.value, sizeof fact.value, value);
    if (strcmp(name, "warning") == 0)
        find(d, false, "%s", fact.value);
    else if (d->n_facts < LBCTL_FACTS_MAX)
        d->facts[d->n_facts++] = fact;
    return 0;
}

/* What does not even answer is not asked a second time. */
static void look_inside(struct lbctl_doctor *d)
{
    struct page *page = lbctl_alloc(sizeof *page);
    lb_error error = {0};

    if (lb_database_info(d->ctl->client, NULL, add_fact, d, &error) >= 0)
        d->counted_all = count(d, page, &error);
    free(page);
    if (d->counted_all || (error.code == LB_E_TIMEOUT && d->counted))
        return;
    d->missing = error.code == LB_E_NOTFOUND;
    d->missing_error = error;
    if (!d->missing)
        find(d, true, "it cannot be read: %s", error.msg);
}

/* ---- Whether it works ----------------------------------------------------------------------- */

/* About a file; what a server says of itself says what to do. */
static const char *advice(const struct lbctl_doctor *d, int code)
{
    switch (*d->path ? code : 0) {
    case LB_E_READONLY:
        return "; the file, its directory and the files beside it must be writable";
    case LB_E_FULL:
        return "; make room on the disk";
    case LB_E_TIMEOUT:
    case LB_E_BUSY:
        return "; another program holds the database, see who has it open with fuser";
    case LB_E_CORRUPT:
        return "; restore it from a copy, or save what is left with .recover of the sqlite3 shell";
    default:
        return "";
    }
}

static void try_it(struct lbctl_doctor *d)
{
    struct lbctl_probe *probe = &d->probe;

    lbctl_probe_run(d->ctl, probe);
    if (probe->error.code && strcmp(probe->step, "follow") == 0)
        find(d, true, "changes do not arrive: %s", probe->error.msg);
    else if (probe->error.code)
        find(d, true, "a write fails: %s%s", probe->error.msg, advice(d, probe->error.code));
    if (*probe->left)
        find(d, true, "a board made for the trial could not be removed; later, do: lbctl %s%s",
             "board-delete ", probe->left);
    if (probe->wrote && probe->commit_us > COMMIT_SLOW_US)
        find(d, false, "a write takes long: the disk%s is slow, or others write all the time",
             *d->path ? "" : " or the way to the server");
    if (probe->heard && probe->change_us > CHANGE_SLOW_US && !*d->path)
        find(d, false, "changes take long to arrive: the server or the way to it is slow");
    else if (probe->heard && probe->change_us > CHANGE_SLOW_US)
        find(d, false,
             "changes are noticed only by looking now and then: file watches (inotify) do not "
             "work here; see fs.inotify.max_user_instances, and whether the file system is local");
}

/* ---- The command ---------------------------------------------------------------------------- */

static int answer(const struct lbctl_doctor *d)
{
    int status = LBCTL_DONE;

    if (d->ctl->option[OPT_JSON])
        lbctl_doctor_print_json(d);
    else
        lbctl_doctor_print(d);
    if (!lbctl_flush(&status) && status != LBCTL_DONE)
        return status;
    if (d->missing)
        return lbctl_fail(d->ctl, &d->missing_error);
    if (d->sick)
        lbctl_complain("the database does not work as it should; the problems are listed");
    return d->sick ? LBCTL_FAILED : LBCTL_DONE;
}

int lbctl_doctor(struct lbctl *ctl)
{
    struct lbctl_doctor *d = lbctl_alloc(sizeof *d);
    int status;

    d->ctl = ctl;
    look_at_url(d);
    look_inside(d);
    if (!d->missing && !d->sick)
        try_it(d);
    status = answer(d);
    free(d);
    return status;
}
