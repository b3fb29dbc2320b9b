import Crypto
import Postgres

/// Bytes to be hashed: every part is preceded by its length, so that no two different lists of parts read the same.
struct ChainEncoder {
  private(set) var bytes: [UInt8] = []

  init() { bytes.reserveCapacity(512) }

  mutating func append(_ part: [UInt8]) {
    append(length: part.count)
    bytes.append(contentsOf: part)
  }

  mutating func append(_ text: String) {
    append(length: text.utf8.count)
    bytes.append(contentsOf: text.utf8)
  }

  mutating func append(_ number: Int64) {
    append(length: 8)
    withUnsafeBytes(of: number.bigEndian) { bytes.append(contentsOf: $0) }
  }

  /// Nothing is told apart from an empty part by a length that no part has.
  mutating func append(optional part: [UInt8]?) {
    guard let part else { return append(length: Int(UInt32.max)) }
    append(part)
  }

  private mutating func append(length: Int) {
    withUnsafeBytes(of: UInt32(truncatingIfNeeded: length).bigEndian) { bytes.append(contentsOf: $0) }
  }
}

/// The hash chain of a ticket's events: each hash covers the one before it and everything its event says.
enum EventChain {
  /// What the first event's hash builds on.
  static let genesis = [UInt8](repeating: 0, count: SHA256.byteCount)
  /// Bytes of a salt.
  static let saltByteCount = 16

  /// Hash of an event, of its values by field name, of the entries that were made with it in the order made, and of
  /// what the ticket's own texts were at first.
  static func hash(
    _ event: EventRecord, values: [EventValueRecord], entries: [EntryRecord], of ticket: (ServiceID, TicketID),
    after previous: [UInt8]
  ) -> [UInt8] {
    var encoder = ChainEncoder()
    encoder.append(previous)
    encoder.append(ticket.0.rawValue)
    encoder.append(ticket.1.rawValue)
    encoder.append(Int64(event.sequence))
    encoder.append(event.code)
    encoder.append(event.actor.kind.rawValue)
    encoder.append(event.actor.name)
    encoder.append(Int64(event.causeSequence))
    encoder.append(event.createTime.microsecondsSinceEpoch)
    encoder.append(event.changes)
    encoder.append(Int64(values.count))
    for value in values {
      encoder.append(value.field)
      encoder.append(value.salt)
      encoder.append(optional: value.beforeHash)
      encoder.append(optional: value.afterHash)
    }
    encoder.append(Int64(entries.count))
    for entry in entries {
      encoder.append(entry.id.rawValue)
      encoder.append(entry.kind.rawValue)
      encoder.append(entry.act.rawValue)
      encoder.append(entry.actor.kind.rawValue)
      encoder.append(entry.actor.name)
      encoder.append(entry.createTime.microsecondsSinceEpoch)
      encoder.append(entry.bodySalt)
      encoder.append(entry.bodyHash)
    }
    if let firstTexts = event.firstTexts { encoder.append(firstTexts) }
    return SHA256.hash(encoder.bytes)
  }
}
