import HandoffAPI
import HandoffTestKit
import Postgres
import RPC
import RPCProtos
import ServiceKit
import Testing
import TicketLedger

@testable import Tickets

/// The longest of every text that a request to tickets takes, in characters.
@Suite("the longest texts") struct TextLimitTests {
  private typealias Client = TicketServiceClient

  private struct Row {
    let field: String
    let charactersMax: Int
    let send: @Sendable (Client, String, CallOptions) async throws -> Void

    init(
      _ field: String, _ charactersMax: Int,
      _ send: @escaping @Sendable (Client, String, CallOptions) async throws -> Void
    ) {
      (self.field, self.charactersMax, self.send) = (field, charactersMax, send)
    }
  }

  private static let care = "services/care"
  private static let ticket = "services/care/tickets/999999"

  private static func create(
    _ client: Client, _ caller: CallOptions, _ set: (inout CreateTicketRequest) -> Void
  ) async throws {
    var request = CreateTicketRequest(parent: care, title: "t", text: "x")
    request.submissionType = "services/care/submissionTypes/1"
    set(&request)
    _ = try await client.createTicket(request, caller)
  }

  private static func update(
    _ client: Client, _ caller: CallOptions, _ path: String, _ set: (inout Ticket) -> Void
  ) async throws {
    var wanted = Ticket(name: ticket)
    set(&wanted)
    _ = try await client.updateTicket(
      UpdateTicketRequest(ticket: wanted, updateMask: FieldMask(paths: [path])), caller)
  }

  private static func search(
    _ client: Client, _ caller: CallOptions, _ set: (inout SearchTicketsRequest) -> Void
  ) async throws {
    var request = SearchTicketsRequest(parent: care)
    set(&request)
    _ = try await client.searchTickets(request, caller)
  }

  private static let creating: [Row] = [
    Row("title", 200) { client, text, caller in try await create(client, caller) { $0.title = text } },
    Row("text", 5_000) { client, text, caller in try await create(client, caller) { $0.text = text } },
    Row("customer.display_name", 100) { client, text, caller in
      try await create(client, caller) { $0.customer = TicketCustomer(displayName: text) }
    },
    Row("customer.user_code", 100) { client, text, caller in
      try await create(client, caller) { $0.customer = TicketCustomer(userCode: text) }
    },
    Row("transcript[0].text", 2_000) { client, text, caller in
      try await create(client, caller) {
        $0.channel = .chat
        $0.transcript = [TranscriptLine(speaker: .customer, text: text, time: Timestamp(seconds: 1_800_000_000))]
      }
    },
    Row("transcript[0].speaker_name", 100) { client, text, caller in
      try await create(client, caller) {
        $0.channel = .chat
        $0.transcript = [
          TranscriptLine(speaker: .customer, speakerName: text, text: "x", time: Timestamp(seconds: 1_800_000_000))
        ]
      }
    },
  ]

  private static let changing: [Row] = [
    Row("ticket.title", 200) { client, text, caller in
      try await update(client, caller, "title") { $0.title = text }
    },
    Row("ticket.customer.display_name", 100) { client, text, caller in
      try await update(client, caller, "customer.display_name") { $0.customer = TicketCustomer(displayName: text) }
    },
    Row("ticket.customer.user_code", 100) { client, text, caller in
      try await update(client, caller, "customer.user_code") { $0.customer = TicketCustomer(userCode: text) }
    },
    Row("text", 20_000) { client, text, caller in
      _ = try await client.processTicket(ProcessTicketRequest(name: ticket, act: .comment, text: text), caller)
    },
    Row("text", 50_000) { client, text, caller in
      _ = try await client.appendInquiry(AppendInquiryRequest(parent: ticket, text: text), caller)
    },
    Row("title", 200) { client, text, caller in
      _ = try await client.escalateTicket(
        EscalateTicketRequest(
          name: ticket, targetService: "services/bugs", submissionType: "services/bugs/submissionTypes/20", title: text,
          text: "x"), caller)
    },
    Row("text", 20_000) { client, text, caller in
      _ = try await client.escalateTicket(
        EscalateTicketRequest(
          name: ticket, targetService: "services/bugs", submissionType: "services/bugs/submissionTypes/20", title: "t",
          text: text), caller)
    },
    Row("subject", 200) { client, text, caller in
      _ = try await client.escalateToDooray(
        EscalateToDoorayRequest(name: ticket, project: "\(care)/doorayProjects/1", subject: text, text: "x"), caller)
    },
    Row("text", 20_000) { client, text, caller in
      _ = try await client.escalateToDooray(
        EscalateToDoorayRequest(name: ticket, project: "\(care)/doorayProjects/1", subject: "t", text: text), caller)
    },
    Row("text", 20_000) { client, text, caller in
      _ = try await client.createDoorayComment(CreateDoorayCommentRequest(parent: ticket, text: text), caller)
    },
    Row("batch.text", 20_000) { client, text, caller in
      _ = try await client.createBatch(
        CreateBatchRequest(parent: care, batch: Batch(act: .comment, text: text), tickets: [ticket]), caller)
    },
  ]

  private static let searching: [Row] = [
    Row("title", 100) { client, text, caller in try await search(client, caller) { $0.title = text } },
    Row("customer_name", 100) { client, text, caller in try await search(client, caller) { $0.customerName = text } },
    Row("text", 100) { client, text, caller in try await search(client, caller) { $0.text = text } },
    Row("words", 100) { client, text, caller in try await search(client, caller) { $0.words = text } },
    Row("user_code", 100) { client, text, caller in try await search(client, caller) { $0.userCode = text } },
    Row("title", 200) { client, text, caller in
      _ = try await client.listTemplates(ListTemplatesRequest(parent: care, title: text), caller)
    },
    Row("search_code", 80) { client, text, caller in
      _ = try await client.listTemplates(ListTemplatesRequest(parent: care, searchCode: text), caller)
    },
  ]

  private static let settings: [Row] = [
    Row("template.title", 200) { client, text, caller in
      _ = try await client.createTemplate(
        CreateTemplateRequest(parent: care, template: Template(title: text, content: "x")), caller)
    },
    Row("template.content", 20_000) { client, text, caller in
      _ = try await client.createTemplate(
        CreateTemplateRequest(parent: care, template: Template(title: "t", content: text)), caller)
    },
    Row("template.search_code", 20) { client, text, caller in
      _ = try await client.createTemplate(
        CreateTemplateRequest(parent: care, template: Template(title: "t", content: "x", searchCode: text)), caller)
    },
    Row("field.display_name", 100) { client, text, caller in
      _ = try await client.createField(
        CreateFieldRequest(parent: care, field: Field(code: "a", kind: .text, displayName: text)), caller)
    },
    Row("field.description", 1_000) { client, text, caller in
      _ = try await client.createField(
        CreateFieldRequest(
          parent: care, field: Field(code: "b", kind: .text, displayName: "n", description: text)), caller)
    },
    Row("field.options[0]", 100) { client, text, caller in
      _ = try await client.createField(
        CreateFieldRequest(
          parent: care, field: Field(code: "c", kind: .dropdown, displayName: "n", options: [text])), caller)
    },
    Row("submission_type.display_name", 100) { client, text, caller in
      _ = try await client.createSubmissionType(
        CreateSubmissionTypeRequest(parent: care, submissionType: TypeNode(displayName: text)), caller)
    },
    Row("processing_type.display_name", 100) { client, text, caller in
      _ = try await client.createProcessingType(
        CreateProcessingTypeRequest(parent: care, processingType: TypeNode(displayName: text)), caller)
    },
  ]

  private static let rows = creating + changing + searching + settings

  @Test("a text may be as long as its limit in characters, of any script, and one more is refused with field and limit")
  func limits() async throws {
    let world = try await TicketWorld()
    let boss = world.by(TicketWorld.boss)
    for row in Self.rows {
      // Three bytes each.
      let longest = String(repeating: "가", count: row.charactersMax)
      let rule = FieldViolation(row.field, "must have at most \(row.charactersMax) characters")
      let taken = await refusal { try await row.send(world.client, longest, boss) }
      #expect(taken?.violations.contains { $0.field == row.field } != true, "\(row.field): \(taken?.message ?? "")")
      let count = try await world.count("SELECT count(*) FROM ticket_event")
      let refused = await refusal { try await row.send(world.client, longest + "가", boss) }
      #expect(refused?.violations.contains(rule) == true, "\(row.field): \(refused?.message ?? "taken")")
      let countAfter = try await world.count("SELECT count(*) FROM ticket_event")
      #expect(countAfter == count, "\(row.field): something was written")
    }
  }
}
