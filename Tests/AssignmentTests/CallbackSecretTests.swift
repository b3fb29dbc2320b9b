import EventLoop
import HandoffAPI
import HandoffTestKit
import LedgerTestKit
import Postgres
import ServiceKit
import Testing
import TicketLedger

@testable import Assignment

@Suite("Secrets of callbacks", .timeLimit(.minutes(10)))
struct CallbackSecretTests {
  @Test("secrets that nobody uses are sealed anew under a new key, and what does not open is counted")
  func newKey() async throws {
    let certificate = try TestCertificate()
    let vault = try TestVault()
    let receiver = try HTTPSReceiver(certificate)
    let (desk, _) = try await CallbackOffice.open(certificate, vault: vault)
    let secret = try await desk.newSecret()
    func look() async throws -> Bool {
      let metrics = Metrics()
      // With nothing opened before.
      let callbacks = Callbacks(
        pool: desk.delivery.ledger.pool, masking: try vault.way(to: desk.office.desk), rules: desk.callbacks.rules)
      try await SecretUpkeep(
        callbacks, log: Logger(service: "tests", level: .error, output: .standardError), metrics: metrics
      ).run(deadline: desk.office.desk.deadline)
      return metrics.exposition().contains("handoff_assignment_seals_of_old_keys 0")
    }
    try vault.addKey("0002")
    #expect(try await look())
    try vault.removeKey("0001")
    #expect(try await look(), "the one before the last was sealed anew, too")
    try await desk.office.trigger([.isNew], .call(receiver.url("/hook")))
    let name = try await desk.office.ticket()
    try await desk.office.run(name)
    try await desk.deliver()
    #expect(try receiver.received().first?.isSigned(with: secret) == true)
    try vault.addKey("0003")
    #expect(try await look())
    try vault.removeKey("0003")
    #expect(try await !look(), "the newest key is lost")
    try vault.addKey("0004")
    #expect(try await !look())
  }
}
