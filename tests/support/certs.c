#include "certs.h"

#include "test.h"

#include <stdio.h>
#include <stdlib.h>

static void run(const char *command)
{
    if (system(command) != 0)
        FAIL("failed: %s", command);
}

void certs_make_ca(void)
{
    if (system("command -v openssl >/dev/null 2>&1") != 0)
        SKIP("no openssl on PATH");
    run("openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 "
        "-subj '/CN=test authority' -keyout ca.key -out ca.pem >/dev/null 2>&1");
}

void certs_make(const char *name, const char *alt_names, int days)
{
    char command[1024];

    snprintf(command, sizeof command,
             "openssl req -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes "
             "-subj '/CN=%s' -keyout %s.key -out %s.csr >/dev/null 2>&1 && "
             "echo 'subjectAltName=%s' >%s.ext && "
             "openssl x509 -req -in %s.csr -CA ca.pem -CAkey ca.key -CAcreateserial -days %d "
             "-extfile %s.ext -out %s.pem >/dev/null 2>&1",
             name, name, name, alt_names, name, name, days, name, name);
    run(command);
}
