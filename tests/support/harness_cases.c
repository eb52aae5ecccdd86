/* Tests that must fail, each in its own way; harness_test.sh looks at what the harness makes of them. */
#include "test.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

TEST(check)
{
    CHECK(1 > 2);
}

TEST(check_eq)
{
    CHECK_EQ(2 + 2, 5);
}

TEST(check_str)
{
    CHECK_STR("one", NULL);
}

TEST(check_mem)
{
    CHECK_MEM("abcd", "abxd", 4);
}

TEST(check_ok)
{
    CHECK_OK(-7);
}

TEST(leaks_descriptor)
{
    CHECK_OK(open("/dev/null", O_RDONLY));
}

TEST(closes_descriptor)
{
    close(2);
}

TEST(hangs, .timeout_s = 1)
{
    for (;;)
        pause();
}

TEST(is_killed)
{
    puts("this is its output");
    fflush(stdout);
    raise(SIGKILL);
}

TEST(exits_with_3)
{
    exit(3);
}

TEST(child_fails)
{
    pid_t pid = fork();
    if (pid == 0)
        FAIL("in the child");
    waitpid(pid, NULL, 0);
}

TEST(skips)
{
    SKIP("no %s here", "thing");
}
