#include "CAssets.h"

// #embed is C23; SwiftPM compiles this target in an older mode, where clang accepts it with a warning.
#pragma clang diagnostic ignored "-Wc23-extensions"

// Every migration, by ascending number. To add one, add its pair of lines at the end:
//   #define ASSET "../Tickets/Migrations/0001_create_directory.sql"
//   #include "embed_asset.h"
static const handoff_asset assets[] = {
};

size_t handoff_asset_count(void) { return sizeof(assets) / sizeof(assets[0]); }

const handoff_asset *handoff_asset_at(size_t index) { return &assets[index]; }
