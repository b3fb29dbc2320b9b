import EventLoop
import Glibc
import Postgres
import ServiceKit
import TicketLedger

extension Result where Failure == any Error {
  /// What `work` returns or throws, for code that has to clean up with `await` in between.
  fileprivate static func of(_ work: () async throws -> Success) async -> Result {
    do { return .success(try await work()) } catch { return .failure(error) }
  }
}

/// Fills an empty database with the demo organization, its people and its tickets.
struct Seed: Sendable {
  private let database: ClusterDatabase
  private let directory: DataDirectory
  private let console: Console

  init(_ database: ClusterDatabase, _ directory: DataDirectory, _ console: Console) {
    self.database = database
    self.directory = directory
    self.console = console
  }

  /// While this file is there, the demo data is half made and nobody has used it.
  private var marker: String { "\(directory.path)/seed.unfinished" }

  /// Seeds a database that has no organization yet; true when it did.
  ///
  /// - Parameter bulk: many generated tickets, in the place of the demo's.
  ///
  /// A seed that was interrupted is wiped and made again: no daemon has run on it.
  func runIfEmpty(_ bulk: BulkOrder? = nil) async throws -> Bool {
    let pool = database.pool()
    do {
      if try PrivateFile.read(marker) != nil { try await wipe(pool) }
      let count = try await pool.query("SELECT count(*) FROM organization", deadline: Self.deadline)
      let isEmpty = try count[0].int64(0) == 0
      if isEmpty { try await fill(pool, bulk) }
      await pool.close()
      return isEmpty
    } catch {
      await pool.close()
      throw error is PostgresError ? ClusterDatabase.unreachable(error) : error
    }
  }

  private static var deadline: Deadline { .after(.seconds(60)) }

  private func wipe(_ pool: PostgresPool) async throws {
    console.progress("The demo data of an interrupted run is made anew")
    _ = try await pool.query(
      """
      TRUNCATE organization, outbox, idempotency_key, ticket_count_change, ticket_holder_count,
        ticket_minute_count, ticket_hour_count CASCADE
      """, deadline: Self.deadline)
  }

  private func fill(_ pool: PostgresPool, _ bulk: BulkOrder?) async throws {
    let generator = DemoGenerator()
    console.progress("Making the demo organization \(DemoOrganization.displayName)")
    try PrivateFile.write("being made\n", to: marker, owner: directory.user)
    let passwords = DemoOrganization.people.map { _ in ClusterSecrets.password() }
    for file in [directory.signIns, directory.newSignIns] {
      try PrivateFile.write(Self.signIns(passwords), to: file, owner: directory.user)
    }
    let people = try await DemoDirectory.write(generator.customers, passwords: passwords, to: pool)
    // The many small transactions that follow need not wait for the disk one by one: the marker outlives a power cut,
    // and the last statement, which does wait, takes all of them along. New connections see the setting.
    _ = try await pool.query("ALTER ROLE CURRENT_USER SET synchronous_commit TO off", deadline: Self.deadline)
    let quick = database.pool()
    let result = await Result.of {
      let ledger = TicketLedger(pool: quick, directory: Directory(pool: quick), key: try ledgerKey())
      var services: [String: ServiceRecord] = [:]
      for service in DemoOrganization.services {
        services[service.code] = try await ledger.directory.service(code: service.code, deadline: Self.deadline)
      }
      let events = DemoEvents(people: people, services: services)
      if let bulk {
        try await BulkSeed(events, try ledgerKey(), console).write(bulk, to: database)
      } else {
        try await DemoHistory(events, ledger, console).write(generator.tickets)
      }
    }
    await quick.close()
    _ = try await pool.query("ALTER ROLE CURRENT_USER RESET synchronous_commit", deadline: Self.deadline)
    try result.get()
    unlink(marker)
  }

  private func ledgerKey() throws(OperatorError) -> LedgerKey {
    let file = ClusterPlan.ledgerKeyFile(directory)
    guard let key = LedgerKey(hex: try ClusterSecrets.secret(file, directory)) else {
      throw OperatorError(
        "\(file) does not hold 64 hexadecimal digits",
        advice: "Put it back from a backup: without it, the tickets' histories cannot be verified.")
    }
    return key
  }

  /// The file of sign-ins: an e-mail address, a password and a name a line.
  static func signIns(_ passwords: [String]) -> String {
    let lines = zip(DemoOrganization.people, passwords).map { person, password in
      let role = person.isAdministrator ? "administrator" : "agent"
      return "\(padded(person.email, 26)) \(password)  \(person.displayName) (\(role))\n"
    }
    return "# Sign-ins of the demo organization. Keep this file private.\n" + lines.joined()
  }
}
