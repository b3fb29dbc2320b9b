#include "CAssets.h"

// #embed is C23; SwiftPM compiles this target in an older mode, where clang accepts it with a warning.
#pragma clang diagnostic ignored "-Wc23-extensions"

// Every migration, by ascending number. A new one is a pair of lines at the end.
static const handoff_asset assets[] = {
#define ASSET "../Tickets/Migrations/0001_create_directory.sql"
#include "embed_asset.h"
#define ASSET "../Assignment/Migrations/0002_create_agents.sql"
#include "embed_asset.h"
#define ASSET "../Tickets/Migrations/0003_create_types_and_customers.sql"
#include "embed_asset.h"
#define ASSET "../TicketLedger/Migrations/0004_create_ledger.sql"
#include "embed_asset.h"
#define ASSET "../Assignment/Migrations/0005_create_triggers.sql"
#include "embed_asset.h"
#define ASSET "../Mail/Migrations/0006_create_mail.sql"
#include "embed_asset.h"
#define ASSET "../Masking/Migrations/0007_create_vault.sql"
#include "embed_asset.h"
#define ASSET "../Gateway/Migrations/0008_create_sessions.sql"
#include "embed_asset.h"
#define ASSET "../TicketLedger/Migrations/0009_index_menus.sql"
#include "embed_asset.h"
#define ASSET "../Assignment/Migrations/0010_log_permissions.sql"
#include "embed_asset.h"
#define ASSET "../Masking/Migrations/0011_mask_every_copy.sql"
#include "embed_asset.h"
#define ASSET "../Tickets/Migrations/0012_add_service_settings.sql"
#include "embed_asset.h"
#define ASSET "../TicketLedger/Migrations/0013_complete_lifecycle.sql"
#include "embed_asset.h"
#define ASSET "../Tickets/Migrations/0014_create_fields.sql"
#include "embed_asset.h"
#define ASSET "../TicketLedger/Migrations/0015_store_field_values.sql"
#include "embed_asset.h"
#define ASSET "../Tickets/Migrations/0016_create_templates.sql"
#include "embed_asset.h"
#define ASSET "../Assignment/Migrations/0017_explain_assignments.sql"
#include "embed_asset.h"
#define ASSET "../Masking/Migrations/0018_detect_and_audit.sql"
#include "embed_asset.h"
#define ASSET "../Tickets/Migrations/0019_create_attachments.sql"
#include "embed_asset.h"
#define ASSET "../TicketLedger/Migrations/0020_number_tickets_in_order.sql"
#include "embed_asset.h"
};

size_t handoff_asset_count(void) { return sizeof(assets) / sizeof(assets[0]); }

const handoff_asset *handoff_asset_at(size_t index) { return &assets[index]; }
