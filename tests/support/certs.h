/* Certificates for tests, made by openssl in the current directory. */
#ifndef CERTS_H
#define CERTS_H

/* Skips the test where openssl is missing. Makes ca.pem, and for NAME: NAME.pem and NAME.key,
 * signed by that authority, with these subject alternative names ("DNS:localhost,IP:127.0.0.1"),
 * for so many days (negative: expired already). */
void certs_make_ca(void);
void certs_make(const char *name, const char *alt_names, int days);

#endif
