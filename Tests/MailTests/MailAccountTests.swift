import EventLoop
import HandoffAPI
import HandoffTestKit
import Postgres
import RPCProtos
import ServiceKit
import Testing
import TicketLedger

@testable import Mail

@Suite("accounts by which mails come in")
struct MailAccountTests {
  @Test("an account is opened before it is saved, and what is wrong is named with its field")
  func checkedBeforeSaving() async throws {
    let world = try await MailboxWorld()
    func wrong(_ change: (inout MailAccount) -> Void) async -> (reason: Reason, field: String, words: String)? {
      var account = world.account()
      change(&account)
      guard let error = await refusal({ try await world.create(account) }) else { return nil }
      return (error.reason, error.violations.first?.field ?? "", error.message)
    }
    let rows: [(String, String, (inout MailAccount) -> Void)] = [
      // No name has a part of so many letters, so nobody needs to be asked.
      ("mail_account.host", "not found", { $0.host = "\(String(repeating: "a", count: 70)).example" }),
      ("mail_account.host", "does not answer", { $0.port = 1 }),
      ("mail_account.security", "encrypted", { ($0.port, $0.security) = (Int32(world.server.port), .tls) }),
      ("mail_account.password", "AUTHENTICATIONFAILED", { $0.password = "wrong" }),
      ("mail_account.mailbox", "the server says", { $0.mailbox = "Nope" }),
    ]
    for (field, words, change) in rows {
      let found = await wrong(change)
      #expect(found?.reason == .mailboxUnreadable && found?.field == field, "\(words): \(String(describing: found))")
      #expect(found?.words.contains(words) == true, "\(words): \(String(describing: found))")
      #expect(found?.words.contains(MailboxWorld.password) == false)
    }
    // What is wrong by itself is told at once, without a call.
    let badly = await refusal {
      try await world.create(
        MailAccount(
          displayName: "", address: "nobody", host: "a b", port: 70_000, security: .none, user: "", password: ""))
    }
    #expect(
      badly?.violations.map(\.field).sorted()
        == ["address", "display_name", "host", "password", "port", "security", "user"].map { "mail_account.\($0)" })
    let empty = try await world.service.listMailAccounts(
      ListMailAccountsRequest(parent: "services/care"), world.administrator)
    #expect(empty.mailAccounts.map(\.kind) == [.representative])

    let made = try await world.create(world.account())
    #expect(made.name.hasPrefix("services/care/mailAccounts/") && made.state == .ready && made.version == 1)
    #expect(made.kind == .imap && made.mailbox == "INBOX" && made.password.isEmpty)
    let twice = await refusal { try await world.create(world.account()) }
    #expect(twice?.reason == .alreadyExists)
    let stored = try await world.world.number(
      "SELECT count(*) FROM mail_account AS a WHERE a::text LIKE '%s3cret%' OR a::text LIKE '%733363726574%'")
    #expect(stored == 0)
  }

  @Test("a service has twenty mailboxes at most, however many are added at once")
  func limit() async throws {
    let world = try await MailboxWorld()
    let (service, administrator) = (world.service, world.administrator)
    var account = world.account()
    account.paused = true
    let reasons = await withTaskGroup(of: Reason?.self) { group in
      for number in 1...24 {
        account.mailbox = "Box \(number)"
        let request = CreateMailAccountRequest(parent: "services/care", mailAccount: account)
        group.addTask { await refusal { try await service.createMailAccount(request, administrator) }?.reason }
      }
      return await group.reduce(into: [Reason?]()) { $0.append($1) }
    }
    #expect(reasons.count { $0 == nil } == 20 && reasons.count { $0 == .limitReached } == 4, "\(reasons)")
  }

  @Test("addresses inside are not called unless the operator allows them")
  func addresses() async throws {
    let world = try await MailboxWorld(allowed: "10.0.0.0/8")
    for host in ["127.0.0.1", "::1", "169.254.169.254"] {
      var account = world.account()
      account.host = host
      let refused = await refusal { try await world.create(account) }
      #expect(refused?.reason == .mailboxUnreadable && refused?.violations.first?.field == "mail_account.host")
      #expect(refused?.message.contains("must not be called") == true, "\(host): \(refused?.message ?? "")")
    }
    // One that was saved before, or changed in the database, is not called either.
    let open = try await MailboxWorld(sharing: world)
    let made = try await open.create(open.account())
    try await world.read()
    let failing = try await world.get(made)
    #expect(failing.state == .failing && failing.problem == .host && failing.problemText.contains("loopback"))
  }

  @Test("a change of the way to the mailbox needs the password again, and is tried first; others are not")
  func changes() async throws {
    let world = try await MailboxWorld()
    var account = try await world.create(world.account())
    account.displayName = "새 이름"
    account.deleteImported = true
    account = try await world.update(account, ["display_name", "delete_imported"], version: 1)
    #expect(account.displayName == "새 이름" && account.deleteImported && account.version == 2)
    let late = await refusal { try await world.update(account, ["display_name"], version: 1) }
    #expect(late?.reason == .staleVersion)
    #expect(late?.metadata["changed_fields"] == "delete_imported,display_name")
    #expect(late?.metadata["changed_by"] == "agents/3")
    #expect(late?.metadata["current_version"] == "2")
    // Nobody can have the password sent to a server of their own.
    var moved = account
    (moved.host, moved.port) = ("localhost", Int32(world.server.securePort))
    let stolen = await refusal { try await world.update(moved, ["host"]) }
    #expect(stolen?.violations.first?.field == "mail_account.password")
    moved.password = MailboxWorld.password
    #expect(try await world.update(moved, ["host", "password"]).host == "localhost")
    moved.password = "wrong"
    let wrong = await refusal { try await world.update(moved, ["password"]) }
    #expect(wrong?.reason == .mailboxUnreadable)
    // A row that was changed past Handoff does not open.
    try await world.sql("UPDATE mail_account SET host = '127.0.0.1'")
    let checked = try await world.service.checkMailAccount(
      CheckMailAccountRequest(name: account.name), world.administrator)
    #expect(checked.state == .failing && checked.problem == .signIn && checked.problemText.contains("anew"))
    // One that is paused is saved as it is, and tried when it is to go on.
    var paused = world.account()
    (paused.paused, paused.mailbox) = (true, "Nope")
    paused = try await world.create(paused)
    #expect(paused.state == .paused)
    paused.paused = false
    let resumed = await refusal { try await world.update(paused, ["paused"]) }
    #expect(resumed?.violations.first?.field == "mail_account.mailbox")
  }

  @Test("administrators of the service alone see and change its accounts")
  func rights() async throws {
    let world = try await MailboxWorld()
    let made = try await world.create(world.account())
    let agent = world.world.mail.asAgent
    let stranger = world.world.mail.call(agent: MailWorld.outsider)
    for (caller, reason) in [(agent, Reason.permissionDenied), (stranger, .mailAccountNotFound)] {
      for act in [
        { _ = try await world.service.getMailAccount(GetMailAccountRequest(name: made.name), caller) },
        { _ = try await world.service.checkMailAccount(CheckMailAccountRequest(name: made.name), caller) },
        { _ = try await world.service.deleteMailAccount(DeleteMailAccountRequest(name: made.name), caller) },
        {
          let request = UpdateMailAccountRequest(mailAccount: made, updateMask: FieldMask(paths: ["paused"]))
          _ = try await world.service.updateMailAccount(request, caller)
        },
      ] as [() async throws -> Void] {
        #expect(await refusal(act)?.reason == reason)
      }
    }
    _ = try await world.service.deleteMailAccount(DeleteMailAccountRequest(name: made.name), world.administrator)
    #expect(await refusal { try await world.get(made) }?.reason == .mailAccountNotFound)
    #expect(try await world.world.number("SELECT count(*) FROM mail_account WHERE sealed_password IS NOT NULL") == 0)
    #expect(try await world.read() == 0)
  }

  @Test("a mail that lacks what its account's type asks for, or whose type is offered no more, has no type")
  func typeWithForm() async throws {
    let changes: [Query] = [
      """
      WITH field AS (
        INSERT INTO ticket_field (service_id, code, kind, audience, display_name, is_required)
        VALUES (1, 'order_number', 'TEXT', 'CUSTOMER', '주문 번호', true) RETURNING service_id, id)
      INSERT INTO field_placement (service_id, submission_type_id, field_id, position)
      SELECT service_id, 1, id, 0 FROM field
      """,
      "INSERT INTO system_field (service_id, code, is_required) VALUES (1, 'customer_phone', true)",
      "INSERT INTO system_field (service_id, code, length_max) VALUES (1, 'title', 3)",
      "INSERT INTO system_field (service_id, code, length_max) VALUES (1, 'text', 3)",
      "UPDATE submission_type SET is_active = false",
    ]
    for change in changes {
      let world = try await MailboxWorld()
      let name = "services/care/mailAccounts/representative"
      var address = try await world.service.getMailAccount(GetMailAccountRequest(name: name), world.administrator)
      address.submissionType = "services/care/submissionTypes/1"
      _ = try await world.update(address, ["submission_type"])
      _ = try await world.world.mail.database.pool.query(change, deadline: TestDatabase.deadline)
      let letter = InboundWorld.Letter(from: "new@example.com", subject: "배송이 안 와요")
      let made = try await world.world.take(letter)
      #expect(made.state == .ticket, "\(change): \(made.reason)")
      let found = try await world.world.number(
        """
        SELECT count(*) FROM ticket
        WHERE id = \(made.ticketID) AND submission_type_id IS NULL AND title = '배송이 안 와요' AND channel = 'EMAIL'
        """)
      #expect(found == 1, "\(change)")
      // Handed over again, it is the same.
      #expect(try await world.world.take(letter).ticketID == made.ticketID)
      #expect(try await world.world.number("SELECT count(*) FROM ticket") == 1)
    }
  }

  @Test("the representative address is an account, too: it has numbers and a type for its tickets, and stays")
  func representative() async throws {
    let world = try await MailboxWorld()
    let name = "services/care/mailAccounts/representative"
    _ = try await world.world.take(.init())
    var address = try await world.service.getMailAccount(GetMailAccountRequest(name: name), world.administrator)
    #expect(address.kind == .representative && address.address == "care@shop.example" && address.version == 0)
    #expect(address.counts == MailAccount.Counts(received: 1, tickets: 1))
    address.submissionType = "services/care/submissionTypes/1"
    address = try await world.update(address, ["submission_type"])
    #expect(address.version == 1 && address.submissionType == "services/care/submissionTypes/1")
    let typed = try await world.world.take(.init(from: "other@example.com"))
    let type = try await world.world.number("SELECT submission_type_id FROM ticket WHERE id = \(typed.ticketID)")
    #expect(type == 1)
    let mails = try await world.service.listInboundMails(
      ListInboundMailsRequest(parent: "services/care", state: .ticket), world.administrator)
    #expect(mails.inboundMails.allSatisfy { $0.account == name })
    address.submissionType = "services/care/submissionTypes/99"
    #expect(await refusal { try await world.update(address, ["submission_type"]) }?.reason == .typeNotFound)
    #expect(await refusal { try await world.update(address, ["host"]) }?.reason == .requestInvalid)
    let kept = await refusal {
      try await world.service.deleteMailAccount(DeleteMailAccountRequest(name: name), world.administrator)
    }
    #expect(kept?.reason == .inUse)
    let listed = try await world.service.listMailAccounts(
      ListMailAccountsRequest(parent: "services/care", pageSize: 1), world.administrator)
    #expect(listed.mailAccounts.map(\.name) == [name] && listed.nextPageToken.isEmpty)
  }
}
