/* The harness on itself. tests/support/harness_test.sh runs the ones that must fail. */
#include "test.h"

#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

TEST(runs_in_an_empty_directory)
{
    CHECK_OK(rmdir("../cwd"));
    CHECK_OK(mkdir("../cwd", 0700));
}

TEST(leaves_a_file_and_a_directory_behind)
{
    CHECK_OK(mkdir("sub", 0700));
    int fd = open("sub/file", O_CREAT | O_WRONLY, 0600);
    CHECK_OK(fd);
    CHECK_OK(close(fd));
}

TEST(integers_of_all_kinds_compare)
{
    CHECK_EQ(true, 1);
    CHECK_EQ((uint8_t)255, 255u);
    CHECK_EQ(INT64_MIN, INT64_MIN);
    CHECK_EQ(sizeof(int64_t), 8);
}

TEST(strings_and_bytes_compare)
{
    char text[] = "text";
    CHECK_STR(text, "text");
    CHECK_STR(NULL, NULL);
    CHECK_MEM(text, "texture", 4);
}

TEST(has_no_standard_input)
{
    char byte;
    CHECK_EQ(read(0, &byte, 1), 0);
}

TEST(sees_no_database_url)
{
    CHECK(getenv("DATABASE_URL") == NULL);
}
