/// A column that can hold a customer's words.
package struct TextCopy: Sendable, Hashable {
  /// How a text of the column relates to a span that is masked in one of a ticket's texts.
  package enum Relation: Sendable, Hashable {
    /// It is the text itself: an entry's body, the title, or a customer's field on the ticket.
    case original
    /// It is the whole text as it was at some time: the same characters at the same places, if it is equal.
    case snapshot
    /// It quotes the text somewhere in between other words: every occurrence of the span's words is the span.
    case quotation
    /// It belongs to the customer, not to a ticket, and is masked only when the customer's data is.
    case customer
  }

  /// The table.
  package let table: String
  /// The column.
  package let column: String
  /// How its text relates to a masked span.
  package let relation: Relation
  /// The columns that lead from a ticket to its rows, in this order: service and ticket; for a customer's table,
  /// organization and customer.
  package let keys: [String]
  /// For `ticket_event_value`, what its `field` must be is told by the span's place; everywhere else the place of the
  /// text.
  package let places: [String]
}

/// Every place where a customer's words are stored: masking reaches them all, and no other column may hold any.
package enum TextCopies {
  /// Columns with a customer's words. A new text column is entered here or among ``wordless``.
  package static let all: [TextCopy] = [
    TextCopy(
      table: "ticket", column: "title", relation: .original, keys: ["service_id", "id"], places: ["title"]),
    TextCopy(
      table: "ticket", column: "customer_name", relation: .original, keys: ["service_id", "id"],
      places: ["customer.display_name"]),
    TextCopy(
      table: "ticket", column: "customer_email", relation: .original, keys: ["service_id", "id"],
      places: ["customer.email"]),
    TextCopy(
      table: "ticket", column: "customer_phone", relation: .original, keys: ["service_id", "id"],
      places: ["customer.phone"]),
    TextCopy(
      table: "ticket_entry", column: "body", relation: .original, keys: ["service_id", "ticket_id"], places: ["entry"]),
    TextCopy(
      table: "ticket_event_value", column: "before_text", relation: .snapshot, keys: ["service_id", "ticket_id"],
      places: customerPlaces + ["title"]),
    TextCopy(
      table: "ticket_event_value", column: "after_text", relation: .snapshot, keys: ["service_id", "ticket_id"],
      places: customerPlaces + ["title"]),
    TextCopy(
      table: "mail_message", column: "subject", relation: .quotation, keys: ["service_id", "ticket_id"],
      places: customerPlaces + ["title", "entry"]),
    TextCopy(
      table: "mail_message", column: "body", relation: .quotation, keys: ["service_id", "ticket_id"],
      places: customerPlaces + ["title", "entry"]),
    TextCopy(
      table: "mail_message", column: "recipient", relation: .quotation, keys: ["service_id", "ticket_id"],
      places: customerPlaces),
    // A server's last words may quote the address that it refused.
    TextCopy(
      table: "mail_message", column: "server_reply", relation: .quotation, keys: ["service_id", "ticket_id"],
      places: customerPlaces),
    TextCopy(
      table: "customer", column: "display_name", relation: .customer, keys: ["organization_id", "id"],
      places: ["customer.display_name"]),
    TextCopy(
      table: "customer", column: "email", relation: .customer, keys: ["organization_id", "id"],
      places: ["customer.email"]),
    TextCopy(
      table: "customer", column: "phone", relation: .customer, keys: ["organization_id", "id"],
      places: ["customer.phone"]),
  ]

  private static let customerPlaces = ["customer.display_name", "customer.email", "customer.phone"]

  /// Text columns that hold codes, names given by administrators, or identifiers of ours, by table.
  package static let wordless: [String: [String]] = [
    "agent": ["email", "display_name"],
    "agent_departure": ["actor_kind", "actor_name"],
    "agent_group": ["display_name"],
    "banned_word": ["word"],
    "credential": ["password_hash"],
    "idempotency_key": ["caller", "method", "request_id"],
    "mail_layout": ["kind", "language", "subject", "body"],
    "mail_message": ["state", "message_id"],
    "mask": ["place", "field", "key_id"],
    "organization": ["code", "display_name"],
    "outbox": ["topic", "lease_holder", "dead_reason"],
    "permission_change": ["actor_name", "field", "before_value", "after_value"],
    "processing_type": ["display_name"],
    "schema_migration": ["owner", "name", "checksum"],
    "service": [
      "code", "kind", "display_name", "language", "time_zone", "mail_sender_name", "mail_sender_address",
    ],
    "service_member": ["role"],
    "submission_type": ["display_name"],
    "ticket": ["state", "priority", "channel", "language", "internal_reason", "state_before_spam"],
    "ticket_count_change": ["state"],
    "ticket_entry": ["kind", "act", "actor_kind", "actor_name"],
    "ticket_event": ["code", "actor_kind", "actor_name", "changes"],
    "ticket_event_value": ["field"],
    "ticket_holder_count": ["state"],
    "trigger_rule": ["display_name", "notice"],
  ]
}
