import Crypto
import EventLoop
import Foundation
import HandoffAPI
import HandoffTestKit
import LedgerTestKit
import Postgres
import RPC
import ServiceKit
import Testing
import TicketLedger

@testable import Masking

@Suite("The vault and its keys")
struct VaultTests {
  private let world: MaskingDesk
  private let ticket: MarkedTicket
  private let metrics = Metrics()
  private let directory: String
  private let keys: VaultKeys
  private let masking: MaskingService
  private let rotation: VaultRotation

  init() async throws {
    world = try await MaskingDesk.open()
    ticket = try await MarkedTicket.make(on: world)
    directory = NSTemporaryDirectory() + "vault-\(UUID().uuidString)"
    keys = try VaultKeys(directory: directory, metrics: metrics)
    let ledger = try world.desk.ledger(as: "handoff_masking")
    masking = MaskingService(ledger: ledger, keys: keys)
    rotation = VaultRotation(
      keys: keys, ledger: ledger, metrics: metrics,
      log: Logger(service: "test", level: .error, output: .standardError))
  }

  private func mask(_ index: Int) async throws -> Mask {
    let request = CreateMasksRequest(parent: ticket.name.description, spans: [ticket.spans[index]])
    return try await masking.createMasks(request, world.call("CreateMasks")).masks[0]
  }

  private func reveal(_ mask: Mask) async throws -> String {
    try await masking.revealMask(RevealMaskRequest(name: mask.name, reason: "test"), world.call("RevealMask")).text
  }

  private func addKey(_ id: String) throws {
    let path = "\(directory)/\(id).key"
    try Data((0..<32).map { _ in UInt8.random(in: 0...255) }).write(to: URL(fileURLWithPath: path))
    try FileManager.default.setAttributes([.posixPermissions: 0o600], ofItemAtPath: path)
    try keys.reload()
  }

  private func cleanUp() throws { try FileManager.default.removeItem(atPath: directory) }

  @Test("a new key seals from then on, what older keys sealed is sealed anew, and then the old key may go")
  func rotation() async throws {
    let first = try await mask(0)
    let seen = try await reveal(first)
    try addKey("0002")
    let second = try await mask(1)
    #expect(!metrics.exposition().contains("\nhandoff_masking_seals_of_old_keys "), "nobody has counted yet")
    #expect(try await world.desk.number("SELECT count(DISTINCT key_id) FROM mask_place") == 2)
    let resealed = try await rotation.run(deadline: world.desk.deadline)
    #expect(resealed > 2, "the first mask's places and the reason of the reveal")
    #expect(try await world.desk.number("SELECT count(*) FROM mask_place WHERE key_id <> '0002'") == 0)
    #expect(try await world.desk.number("SELECT count(*) FROM mask_act WHERE key_id = '0001'") == 0)
    #expect(metrics.exposition().contains("handoff_masking_seals_of_old_keys 0"))
    try FileManager.default.removeItem(atPath: "\(directory)/0001.key")
    try keys.reload()
    #expect(try await reveal(first) == seen)
    #expect(try await reveal(second) == MarkedTicket.marker)
    #expect(try await rotation.run(deadline: world.desk.deadline) == 0)
    try cleanUp()
  }

  @Test("while masks are made and taken off, everything is sealed anew but what was damaged, which stays counted")
  func rotationWhileServing() async throws {
    let (damaged, off) = (try await mask(0), try await mask(1))
    let id = try #require(Int64(damaged.name.split(separator: "/").last ?? ""))
    let changed = "set_byte(sealed_original, 14, get_byte(sealed_original, 14) # 1)"
    try await world.run(
      "UPDATE mask_place SET sealed_original = \(unescaped: changed) WHERE mask_id = \(id) AND number = 0")
    try addKey("0002")
    async let resealed = rotation.run(deadline: world.desk.deadline)
    async let unmasked = masking.unmaskText(
      UnmaskTextRequest(name: off.name, reason: "test"), world.call("UnmaskText"))
    async let made = mask(2)
    _ = try await (resealed, unmasked, made)
    _ = try await rotation.run(deadline: world.desk.deadline)
    #expect(try await world.desk.number("SELECT count(*) FROM mask_place WHERE is_on AND key_id <> '0002'") == 1)
    #expect(metrics.exposition().contains("handoff_masking_seals_of_old_keys 1"))
    #expect(try await reveal(try await made) == MarkedTicket.marker)
    await #expect(throws: ServiceError.self) { try await reveal(damaged) }
    try cleanUp()
  }

  @Test("seals are counted before any is made anew, also when no time is left for that")
  func countedFirst() async throws {
    _ = try await mask(0)
    try addKey("0002")
    #expect(try await rotation.run(deadline: .after(.zero)) == 0)
    let left = try await world.desk.number("SELECT count(*) FROM mask_place WHERE is_on")
    #expect(left > 0 && metrics.exposition().contains("handoff_masking_seals_of_old_keys \(left)"))
    try cleanUp()
  }

  @Test("a lost key is told for the masks that it sealed, and the others still open")
  func lostKey() async throws {
    let first = try await mask(0)
    try addKey("0002")
    let second = try await mask(1)
    try FileManager.default.removeItem(atPath: "\(directory)/0001.key")
    try keys.reload()
    await #expect { try await reveal(first) } throws: { ($0 as? ServiceError)?.reason == .maskKeyLost }
    let before = try await CopyScan(desk: world.desk).texts()
    await #expect {
      try await masking.unmaskText(UnmaskTextRequest(name: first.name, reason: "x"), world.call("UnmaskText"))
    } throws: {
      ($0 as? ServiceError)?.reason == .maskKeyLost
    }
    #expect(try await CopyScan(desk: world.desk).texts() == before)
    #expect(try await reveal(second) == MarkedTicket.marker)
    // The rotation goes on past what it cannot open, and counts each seal once, however often it comes to it.
    func refused() -> String? {
      metrics.exposition().split(separator: "\n").first { $0.contains("refused_total{why=\"key_lost\"}") }
        .map(String.init)
    }
    #expect(try await rotation.run(deadline: world.desk.deadline) == 0)
    let left = try await world.desk.number("SELECT count(*) FROM mask_place WHERE is_on AND key_id = '0001'")
    #expect(left > 0 && metrics.exposition().contains("handoff_masking_seals_of_old_keys \(left)"))
    let counted = try #require(refused())
    #expect(try await rotation.run(deadline: world.desk.deadline) == 0)
    await #expect(throws: (any Error).self) { try await reveal(first) }
    #expect(refused() == counted)
    try cleanUp()
  }

  @Test(
    "one bit changed in nonce, ciphertext or tag is refused and counted, and nothing is written",
    arguments: ["0", "14", "octet_length(sealed_original) - 1"])
  func tampered(_ byte: String) async throws {
    let mask = try await mask(0)
    let changed = "set_byte(sealed_original, \(byte), get_byte(sealed_original, \(byte)) # 1)"
    try await world.run(Query(unescaped: "UPDATE mask_place SET sealed_original = \(changed) WHERE number = 0"))
    try await refused(mask)
    try cleanUp()
  }

  @Test(
    "a seal is bound to the ticket, the text, the length and the key",
    arguments: [
      "row_key = '1'", "text_column = 'mail_message.body'", "span_length = span_length - 1", "number = 99",
    ])
  func moved(_ change: String) async throws {
    let mask = try await mask(0)
    try await world.run(Query(unescaped: "UPDATE mask_place SET \(change) WHERE number = 1"))
    try await refused(mask)
    try cleanUp()
  }

  /// A row of the vault in which one bit is changed.
  struct Flip: CustomTestStringConvertible {
    let column: String
    let change: String
    /// Which of the mask's rows.
    let number: Int

    var testDescription: String { "\(column) of place \(number)" }

    private static let places = [
      "service_id": "service_id # 2", "mask_id": "mask_id # 1024", "number": "number # 64",
      "ticket_service_id": "ticket_service_id # 2", "ticket_id": "ticket_id # 1",
      "text_column": "chr(ascii(text_column) # 1) || substr(text_column, 2)",
      "row_key": "left(row_key, -1) || chr(ascii(right(row_key, 1)) # 1)", "span_start": "span_start # 1",
      "span_length": "span_length # 1", "is_on": "NOT is_on",
      "sealed_original": "set_byte(sealed_original, 20, get_byte(sealed_original, 20) # 1)",
      "key_id": "left(key_id, -1) || chr(ascii(right(key_id, 1)) # 1)",
      "seal": "set_byte(seal, 31, get_byte(seal, 31) # 1)", "owner_ticket_id": "owner_ticket_id # 1",
      "masked_by": "masked_by # 2", "mask_time": "mask_time + interval '1 microsecond'",
      "place_count": "place_count # 1", "unmask_time": "now()",
    ]

    static let all = [0, 1].flatMap { number in
      places.sorted { $0.key < $1.key }.map { Flip(column: $0.key, change: $0.value, number: number) }
    }
  }

  @Test(
    "one bit changed in any column of the vault is refused and counted by Unmask and Reveal, and nothing is written",
    arguments: Flip.all)
  func flipped(_ flip: Flip) async throws {
    let mask = try await mask(0)
    for constraint in try await world.desk.database.pool.query(
      """
      SELECT conname::text FROM pg_constraint WHERE conrelid = 'mask_place'::regclass AND contype IN ('c', 'f')
      """, deadline: world.desk.deadline)
    {
      try await world.run(Query(unescaped: "ALTER TABLE mask_place DROP CONSTRAINT \(try constraint.string(0))"))
    }
    try await world.run(
      Query(unescaped: "UPDATE mask_place SET \(flip.column) = \(flip.change) WHERE number = \(flip.number)"))
    let before = try await CopyScan(desk: world.desk).texts()
    func refusal(_ work: () async throws -> some Sendable) async -> Reason? {
      do {
        _ = try await work()
        return nil
      } catch {
        return ServiceError(caught: error).reason
      }
    }
    let reasons: [Reason?] = [flip.column == "key_id" ? .maskKeyLost : .maskDamaged]
    if flip.number == 0 { #expect(reasons.contains(await refusal { try await reveal(mask) })) }
    let request = UnmaskTextRequest(name: mask.name, reason: "x")
    #expect(
      reasons.contains(await refusal { try await masking.unmaskText(request, world.call("UnmaskText")) }))
    #expect(try await CopyScan(desk: world.desk).texts() == before)
    #expect(metrics.exposition().contains("handoff_masking_seals_refused_total{why="))
    #expect(
      try await world.desk.number(
        "SELECT count(*) FROM ticket_event WHERE code IN ('UNMASKED', 'MASK_REVEALED')") == 0)
    try cleanUp()
  }

  @Test("a mask whose rows are gone is told as damage, and one that was taken off is not found")
  func lostRows() async throws {
    let (lost, off) = (try await mask(0), try await mask(1))
    _ = try await masking.unmaskText(UnmaskTextRequest(name: off.name, reason: "x"), world.call("UnmaskText"))
    try await world.run("DELETE FROM mask_place")
    await #expect {
      try await reveal(lost)
    } throws: {
      ($0 as? ServiceError)?.reason == .maskDamaged
    }
    await #expect {
      try await reveal(off)
    } throws: {
      ($0 as? ServiceError)?.reason == .maskNotFound
    }
    #expect(metrics.exposition().contains("handoff_masking_seals_refused_total{why=\"damaged\"} 1"))
    try cleanUp()
  }

  @Test("a mask that was taken off by hand, in the vault's rows alone, is told as damage")
  func takenOffByHand() async throws {
    let mask = try await mask(0)
    try await world.run("DELETE FROM mask_place WHERE number > 0")
    try await world.run("UPDATE mask_place SET is_on = false, sealed_original = NULL, unmask_time = now()")
    try await refused(mask)
    try cleanUp()
  }

  @Test("every column of the vault has its row in the table of flips")
  func flippedColumns() async throws {
    let rows = try await world.desk.database.pool.query(
      """
      SELECT column_name::text FROM information_schema.columns
      WHERE table_schema = 'handoff' AND table_name = 'mask_place'
      """, deadline: world.desk.deadline)
    let known = Set(Flip.all.map(\.column))
    // It is set when the mask goes.
    #expect(Set(try rows.map { try $0.string(0) }).subtracting(known) == ["unmasked_by"])
    try cleanUp()
  }

  @Test("a text that was changed by hand under its mask is refused, and the history tells of it")
  func editedUnderMask() async throws {
    let mask = try await mask(0)
    try await world.run("UPDATE ticket_entry SET body = replace(body, '같', '다') WHERE id = \(ticket.inquiry)")
    #expect(try await !world.isIntact(ticket.own))
    try await refused(mask)
    try cleanUp()
  }

  @Test("places from before there were seals get theirs in the background, and one that was written by hand gets none")
  func unsealed() async throws {
    let first = try await mask(0)
    try await world.run("UPDATE mask_place SET seal = NULL")
    #expect(try await !world.isIntact(ticket.own))
    try await world.run(
      """
      INSERT INTO mask_place (service_id, mask_id, number, owner_ticket_id, ticket_service_id, ticket_id, text_column,
        row_key, span_start, span_length, sealed_original, key_id)
      SELECT service_id, mask_id, 99, owner_ticket_id, ticket_service_id, ticket_id, text_column, row_key, 1, 1,
        sealed_original, key_id
      FROM mask_place WHERE number = 0
      """)
    _ = try await rotation.run(deadline: world.desk.deadline)
    #expect(try await world.desk.number("SELECT count(*) FROM mask_place WHERE seal IS NULL") == 1)
    try await world.run("DELETE FROM mask_place WHERE seal IS NULL")
    #expect(try await world.isIntact(ticket.own))
    let second = try await mask(2)
    let before = try await CopyScan(desk: world.desk).texts()
    _ = try await masking.unmaskText(UnmaskTextRequest(name: first.name, reason: "x"), world.call("UnmaskText"))
    #expect(try await CopyScan(desk: world.desk).texts() != before)
    #expect(try await world.isIntact(ticket.own), "the second mask's places were sealed anew when they moved")
    _ = try await masking.unmaskText(UnmaskTextRequest(name: second.name, reason: "x"), world.call("UnmaskText"))
    try cleanUp()
  }

  private func refused(_ mask: Mask) async throws {
    let before = try await CopyScan(desk: world.desk).texts()
    await #expect {
      try await masking.unmaskText(UnmaskTextRequest(name: mask.name, reason: "x"), world.call("UnmaskText"))
    } throws: {
      ($0 as? ServiceError)?.reason == .maskDamaged
    }
    #expect(try await CopyScan(desk: world.desk).texts() == before)
    #expect(metrics.exposition().contains("handoff_masking_seals_refused_total{why=\"damaged\"} 1"))
    #expect(try await world.desk.number("SELECT count(*) FROM ticket_event WHERE code = 'UNMASKED'") == 0)
  }

  @Test("a secret opens for the daemon that had it sealed and under its name, and for nobody else")
  func secrets() async throws {
    func call(_ caller: String, _ agent: AgentID? = nil) -> CallContext {
      world.desk.call("SealSecret", by: agent, caller: caller, service: "MaskingService")
    }
    let secret = Array("imap password".utf8)
    let sealed = try await masking.sealSecret(
      SealSecretRequest(name: "mailAccounts/7/password", secret: secret), call("mail")
    ).sealed
    #expect(!sealed.contains(secret[0]) || sealed.count == 2 + 4 + secret.count + 28)
    let request = OpenSecretRequest(name: "mailAccounts/7/password", sealed: sealed)
    let opened = try await masking.openSecret(request, call("mail"))
    #expect(opened.secret == secret && !opened.resealAdvised)
    try addKey("0002")
    #expect(try await masking.openSecret(request, call("mail")).resealAdvised)
    let rows: [(OpenSecretRequest, CallContext, Reason)] = [
      (request, call("tickets"), .maskDamaged),
      (OpenSecretRequest(name: "mailAccounts/8/password", sealed: sealed), call("mail"), .maskDamaged),
      (OpenSecretRequest(name: "mailAccounts/7/password", sealed: []), call("mail"), .maskDamaged),
      (OpenSecretRequest(name: "", sealed: sealed), call("mail"), .requestInvalid),
      (request, call("gateway", Desk.kim), .callerNotAllowed),
    ]
    for (request, call, reason) in rows {
      await #expect("\(reason)") { try await masking.openSecret(request, call) } throws: {
        ($0 as? ServiceError)?.reason == reason
      }
    }
    let large = SealSecretRequest(name: "raw/1", secret: [UInt8](repeating: 1, count: 3 << 20 + 1))
    await #expect(throws: ServiceError.self) { try await masking.sealSecret(large, call("mail")) }
    try cleanUp()
  }

  @Test("only tickets may have arriving masks sealed, and secrets only who keeps some")
  func callers() async throws {
    for caller in ["tickets", "mail", "assignment", "edge"] {
      let client = MaskingServiceClient(
        InProcessTransport(
          group: TestLoops.group, services: [masking.rpcService],
          interceptors: [CallerAuthenticator(rules: MaskingService.callerRules)],
          certificate: { _ in PeerCertificate(names: [CertifiedName.of(caller)]) }))
      let options = CallOptions(deadline: world.desk.deadline)
      func isAllowed(_ work: () async throws -> some Sendable) async -> Bool {
        do {
          _ = try await work()
          return true
        } catch {
          return ![.callerNotAllowed, .internal].contains(ServiceError(caught: error).reason)
        }
      }
      let seals = await isAllowed { try await client.sealMasks(SealMasksRequest(), options) }
      let keeps = await isAllowed { try await client.sealSecret(SealSecretRequest(name: "a"), options) }
      let opens = await isAllowed { try await client.openSecret(OpenSecretRequest(name: "a"), options) }
      #expect(seals == (caller == "tickets") && keeps == (caller != "edge") && opens == keeps, "\(caller)")
    }
    try cleanUp()
  }
}
