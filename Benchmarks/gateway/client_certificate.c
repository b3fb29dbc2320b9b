// h2load has no option for a certificate of its own, and a daemon lets nobody in without one. Loaded into h2load with
// LD_PRELOAD, this gives each of its TLS contexts the certificate and the key of the PEM files that the environment names.
#define _GNU_SOURCE
#include <dlfcn.h>
#include <openssl/ssl.h>
#include <stdio.h>
#include <stdlib.h>

typedef SSL_CTX *(*make_context)(const SSL_METHOD *);

SSL_CTX *SSL_CTX_new(const SSL_METHOD *method) {
  make_context make = (make_context)dlsym(RTLD_NEXT, "SSL_CTX_new");
  SSL_CTX *context = make ? make(method) : NULL;
  const char *certificate = getenv("CLIENT_CERTIFICATE"), *key = getenv("CLIENT_KEY");
  if (!context || !certificate || !key || SSL_CTX_use_certificate_chain_file(context, certificate) != 1
      || SSL_CTX_use_PrivateKey_file(context, key, SSL_FILETYPE_PEM) != 1) {
    fputs("no certificate for h2load: CLIENT_CERTIFICATE and CLIENT_KEY must name PEM files\n", stderr);
    exit(1);
  }
  return context;
}
