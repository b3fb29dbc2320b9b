import Assignment
import HandoffAPI
import HandoffTestKit
import Postgres
import Protobuf
import RPC
import RPCProtos
import ServiceKit
import Testing
import TicketLedger

@testable import Tickets

/// Two writers of one ticket.
@Suite struct ConcurrencyTests {
  /// A way to change a ticket, told the version that the caller saw.
  private struct Change: Sendable {
    let name: String
    let shape: TicketWorld.Shape
    let run: @Sendable (_ world: TicketWorld, _ ticket: String, _ version: Int64) async throws -> Void
  }

  private static let changes: [Change] = [
    Change(name: "ProcessTicket", shape: .init()) { world, name, version in
      _ = try await world.client.processTicket(
        ProcessTicketRequest(name: name, act: .comment, text: "x", version: version), world.by(TicketWorld.lee))
    },
    Change(name: "UpdateTicket", shape: .init()) { world, name, version in
      _ = try await world.client.updateTicket(
        UpdateTicketRequest(
          ticket: Ticket(name: name, title: "x"), updateMask: FieldMask(paths: ["title"]), version: version),
        world.by(TicketWorld.lee))
    },
    Change(name: "EscalateTicket", shape: .init()) { world, name, version in
      _ = try await world.client.escalateTicket(
        EscalateTicketRequest(
          name: name, targetService: "services/bugs", submissionType: "services/bugs/submissionTypes/20", title: "t",
          text: "x", version: version), world.by(TicketWorld.lee))
    },
    Change(name: "CompleteTicket", shape: .init(state: .resolved)) { world, name, version in
      _ = try await world.client.completeTicket(
        CompleteTicketRequest(name: name, version: version), world.by(TicketWorld.boss))
    },
    Change(name: "RestoreTicket", shape: .init(isSpam: true)) { world, name, version in
      _ = try await world.client.restoreTicket(
        RestoreTicketRequest(name: name, version: version), world.by(TicketWorld.boss))
    },
    Change(name: "DeleteTicket", shape: .init(isSpam: true)) { world, name, version in
      _ = try await world.client.deleteTicket(
        DeleteTicketRequest(name: name, version: version), world.by(TicketWorld.boss))
    },
    Change(name: "KeepTicket", shape: .init(state: .unassigned, agent: nil)) { world, name, version in
      try await withAssignment(world) { client in
        _ = try await client.keepTicket(
          KeepTicketRequest(name: name, group: "services/care/groups/1", version: version), world.by(TicketWorld.lee))
      }
    },
    Change(name: "ForwardTicket", shape: .init()) { world, name, version in
      try await withAssignment(world) { client in
        _ = try await client.forwardTicket(
          ForwardTicketRequest(name: name, group: "services/care/groups/1", agent: "agents/2", version: version),
          world.by(TicketWorld.lee))
      }
    },
  ]

  private static func withAssignment(
    _ world: TicketWorld, _ body: (AssignmentServiceClient) async throws -> Void
  ) async throws {
    let theirs = try TicketWorld.ledger(world.database, role: "handoff_assignment")
    let log = Logger(service: "tests", level: .error, output: .standardError)
    let passwords = PasswordCheck()
    defer { passwords.shutdown() }
    let service = AssignmentService(
      ledger: theirs, runner: TriggerRunner(ledger: theirs, log: log, metrics: Metrics()), passwords: passwords,
      callbacks: Callbacks(pool: theirs.pool, masking: nil))
    try await body(
      AssignmentServiceClient(
        InProcessTransport(
          group: TestLoops.group, services: [service.rpcService], interceptors: [CallsFrom(name: "gateway")])))
  }

  @Test("who changes a ticket that somebody has changed meanwhile is told what was changed, by whom and when")
  func stale() async throws {
    for change in Self.changes {
      let world = try await TicketWorld()
      let ticket = try await world.ticket(change.shape)
      let name = world.name(ticket)
      // Somebody else is faster: past the rules, so that it can be done in every state.
      var event = EventDraft(.fieldsSaved, by: .agent(TicketWorld.kim))
      event.set.priority = .urgent
      event.set.title = "다른 제목"
      let faster = try await world.ledger.write(TicketChange(event), on: ticket, deadline: TestDatabase.deadline).ticket
      // A mail that was sent makes nobody's view stale.
      var silent = TicketChange(EventDraft(.mailSent, by: .service("mail")))
      silent.isSilent = true
      _ = try await world.ledger.write(silent, on: faster, deadline: TestDatabase.deadline)
      let error = await refusal { try await change.run(world, name, ticket.version) }
      #expect(error?.reason == .staleVersion, "\(change.name)")
      let told = error?.metadata ?? [:]
      #expect(told["current_version"] == "\(ticket.version + 1)" && told["seen_version"] == "\(ticket.version)")
      #expect(told["changed_fields"] == "priority,title", "\(change.name)")
      #expect(told["changed_by"] == "agents/1" && told["changed_by_display_name"] == "김상담", "\(change.name)")
      #expect(told["events"] == "FIELDS_SAVED" && told["change_time"] != nil, "\(change.name)")
      #expect(error?.message.contains("김상담") == true, "\(change.name)")
      let count = try await world.count("SELECT version FROM ticket WHERE id = \(ticket.id)")
      #expect(Int64(count) == ticket.version + 1, "\(change.name) wrote something")
      // With the version that it is told, it goes through, and makes the version grow; and without one, too.
      try await change.run(world, name, ticket.version + 1)
      let after = try await world.count("SELECT version FROM ticket WHERE id = \(ticket.id)")
      #expect(Int64(after) > ticket.version + 1, "\(change.name)")
    }
  }

  /// What changes something and names no version, and why that is right. Everything else that changes something does.
  private static let withoutVersion: [String: String] = [
    "SignIn": "makes a session", "SignOut": "ends the caller's own session",
    "SetPassword": "replaces a secret that nobody sees", "ChangePassword": "names the current password",
    "StarTicket": "the caller's own mark; repeating it changes nothing", "UnstarTicket": "as StarTicket",
    "AppendInquiry": "a customer's words are added, however the ticket stands", "InsertTemplate": "counts a use",
    "RevealMask": "changes nothing but the record of who saw what",
    "CancelBatch": "only leads one way; repeating it changes nothing", "ReplayCallback": "as CancelBatch",
    "RotateCallbackSecret": "replaces a secret that is shown once, and counts beside the one before it",
    "SetDoorayUserKey": "replaces a secret that nobody sees",
    "ReceiveDoorayHook": "only says that something is to be looked at",
    "ReorderTriggers": "names all triggers in their order, and is refused when these are not they",
    "ActivateTrigger": "one switch, set by name", "DeactivateTrigger": "as ActivateTrigger",
    "ActivateAgent": "as ActivateTrigger", "DeactivateAgent": "as ActivateTrigger",
    "UpdateTriggerSettings": "one choice, set whole", "UpdateSearchSettings": "as UpdateTriggerSettings",
    "UpdateAgent": "only the fields of the mask; the permission log says who was before",
    "UpdateMember": "as UpdateAgent", "UpdateGroup": "as UpdateAgent",
    "IngestMessage": "takes each message once", "AcceptInboundMail": "a decision, which is made once",
    "RejectInboundMail": "as AcceptInboundMail", "RerunInboundMail": "as AcceptInboundMail",
    "CheckMailAccount": "tries the account as it is, and notes what came of that",
    "ChangeBannedWords": "adds and removes the words that it names, and leaves the others",
    "RevokeSession": "only leads one way; repeating it changes nothing", "RevokeApiKey": "as RevokeSession",
    "ResendMailMessage": "a mail is sent again once", "UnblockCustomerAddress": "as ActivateTrigger",
  ]

  @Test("every method of the API that changes something takes the version that its caller saw, or has a reason not to")
  func everyMethod() throws {
    let reads = ["Get", "List", "Search", "Watch", "Verify", "Preview", "Detect", "Explain", "Simulate", "Download"]
    // What is made anew, or is gone when it is deleted twice, cannot be stale.
    let ends = ["Create", "Upload", "Delete"]
    var unversioned: Set<String> = []
    for service in HandoffAPI.services where service.fullName.hasPrefix("handoff.gateway.") {
      for method in service.methods where !(reads + ends).contains(where: method.name.hasPrefix) {
        let schema = method.input.schema
        // A draft is nothing that somebody else could have changed.
        let resource = schema.fields.first {
          $0.kind == .message && $0.name != "draft" && $0.message?.schema.field(named: "version") != nil
        }
        if schema.field(named: "version") == nil, resource == nil { unversioned.insert(method.name) }
      }
    }
    #expect(unversioned == Set(Self.withoutVersion.keys))
  }
}
