/// A column that can hold a customer's words, as a row of the registry: what masking needs to know of it, and all that
/// it knows. A new column that is entered here is read, masked and restored like the others, without further code.
package struct TextCopy: Sendable {
  /// How the column's text relates to a text that is masked.
  package enum Relation: Sendable, Hashable {
    /// It is a text itself, the one that ``TextCopy/field`` names: spans of it can be masked.
    case original
    /// It is a whole text as it was at some time; the row's column ``TextCopy/field`` says which.
    case snapshot
    /// It holds words of such texts among others.
    case quotation
    /// It belongs to the customer and not to a ticket, and is found by exact value: it is taken away whole while a
    /// ticket's ``TextCopy/field`` is masked.
    case record
  }

  /// `table.column`, by which the vault names it; no two rows have the same.
  package let name: String
  /// The table.
  package let table: String
  /// The column.
  package let column: String
  /// How its text relates to a masked text.
  package let relation: Relation
  /// The columns that lead from a ticket to its rows, in this order: service and ticket; for a customer's table,
  /// organization and customer.
  package let keys: [String]
  /// The columns that tell the rows of one ticket apart; their values, joined by `/`, are the row's key.
  package let rows: [String]
  /// For an original or a record, the field's name in the API (`title`, `customer.email`). Of `entry`, `field` and
  /// `transcript` a ticket has many: the API names the entry, and `field.{code}` and `transcript.{number}`. For a
  /// snapshot, the column that holds that name. Nil for a quotation.
  package let field: String?
  /// The fields whose masks reach this column. For a snapshot: those that reach the field's original.
  package let places: [String]
  /// SQL condition on a row `x` whose text has left Handoff already, as a sent mail has; events of masks say so.
  package let leftWhen: String?
  /// For a record, what SQL puts in the place of a value that is taken away, and whether a value is one row's alone.
  package let taken: (value: String, isUnique: Bool)?

  /// Describes a column.
  package init(
    table: String, column: String, relation: Relation, keys: [String] = ["service_id", "ticket_id"],
    rows: [String] = [], field: String? = nil, places: [String] = [], leftWhen: String? = nil,
    taken: (value: String, isUnique: Bool)? = nil
  ) {
    name = "\(table).\(column)"
    self.table = table
    self.column = column
    self.relation = relation
    self.keys = keys
    self.rows = rows
    self.field = field
    self.places = places
    self.leftWhen = leftWhen
    self.taken = taken
  }

  /// Whether nothing but masks changes a text while masks lie on it.
  package var isFixed: Bool { relation == .original || relation == .snapshot }
}

extension TextCopy: Hashable {
  /// Rows of one name are the same row.
  package static func == (left: TextCopy, right: TextCopy) -> Bool { left.name == right.name }
  /// Hashes the name.
  package func hash(into hasher: inout Hasher) { hasher.combine(name) }
}

/// Every place where a customer's words are stored: masking reaches them all, and no other column may hold any.
package enum TextCopies {
  /// Columns with a customer's words. A new text column is entered here or among ``wordless``.
  ///
  /// What is masked in an entry or the title is masked in every text of people's, but does not change where answers go:
  /// the customer's name, address, number and code on the ticket are reached by masks of their own only. Those reach
  /// everything.
  package static let all: [TextCopy] =
    [
      TextCopy(
        table: "ticket", column: "title", relation: .original, keys: ["service_id", "id"], field: "title",
        places: everywhere),
      TextCopy(
        table: "ticket", column: "customer_name", relation: .original, keys: ["service_id", "id"],
        field: "customer.display_name", places: ["customer.display_name"]),
      TextCopy(
        table: "ticket", column: "customer_email", relation: .original, keys: ["service_id", "id"],
        field: "customer.email", places: ["customer.email"]),
      TextCopy(
        table: "ticket", column: "customer_phone", relation: .original, keys: ["service_id", "id"],
        field: "customer.phone", places: ["customer.phone"]),
      TextCopy(
        table: "ticket", column: "customer_user_code", relation: .original, keys: ["service_id", "id"],
        field: "customer.user_code", places: ["customer.user_code"]),
      TextCopy(
        table: "ticket", column: "call_back_phone", relation: .original, keys: ["service_id", "id"],
        field: "call_back.phone", places: ["call_back.phone", "customer.phone"]),
      TextCopy(
        table: "ticket_entry", column: "body", relation: .original, rows: ["id"], field: "entry", places: everywhere),
      TextCopy(
        table: "ticket_event_value", column: "before_text", relation: .snapshot, rows: ["sequence", "field"],
        field: "field"),
      TextCopy(
        table: "ticket_event_value", column: "after_text", relation: .snapshot, rows: ["sequence", "field"],
        field: "field"),
    ] + fields + mail + bounces + participants + callback + dooray + customer

  private static let fields: [TextCopy] = [
    TextCopy(
      table: "ticket_field_value", column: "value", relation: .original, rows: ["field_id"], field: "field",
      places: everywhere),
    TextCopy(
      table: "transcript_line", column: "speaker_name", relation: .quotation, rows: ["number"], places: customerFields),
    TextCopy(
      table: "transcript_line", column: "body", relation: .original, rows: ["number"], field: "transcript",
      places: everywhere),
    TextCopy(table: "attachment", column: "file_name", relation: .quotation, rows: ["id"], places: everywhere),
    TextCopy(
      table: "ticket_batch_item", column: "message", relation: .quotation, rows: ["batch_id", "number"],
      places: everywhere),
    TextCopy(
      table: "call_record", column: "phone", relation: .original, field: "call_record.phone",
      places: customerFields + ["call_back.phone", "call_record.phone"]),
  ]

  // The stored copy of a sent mail is masked; what left cannot be called back, and the mask's event says that it left.
  private static let mail: [TextCopy] = ["subject", "body", "recipient", "server_reply"].map { column in
    TextCopy(
      table: "mail_message", column: column, relation: .quotation, rows: ["id"],
      places: column == "recipient" ? customerFields : everywhere, leftWhen: "x.state = 'SENT'")
  }

  // What mail servers wrote of a sent mail.
  private static let bounces: [TextCopy] = ["recipient", "server_reply"].map { column in
    TextCopy(table: "mail_bounce", column: column, relation: .quotation, rows: ["id"], places: customerFields)
  }

  // People to whom the customer wrote as well. The mails that came in themselves are kept sealed only.
  private static let participants: [TextCopy] = ["display_name", "address"].map { column in
    TextCopy(table: "mail_participant", column: column, relation: .quotation, rows: ["id"], places: customerFields)
  }

  // A callback is gone once it is delivered. An attempt that failed may have told the receiver all the same.
  private static let callback: [TextCopy] = [
    "title", "customer_name", "customer_email", "customer_phone", "customer_user_code",
  ].map { column in
    TextCopy(
      table: "callback", column: column, relation: .quotation, rows: ["id"],
      places: column == "title" ? everywhere : customerFields,
      leftWhen: """
        EXISTS (SELECT 1 FROM outbox AS o WHERE o.service_id = x.service_id AND o.ticket_id = x.ticket_id
          AND o.event_sequence = x.event_sequence AND o.topic = x.topic AND o.attempt_count > 0)
        """)
  }

  // What stands at Dooray! cannot be called back. An attempt that failed may have been heard all the same.
  private static let dooray: [TextCopy] =
    ["subject", "body"].map { column in
      TextCopy(
        table: "dooray_task", column: column, relation: .quotation, rows: ["id"], places: everywhere, leftWhen: "true")
    } + [
      TextCopy(
        table: "dooray_comment", column: "body", relation: .quotation, rows: ["id"], places: everywhere,
        leftWhen: "x.dooray_id IS NOT NULL OR x.try_time IS NOT NULL")
    ]

  private static let customer: [TextCopy] = ["display_name", "email", "phone", "user_code"].map { column in
    TextCopy(
      table: "customer", column: column, relation: .record, keys: ["organization_id", "id"], rows: ["id"],
      field: "customer.\(column)", places: ["customer.\(column)"],
      taken: (column == "display_name" ? "''" : "NULL", ["email", "user_code"].contains(column)))
  }

  private static let customerFields = [
    "customer.display_name", "customer.email", "customer.phone", "customer.user_code",
  ]
  private static let everywhere =
    customerFields + ["call_back.phone", "call_record.phone", "entry", "field", "title", "transcript"]

  /// The column that is a field's own text; nil for a field that cannot be masked.
  package static func original(of field: String) -> TextCopy? {
    all.first { $0.relation == .original && $0.field == field }
  }

  /// The column with a name (``TextCopy/name``).
  package static func named(_ name: String) -> TextCopy? { byName[name] }

  private static let byName = Dictionary(uniqueKeysWithValues: all.map { ($0.name, $0) })

  /// Columns of bytes, by table: hashes, which are keyed save that of a file, which stands beside the file; what
  /// masking sealed; messages of ours with codes, ids and what administrators wrote; and the bytes of files, in which
  /// nothing can be masked.
  package static let wordlessBytes: [String: [String]] = [
    "api_key": ["token_hash"],
    "assignment_record": ["record"],
    "attachment_chunk": ["bytes"],
    "attachment_content": ["hash"],
    "call_record": ["hash"],
    "callback": ["body"],
    "callback_secret": ["previous_sealed", "sealed"],
    "dooray_organization": ["sealed_token"],
    "dooray_user_key": ["sealed_key"],
    "gateway_key": ["key"],
    "idempotency_key": ["request_hash"],
    "inbound_mail": ["body_hash", "content_hash", "identity", "sealed_summary", "sender_hash"],
    "inbound_mail_piece": ["sealed"],
    "mail_account": ["sealed_password"],
    "mail_address_block": ["address_hash"],
    "mail_message": ["payload"],
    "mask_act": ["sealed_reason"],
    "mask_place": ["sealed_original", "seal"],
    "messenger_hook": ["sealed_url"],
    "outbox": ["payload"],
    "session": ["token_hash"],
    "sign_in_throttle": ["subject_hash"],
    "ticket": ["event_hash", "event_seal"],
    "ticket_batch": ["request_hash"],
    "ticket_entry": ["body_hash", "body_salt"],
    "ticket_event": ["first_texts", "hash"],
    "ticket_event_value": ["after_hash", "before_hash", "salt"],
    "transcript_line": ["hashes"],
    "trigger_rule": ["conditions", "results"],
  ]

  /// Text columns that hold codes, names given by administrators, or identifiers of ours, by table.
  package static let wordless: [String: [String]] = [
    "agent": ["email", "display_name"],
    "agent_departure": ["actor_kind", "actor_name"],
    "agent_group": ["display_name"],
    "api_key": ["display_name", "scopes", "hint"],
    "audit_event": ["kind", "credential", "address", "method", "resource", "outcome", "request_id"],
    "banned_word": ["word"],
    "attachment": ["content_type", "uploader"],
    "call_record": ["direction"],
    "callback": ["topic", "url"],
    "credential": ["password_hash"],
    "dooray_comment": ["state", "author_name", "marker", "dooray_id", "failure"],
    "dooray_file": ["dooray_id", "failure", "seen_ids"],
    "dooray_organization": ["display_name", "dooray_id"],
    "dooray_project": ["display_name", "dooray_id", "address"],
    "dooray_setting": ["state", "hook_key"],
    "dooray_task": [
      "request_id", "marker", "state", "tag_ids", "assignee_ids", "cc_ids", "dooray_id", "progress", "poll_holder",
      "moved_to",
    ],
    "gateway_key": ["purpose"],
    "idempotency_key": ["caller", "method", "request_id"],
    "inbound_mail": ["state", "reason", "plan", "message_id", "summary_key_id"],
    "inbound_mail_piece": ["key_id"],
    "mail_bounce": ["kind", "status"],
    "mail_account": [
      "display_name", "address", "host", "security", "user_name", "mailbox", "problem", "problem_text",
    ],
    "mail_layout": ["kind", "language", "subject", "body"],
    "mail_message": ["state", "message_id"],
    "mask_act": ["act", "key_id"],
    "masking_setting": ["detection", "kinds", "unmask_right", "patterns", "pattern_names"],
    "mask_place": ["text_column", "row_key", "key_id"],
    "messenger_hook": ["display_name"],
    "organization": ["code", "display_name"],
    "outbox": ["topic", "lease_holder", "dead_reason", "receiver"],
    "permission_change": ["actor_name", "field", "before_value", "after_value"],
    "processing_type": ["display_name"],
    "schema_migration": ["owner", "name", "checksum"],
    "service": [
      "code", "kind", "display_name", "language", "time_zone", "mail_sender_name", "mail_sender_address",
      "reply_policy",
    ],
    "service_member": ["role"],
    "session": ["client", "address"],
    "setting_change": ["subject", "fields"],
    "submission_type": ["display_name"],
    "submission_type_translation": ["language", "display_name"],
    "system_field": ["code", "display_name", "description"],
    "system_field_translation": ["code", "language", "display_name", "description"],
    "template": ["title", "content", "search_code"],
    "ticket": ["state", "priority", "channel", "language", "internal_reason", "state_before_spam", "escalated_to"],
    // The body is what an agent writes on many tickets at once, as a template is; it goes when the batch has ended.
    "ticket_batch": ["state", "act", "body", "internal_reason", "priority", "request_id"],
    "ticket_batch_item": ["outcome", "reason", "lease_holder"],
    "ticket_count_change": ["state"],
    "ticket_entry": ["kind", "act", "actor_kind", "actor_name"],
    "ticket_event": ["code", "actor_kind", "actor_name", "changes"],
    "ticket_event_value": ["field"],
    "ticket_field": ["code", "kind", "audience", "display_name", "description", "options"],
    "ticket_field_translation": ["language", "display_name", "description"],
    "ticket_holder_count": ["state"],
    "ticket_search": ["place"],
    "transcript_line": ["speaker"],
    "trigger_rule": ["display_name", "notice"],
    "trigger_setting": ["mode"],
  ]
}
