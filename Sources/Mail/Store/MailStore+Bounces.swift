import EventLoop
import Postgres
import TicketLedger

// The texts of the CHECK list are the raw values.
extension BounceKind: PostgresDecodable, PostgresBindable {}

extension MailStore {
  /// A mail of ours that a report is about.
  struct ReportedMail: Sendable {
    let id: Int64
    let ticketID: TicketID
    let eventSequence: Int32
    let messageID: String
    /// Whom it was sent to, in lower case; the customer first, in an answer.
    let recipients: [String]

    init(_ row: Row) throws {
      id = try row.int64(0)
      ticketID = try row.value(1)
      eventSequence = try row.int32(2)
      messageID = try row.string(3)
      recipients = MessageRecord.addresses(try row.string(4))
    }

    static let columns: Query = "m.id, m.ticket_id, m.event_sequence, m.message_id, m.recipient"
  }

  /// The newest mail of a service with one of these Message-IDs.
  func reportedMail(_ messageIDs: [String], of service: ServiceID, deadline: Deadline) async throws -> ReportedMail? {
    guard !messageIDs.isEmpty else { return nil }
    return try await query(
      """
      SELECT \(fragment: ReportedMail.columns) FROM mail_message AS m
      WHERE m.service_id = \(service) AND m.message_id = ANY(\(messageIDs)) ORDER BY m.id DESC LIMIT 1
      """, deadline: deadline
    ).first.map { try ReportedMail($0) }
  }

  /// The newest mail of one of these tickets to one of these addresses.
  func reportedMail(
    on tickets: [TicketID], to addresses: [String], of service: ServiceID, deadline: Deadline
  ) async throws -> ReportedMail? {
    guard !tickets.isEmpty, !addresses.isEmpty else { return nil }
    return try await query(
      """
      SELECT \(fragment: ReportedMail.columns) FROM mail_message AS m
      WHERE m.service_id = \(service) AND m.ticket_id = ANY(\(tickets))
        AND string_to_array(lower(m.recipient), ', ') && \(addresses) ORDER BY m.id DESC LIMIT 1
      """, deadline: deadline
    ).first.map { try ReportedMail($0) }
  }

  /// Whether it is noted already what a mail that came in reports.
  func hasNoted(_ inbound: Int64, of service: ServiceID, deadline: Deadline) async throws -> Bool {
    try await query(
      "SELECT 1 FROM mail_bounce WHERE service_id = \(service) AND inbound_mail_id = \(inbound) LIMIT 1",
      deadline: deadline
    ).isEmpty == false
  }

  /// What is reported of one recipient's copy.
  struct BounceDraft: Sendable, Equatable {
    var kind: BounceKind
    let recipient: String
    let status: String
    let words: String
  }

  /// Notes what is reported of a mail, and blocks the addresses that take none; to be written with the ticket's event.
  ///
  /// An address whose block has ended is not blocked by the report of a mail that was sent before. One that was masked
  /// since the mail was written is noted as asterisks.
  ///
  /// - Parameters:
  ///   - mail: the mail of ours.
  ///   - inbound: the mail that reports; nil: the first server itself refused.
  static func note(
    _ bounces: [BounceDraft], of mail: Int64, on ticket: TicketID, in service: ServiceID, by inbound: Int64?,
    hashes: AddressHashes
  ) -> Query {
    """
    WITH told AS (
      SELECT t.kind, t.status, t.address_hash,
        \(fragment: kept("t.server_reply", on: ticket, in: service)) AS server_reply,
        CASE WHEN strpos(lower(m.recipient), t.recipient) = 0
            AND \(fragment: isRecipientMasked("m.id", on: ticket, in: service))
          THEN repeat('*', char_length(t.recipient)) ELSE t.recipient END AS recipient
      FROM unnest(\(bounces.map(\.kind.rawValue)), \(bounces.map(\.recipient)), \(bounces.map(\.status)),
        \(bounces.map(\.words)), \(bounces.map { hashes.hash(of: $0.recipient) }))
        AS t (kind, recipient, status, server_reply, address_hash)
      JOIN mail_message AS m ON m.service_id = \(service) AND m.id = \(mail)
    ), noted AS (
      INSERT INTO mail_bounce (service_id, ticket_id, mail_message_id, inbound_mail_id, kind, recipient, status,
        server_reply)
      SELECT \(service), \(ticket), \(mail), \(inbound), kind, recipient, status, server_reply FROM told
      RETURNING id, recipient, kind
    )
    INSERT INTO mail_address_block AS b (organization_id, address_hash, service_id, bounce_id, block_time)
    SELECT s.organization_id, t.address_hash, s.id, n.id, clock_timestamp()
    FROM noted AS n JOIN told AS t ON t.recipient = n.recipient JOIN service AS s ON s.id = \(service)
    WHERE n.kind = 'ADDRESS_FAILED' ORDER BY s.organization_id, t.address_hash
    ON CONFLICT ON CONSTRAINT mail_address_block_pkey DO UPDATE
    SET service_id = excluded.service_id, bounce_id = excluded.bounce_id, block_time = excluded.block_time,
      end_time = NULL
    WHERE b.end_time < (SELECT coalesce(m.send_time, clock_timestamp()) FROM mail_message AS m
      WHERE m.service_id = \(service) AND m.id = \(mail))
    """
  }

  /// A mail server's words as they may be kept, as SQL: where something is masked on the ticket, their codes alone,
  /// since servers quote what they were sent.
  ///
  /// - Parameter words: SQL of a text.
  static func kept(_ words: Query, on ticket: TicketID, in service: ServiceID) -> Query {
    """
    CASE WHEN EXISTS (SELECT FROM mask_place AS k
        WHERE k.ticket_service_id = \(service) AND k.ticket_id = \(ticket) AND k.is_on)
      THEN coalesce(substring(\(fragment: words) FROM '^[0-9]{3}(?:[ -][0-9][.][0-9]{1,3}[.][0-9]{1,3})?'), '')
      ELSE \(fragment: words) END
    """
  }

  /// Whether a recipient of a mail was masked since it was written, as an SQL condition.
  ///
  /// - Parameter mail: SQL of its id.
  static func isRecipientMasked(_ mail: Query, on ticket: TicketID, in service: ServiceID) -> Query {
    """
    EXISTS (SELECT FROM mask_place AS k WHERE k.ticket_service_id = \(service) AND k.ticket_id = \(ticket)
      AND k.is_on AND k.text_column = 'mail_message.recipient' AND k.row_key = (\(fragment: mail))::text)
    """
  }

  /// A report as it is listed.
  struct BounceRecord: Sendable {
    let mailMessageID: Int64
    let kind: BounceKind
    let recipient: String
    let status: String
    let serverReply: String
    let receiveTime: Instant

    /// Most reports of one mail that are listed.
    static let listedMax = 20
  }

  /// What was reported of mails, oldest first, by mail.
  func bounces(
    of mails: [Int64], in service: ServiceID, deadline: Deadline
  ) async throws -> [Int64: [BounceRecord]] {
    guard !mails.isEmpty else { return [:] }
    let found = try await query(
      """
      SELECT b.mail_message_id, b.kind, b.recipient, b.status, b.server_reply, b.receive_time
      FROM unnest(\(mails)) AS m (id) CROSS JOIN LATERAL (
        SELECT * FROM mail_bounce AS c WHERE c.service_id = \(service) AND c.mail_message_id = m.id
        ORDER BY c.id LIMIT \(BounceRecord.listedMax)) AS b
      ORDER BY b.id
      """, deadline: deadline
    ).map { row in
      BounceRecord(
        mailMessageID: try row.int64(0), kind: try row.value(1), recipient: try row.string(2),
        status: try row.string(3), serverReply: try row.string(4), receiveTime: try row.instant(5))
    }
    return Dictionary(grouping: found, by: \.mailMessageID)
  }

  /// Which addresses, by their hashes, are blocked in an organization.
  func blocked(
    _ hashes: [[UInt8]], in organization: OrganizationID, deadline: Deadline
  ) async throws -> Set<[UInt8]> {
    let rows = try await query(Self.blocked(hashes, "\(organization)"), deadline: deadline)
    return Set(try rows.map { try $0.value(0) })
  }

  /// The hashes of blocked addresses among these.
  ///
  /// - Parameter organization: an expression.
  static func blocked(_ hashes: [[UInt8]], _ organization: Query) -> Query {
    """
    SELECT k.address_hash FROM mail_address_block AS k
    WHERE k.organization_id = \(fragment: organization) AND k.address_hash = ANY(\(hashes)) AND k.end_time IS NULL
    """
  }

  /// Why an address is blocked.
  struct BlockRecord: Sendable {
    let blockTime: Instant
    let status: String
    let serverReply: String
    let service: ServiceID
    let mailMessageID: Int64
  }

  /// Why an address is blocked; nil when it is not.
  func block(
    of hash: [UInt8], in organization: OrganizationID, deadline: Deadline
  ) async throws -> BlockRecord? {
    try await query(
      """
      SELECT k.block_time, b.status, b.server_reply, b.service_id, b.mail_message_id
      FROM mail_address_block AS k JOIN mail_bounce AS b ON b.service_id = k.service_id AND b.id = k.bounce_id
      WHERE k.organization_id = \(organization) AND k.address_hash = \(hash) AND k.end_time IS NULL
      """, deadline: deadline
    ).first.map { row in
      BlockRecord(
        blockTime: try row.instant(0), status: try row.string(1), serverReply: try row.string(2),
        service: try row.value(3), mailMessageID: try row.int64(4))
    }
  }

  /// Ends the block of an address.
  static func endBlock(of hash: [UInt8], in organization: OrganizationID) -> Query {
    """
    UPDATE mail_address_block SET end_time = clock_timestamp()
    WHERE organization_id = \(organization) AND address_hash = \(hash) AND end_time IS NULL
    """
  }
}
