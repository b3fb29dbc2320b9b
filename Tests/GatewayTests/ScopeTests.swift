import HandoffAPI
import Protobuf
import RPCProtos
import ServiceKit
import Testing

@testable import Gateway

@Suite("What a key may call")
struct ScopeTests {
  private func scopes(_ method: String) throws -> [Scope] {
    try #require(Route.all.first { $0.method == method }).scopes
  }

  @Test(
    "follows from what a method is about, and whether it changes anything",
    arguments: [
      ("GetTicket", [.ticketRead]), ("SearchTickets", [.ticketRead]), ("WatchTickets", [.ticketRead]),
      ("GetCounters", [.ticketRead]), ("ProcessTicket", [.ticketWrite]), ("CreateBatch", [.ticketWrite]),
      ("CreateMasks", [.ticketWrite]), ("DeleteTicket", [.ticketWrite]), ("ResendMailMessage", [.ticketWrite]),
      ("UnmaskText", [.originalRead]),
      ("RevealMask", [.originalRead]), ("CreateTicket", [.ticketWrite, .inquiryWrite]),
      ("UploadAttachment", [.ticketWrite, .inquiryWrite]), ("GetForm", [.settingRead, .inquiryWrite]),
      ("ListFields", [.settingRead]), ("InsertTemplate", [.settingRead]), ("UpdateService", [.settingWrite]),
      ("GetOrganization", [.settingRead]), ("UpdateOrganization", [.settingWrite]), ("CreateService", [.settingWrite]),
      ("CreateTrigger", [.settingWrite]), ("RotateCallbackSecret", [.settingWrite]), ("ListMembers", [.accountRead]),
      ("UpdateAgent", [.accountWrite]), ("CreateAgent", []), ("DeleteGroup", [.accountWrite]), ("SetPassword", []),
      ("ChangePassword", []), ("CreateApiKey", []), ("ListAuditEvents", []), ("SignOut", []),
      ("GetMe", Scope.allCases),
    ] as [(String, [Scope])])
  func sufficient(method: String, expected: [Scope]) throws {
    #expect(try scopes(method) == expected)
  }

  @Test("the whole table: every scope is for something, and what only people may call is known")
  func table() {
    for scope in Scope.allCases {
      let methods = Route.all.filter { $0.scopes.contains(scope) }.map(\.method)
      print("\(scope.rawValue): \(methods.joined(separator: " "))")
      #expect(methods.count > 2 || scope == .originalRead && methods.count == 3)
    }
    #expect(
      Route.all.filter(\.scopes.isEmpty).map(\.method) == [
        "SignIn", "SignOut", "ListSessions", "RevokeSession", "CreateApiKey", "ListApiKeys", "RevokeApiKey",
        "ListAuditEvents", "ReceiveDoorayHook", "CreateAgent", "SetPassword", "ChangePassword",
      ])
  }

  @Test("an act of administration is what changes settings or accounts")
  func administration() throws {
    let acts = Set(Route.all.filter(\.isAdministrative).map(\.method))
    for method in [
      "UpdateService", "CreateService", "UpdateOrganization", "CreateField", "DeleteTrigger", "CreateAgent",
      "UpdateMember", "SetPassword",
    ] {
      #expect(acts.contains(method), "\(method)")
    }
    for method in [
      "GetService", "ListAgents", "ProcessTicket", "SimulateTriggers", "CreateBatch", "SignIn", "ResendMailMessage",
    ] {
      #expect(!acts.contains(method), "\(method)")
    }
  }

  @Test("a key for inquiries has a part of what keys of tickets have, and the whole table of that is known")
  func limits() throws {
    #expect(
      Scope.limits == [
        "CreateTicket": ScopeLimit(
          fieldsRefused: ["customer.number", "group", "agent"], fieldsShown: ["name", "create_time"],
          isForCustomer: true),
        "AppendInquiry": ScopeLimit(fieldsRefused: [], fieldsShown: ["name", "create_time"], isForCustomer: true),
        "ListServices": ScopeLimit(fieldsRefused: ["organization"], fieldsShown: ["services", "next_page_token"]),
      ])
    for (method, limit) in Scope.limits {
      let route = try #require(Route.all.first { $0.method == method })
      let type = try #require(GatewayService.methods[method])
      for name in limit.fieldsShown { #expect(type.output.schema.field(named: name) != nil, "\(name)") }
      for path in limit.fieldsRefused { #expect(CoverageTests.hasField(path, type.input), "\(path)") }
      #expect(Scope.limit(of: route, for: [.inquiryWrite, .ticketRead, .settingWrite]) == limit)
      #expect(Scope.limit(of: route, for: [.inquiryWrite, Scope.usual(for: route)]) == nil)
      #expect(GatewayCaller(agent: AgentID(1), credential: .session(1)).limit(of: route) == nil)
    }
  }

  @Test("a limited request that names a customer by number, a group or an agent is refused with the fields")
  func refusedFields() throws {
    let route = try #require(Route.all.first { $0.method == "CreateTicket" })
    let type = try #require(GatewayService.methods["CreateTicket"])
    let limit = try #require(Scope.limit(of: route, for: [.inquiryWrite]))
    var request = CreateTicketRequest(
      parent: "services/care", title: "?", text: "?", customer: TicketCustomer(displayName: "Kim", email: "k@e.org"))
    try limit.check(request.serialized(), as: type.input, of: route)
    request.customer?.number = 7
    request.agent = "agents/3"
    do {
      try limit.check(request.serialized(), as: type.input, of: route)
      Issue.record("it was taken")
    } catch let error as ServiceError {
      #expect(error.reason == .permissionDenied && error.metadata["scopes"] == "ticket.write")
      #expect(error.violations.map(\.field) == ["customer.number", "agent"])
    }
    let error = #expect(throws: ServiceError.self) { try limit.check([0xFF], as: type.input, of: route) }
    #expect(error?.reason == .requestInvalid)
  }

  @Test("a key for inquiries, be it an administrator's, cannot ask for all services of the organization")
  func servicesOfOrganization() throws {
    let route = try #require(Route.all.first { $0.method == "ListServices" })
    let type = try #require(GatewayService.methods["ListServices"])
    let limit = try #require(Scope.limit(of: route, for: [.inquiryWrite]))
    try limit.check(ListServicesRequest(pageSize: 5).serialized(), as: type.input, of: route)
    let all = try ListServicesRequest(organization: "organizations/-").serialized()
    let error = #expect(throws: ServiceError.self) { try limit.check(all, as: type.input, of: route) }
    #expect(error?.reason == .permissionDenied && error?.violations.map(\.field) == ["organization"])
    let answer = ListServicesResponse(services: [Service(name: "services/care")], nextPageToken: "x")
    #expect(try ListServicesResponse(serialized: limit.shown(answer.serialized(), as: type.output)) == answer)
  }

  @Test("of a limited answer nothing is left but what is shown")
  func shownFields() throws {
    let type = try #require(GatewayService.methods["CreateTicket"])
    let limit = try #require(Scope.limits["CreateTicket"])
    let ticket = Ticket(
      name: "services/care/tickets/7", title: "?", state: .processing, version: 3, agent: "agents/3",
      customer: TicketCustomer(number: 7, displayName: "Kim", email: "k@e.org"), createTime: Timestamp(seconds: 5))
    let shown = try Ticket(serialized: limit.shown(ticket.serialized(), as: type.output))
    #expect(shown == Ticket(name: "services/care/tickets/7", createTime: Timestamp(seconds: 5)))
  }

  @Test("the documents describe every scope")
  func documents() throws {
    let document = try CoverageTests.document()
    for scope in Scope.allCases { #expect(document.contains("| `\(scope.rawValue)` | \(scope.summary) |"), "\(scope)") }
  }
}
