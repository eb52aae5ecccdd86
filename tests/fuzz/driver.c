/* Replays a corpus through a fuzz target, for builds without libFuzzer: each file as it is, and cut off after every
 * byte, since a parser that takes bytes from a network meets every prefix. Usage: PROGRAM NAME DIRECTORY */
#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Prefixes of larger files are left to the fuzzer: they would take quadratic time. */
enum { MAX_PREFIXES = 4096 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* In a block of exactly its size, so that the address sanitizer sees a read past the end. */
static void run_one(const uint8_t *data, size_t size)
{
    uint8_t *copy = malloc(size != 0 ? size : 1);
    if (copy == NULL)
        abort();
    if (size != 0)
        memcpy(copy, data, size);
    LLVMFuzzerTestOneInput(copy, size);
    free(copy);
}

static uint8_t *read_whole(const char *path, size_t *ret_size)
{
    FILE *file = fopen(path, "rb");
    uint8_t *data = NULL;
    long size;
    if (file == NULL || fseek(file, 0, SEEK_END) != 0 || (size = ftell(file)) < 0)
        goto out;
    rewind(file);
    data = malloc((size_t)size + 1);
    if (data != NULL && fread(data, 1, (size_t)size, file) != (size_t)size) {
        free(data);
        data = NULL;
    }
    *ret_size = (size_t)size;
out:
    if (file != NULL)
        fclose(file);
    return data;
}

int main(int argc, char *argv[])
{
    if (argc != 3) {
        fprintf(stderr, "usage: %s NAME DIRECTORY\n", argv[0]);
        return 2;
    }
    DIR *dir = opendir(argv[2]);
    if (dir == NULL) {
        printf("FAIL fuzz/%s: cannot open %s: %s\n", argv[1], argv[2], strerror(errno));
        return 1;
    }
    size_t files = 0;
    run_one(NULL, 0);
    for (struct dirent *entry; (entry = readdir(dir)) != NULL;) {
        if (entry->d_name[0] == '.')
            continue;
        char path[PATH_MAX];
        size_t size = 0;
        snprintf(path, sizeof path, "%s/%s", argv[2], entry->d_name);
        fprintf(stderr, "%s\n", entry->d_name); /* the last one named is the one that crashed */
        uint8_t *data = read_whole(path, &size);
        if (data == NULL) {
            printf("FAIL fuzz/%s: cannot read %s\n", argv[1], path);
            closedir(dir);
            return 1;
        }
        for (size_t n = 0; n < size && n < MAX_PREFIXES; n++)
            run_one(data, n);
        run_one(data, size);
        free(data);
        files++;
    }
    closedir(dir);
    if (files == 0) {
        printf("FAIL fuzz/%s: no seeds in %s\n", argv[1], argv[2]);
        return 1;
    }
    printf("ok fuzz/%s (%zu seeds)\n", argv[1], files);
    return 0;
}
