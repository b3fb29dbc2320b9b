#pragma once

#include <openssl/bio.h>
#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/kdf.h>
#include <openssl/params.h>
#include <openssl/pem.h>
#include <openssl/rand.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>

// What OpenSSL offers as macros or variadic functions only, which Swift cannot call.

// TLS 1.2 and 1.3, no renegotiation, no compression. Reads ahead, since what is read lies in memory already.
static inline SSL_CTX *handoff_tls_context(void) {
  SSL_CTX *context = SSL_CTX_new(TLS_method());
  if (context == NULL) return NULL;
  SSL_CTX_set_min_proto_version(context, TLS1_2_VERSION);
  SSL_CTX_set_options(context, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION | SSL_OP_CIPHER_SERVER_PREFERENCE);
  SSL_CTX_set_read_ahead(context, 1);
  return context;
}

static inline int handoff_tls_add_chain(SSL_CTX *context, X509 *certificate) {
  return (int)SSL_CTX_add1_chain_cert(context, certificate);
}

static inline int handoff_tls_set_server_name(SSL *ssl, const char *name) {
  return (int)SSL_set_tlsext_host_name(ssl, name);
}

static inline void handoff_bio_clear_retry(BIO *bio) { BIO_clear_retry_flags(bio); }

static inline void handoff_bio_set_retry_read(BIO *bio) { BIO_set_retry_read(bio); }

static inline long handoff_bio_memory(BIO *bio, char **data) { return BIO_get_mem_data(bio, data); }

static inline EVP_PKEY *handoff_new_p256_key(void) { return EVP_EC_gen("P-256"); }
