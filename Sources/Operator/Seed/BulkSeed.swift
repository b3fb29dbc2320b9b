import EventLoop
import Postgres
import ServiceKit
import TicketLedger

/// What `handoff seed --tickets N` asks for.
struct BulkOrder: Sendable, Equatable {
  var count: Int
  var days = 365
  var seed: UInt64 = 2024

  init(count: Int) { self.count = count }

  /// Reads the options; nil when the demo's own tickets are wanted.
  init?(_ arguments: Arguments) throws(OperatorError) {
    guard let count = try Self.number(.tickets, arguments, 1...20_000_000) else {
      if let option = [CommandOption.days, .seed].first(where: { arguments.texts[$0] != nil }) {
        throw .usage("\(option.rawValue) says how --tickets are made", advice: "Add --tickets N.")
      }
      return nil
    }
    self.count = count
    days = try Self.number(.days, arguments, 1...3_650) ?? days
    seed = try Self.number(.seed, arguments, 0...Int.max).map { UInt64($0) } ?? seed
  }

  private static func number(
    _ option: CommandOption, _ arguments: Arguments, _ range: ClosedRange<Int>
  ) throws(OperatorError) -> Int? {
    guard let text = arguments.texts[option] else { return nil }
    guard let number = Int(text), range.contains(number) else {
      throw .usage(
        "\(option.rawValue) is \"\(text)\"",
        advice: "It takes a number from \(range.lowerBound) to \(range.upperBound).")
    }
    return number
  }
}

/// Writes many tickets at once, with everything that the ledger would have written: histories and their chains,
/// counters and the index of texts.
///
/// All of it is one transaction, in which the indexes that no reference needs are taken away and built again: an
/// interrupted run leaves nothing. It needs a superuser, because references are not checked row by row.
struct BulkSeed {
  /// Tickets of one round at most; with 200 the processors waited for each other more often.
  private static let roundMax = 1_000
  /// Rounds that are worked out or wait to be written.
  private static let roundsAhead = 3
  private static let tables = ["ticket", "ticket_entry", "ticket_event", "ticket_event_value", "ticket_search"]

  private let events: DemoEvents
  private let key: LedgerKey
  private let console: Console

  init(_ events: DemoEvents, _ key: LedgerKey, _ console: Console) {
    self.events = events
    self.key = key
    self.console = console
  }

  /// Writes the tickets and tells how fast that was.
  func write(_ order: BulkOrder, to database: ClusterDatabase) async throws {
    let connection = try await database.bulkConnection()
    try await connection.transaction { try await fill(order, connection) }
    try await connection.query("VACUUM (ANALYZE) \(unescaped: Self.tables.joined(separator: ", "))")
  }

  /// Writes them in a superuser's transaction, at whose end there are the indexes and keys that there were.
  func fill(_ order: BulkOrder, _ connection: BulkConnection) async throws {
    // The rows are consistent by their making; the index builds want memory.
    try await connection.query("SET LOCAL session_replication_role = replica")
    try await connection.query("SET LOCAL maintenance_work_mem = '256MB'")
    try await connection.query("LOCK TABLE ticket IN ACCESS EXCLUSIVE MODE")
    let indexes = try await takeIndexes(connection)
    let row = try await connection.query(
      "SELECT clock_timestamp(), nextval('ticket_next_id_seq'), nextval('ticket_entry_id_seq')")[0]
    let (now, first) = (try row.instant(0), try row.int64(1))
    var generator = BulkGenerator(order, firstTicket: first, firstEntry: try row.int64(2))
    let start = MonotonicTime.current
    try await load(&generator, order, now, connection)
    for statement in TicketImport.countingStatements(from: TicketID(first)) { try await connection.query(statement) }
    try await connection.query("SELECT setval('ticket_next_id_seq', \(generator.nextTicket), false)")
    try await connection.query("SELECT setval('ticket_entry_id_seq', \(generator.nextEntry + 64), true)")
    let loaded = MonotonicTime.current.since(start).inSeconds
    console.progress(
      "\(order.count) tickets with \(generator.entryCount) entries in \(Self.tenths(loaded)) s:"
        + " \(Int(Double(order.count) / max(loaded, 0.001))) tickets/s")
    let built = MonotonicTime.current
    for statement in indexes {
      try Task.checkCancellation()
      try await connection.query(Query(unescaped: statement))
    }
    console.progress("\(indexes.count) indexes built in \(Self.tenths(MonotonicTime.current.since(built).inSeconds)) s")
  }

  /// Works out rounds while the database writes those before, and writes them in order.
  private func load(
    _ generator: inout BulkGenerator, _ order: BulkOrder, _ now: Instant, _ connection: BulkConnection
  ) async throws {
    var shown = MonotonicTime.current
    var ahead: [Int: [CopyRows]] = [:]
    var (begun, written) = (0, 0)
    try await withThrowingTaskGroup(of: (Int, [CopyRows]).self) { group in
      while true {
        try Task.checkCancellation()
        while begun - written < Self.roundsAhead, let round = generator.round(Self.next(after: generator.made)) {
          group.addTask { [begun, events, key] in (begun, try round.rows(events, key, now: now)) }
          begun += 1
        }
        guard written < begun else { return }
        while ahead[written] == nil, let (number, rows) = try await group.next() { ahead[number] = rows }
        try await connection.copy(ahead.removeValue(forKey: written) ?? [])
        written += 1
        if MonotonicTime.current.since(shown) > .seconds(2) {
          shown = MonotonicTime.current
          console.progress("Tickets: \(generator.made * 100 / order.count) %")
        }
      }
    }
  }

  /// How many tickets the next round has; the first ones are small, because nothing is written meanwhile.
  private static func next(after made: Int) -> Int { min(max(100, made), roundMax) }

  /// Drops the indexes and keys that no other table refers to, and returns what builds them again.
  private func takeIndexes(_ connection: BulkConnection) async throws -> [String] {
    let rows = try await connection.query(
      """
      SELECT CASE WHEN k.oid IS NULL THEN format('DROP INDEX %s', i.indexrelid::regclass)
          ELSE format('ALTER TABLE %s DROP CONSTRAINT %I', i.indrelid::regclass, k.conname) END,
        CASE WHEN k.oid IS NULL THEN pg_get_indexdef(i.indexrelid)
          ELSE format('ALTER TABLE %s ADD CONSTRAINT %I %s', i.indrelid::regclass, k.conname,
            pg_get_constraintdef(k.oid)) END
      FROM pg_index AS i LEFT JOIN pg_constraint AS k ON k.conindid = i.indexrelid AND k.contype IN ('p', 'u')
      WHERE i.indrelid = ANY(\(Self.tables)::regclass[])
        AND NOT EXISTS (SELECT FROM pg_constraint AS f WHERE f.conindid = i.indexrelid AND f.contype = 'f')
      ORDER BY 1
      """)
    for row in rows { try await connection.query(Query(unescaped: try row.string(0))) }
    return try rows.map { try $0.string(1) }
  }

  private static func tenths(_ seconds: Double) -> String {
    let tenths = Int((seconds * 10).rounded())
    return "\(tenths / 10).\(tenths % 10)"
  }
}

extension Duration {
  fileprivate var inSeconds: Double { Double(components.seconds) + Double(components.attoseconds) / 1e18 }
}
