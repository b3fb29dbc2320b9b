#pragma once

#include <stddef.h>

/// A file of the source tree that travels inside the executables.
typedef struct handoff_asset {
  /// Path below `Sources/`, preceded by `../`: "../Tickets/Migrations/0001_create_directory.sql".
  const char *path;
  const unsigned char *bytes;
  size_t length;
} handoff_asset;

/// Number of embedded files.
size_t handoff_asset_count(void);

/// The embedded file at `index`, which must be below `handoff_asset_count()`; lives as long as the process.
///
/// A function, because Swift does not import `extern const` arrays of unknown length.
const handoff_asset *handoff_asset_at(size_t index);
