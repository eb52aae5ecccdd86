#include "lbctl_doctor.h"
#include "lbctl_json.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

static void print_size(const char *label, const char *path, const char *suffix, int64_t size)
{
    if (size < 0)
        printf("%-12s %s%s, not there\n", label, path, suffix);
    else if (size < 10000)
        printf("%-12s %s%s, %" PRId64 " bytes\n", label, path, suffix, size);
    else if (size < 1000000)
        printf("%-12s %s%s, %.1f kB\n", label, path, suffix, (double)size / 1e3);
    else
        printf("%-12s %s%s, %.1f MB\n", label, path, suffix, (double)size / 1e6);
}

void lbctl_doctor_print(const struct lbctl_doctor *d)
{
    const char *more = d->counted_all ? "" : " or more: counting took too long";

    printf("%-12s %s\n%-12s %s (%s)\n", "library", lb_version(), "database", d->url, d->source);
    if (*d->path) {
        print_size("file", d->path, "", d->size);
        if (d->wal_size >= 0)
            print_size("log", d->path, "-wal", d->wal_size);
    }
    for (size_t i = 0; i < d->n_facts; i++)
        printf("%-12s %s\n", d->facts[i].name, d->facts[i].value);
    if (d->counted && !d->missing)
        printf("%-12s %" PRId64 "%s\n%-12s %" PRId64 "%s\n", "boards", d->boards, more, "players",
               d->players, more);
    if (d->probe.wrote)
        printf("%-12s in %.3f ms\n", "write", (double)d->probe.commit_us / 1e3);
    if (d->probe.heard)
        printf("%-12s arrives %.3f ms after the write\n", "change",
               (double)d->probe.change_us / 1e3);
    for (size_t i = 0; i < d->n; i++)
        printf("%-12s %s\n", d->findings[i].problem ? "problem" : "warning", d->findings[i].text);
    if (!d->missing)
        printf("%-12s %s\n", "verdict", d->sick ? "does not work" : "healthy");
}

static void add_file(lbctl_json *object, const struct lbctl_doctor *d)
{
    lbctl_json *file;

    if (!*d->path)
        return;
    file = lbctl_json_object(object, "file");
    lbctl_json_string(file, "path", d->path);
    if (d->size >= 0)
        lbctl_json_number(file, "size", d->size);
    if (d->wal_size >= 0)
        lbctl_json_number(file, "wal_size", d->wal_size);
}

void lbctl_doctor_print_json(const struct lbctl_doctor *d)
{
    lbctl_json *object = lbctl_json_new(), *list, *facts;
    char *text;

    lbctl_json_string(object, "version", lb_version());
    lbctl_json_string(object, "database", d->url);
    lbctl_json_string(object, "source", d->source);
    add_file(object, d);
    facts = lbctl_json_object(object, "facts");
    for (size_t i = 0; i < d->n_facts; i++)
        lbctl_json_string(facts, d->facts[i].name, d->facts[i].value);
    if (d->counted && !d->missing) {
        lbctl_json_number(object, "boards", d->boards);
        lbctl_json_number(object, "players", d->players);
        lbctl_json_bool(object, "counted_all", d->counted_all);
    }
    if (d->probe.wrote)
        lbctl_json_number(object, "commit_us", d->probe.commit_us);
    if (d->probe.heard)
        lbctl_json_number(object, "change_us", d->probe.change_us);
    list = lbctl_json_list(object, "findings");
    for (size_t i = 0; i < d->n; i++) {
        lbctl_json *item = lbctl_json_item(list);

        lbctl_json_string(item, "level", d->findings[i].problem ? "problem" : "warning");
        lbctl_json_string(item, "message", d->findings[i].text);
    }
    lbctl_json_bool(object, "healthy", !d->sick && !d->missing);
    text = lbctl_json_end(object);
    puts(text);
    free(text);
}
