import Gateway
import Testing

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
    for method in ["UpdateService", "CreateField", "DeleteTrigger", "CreateAgent", "UpdateMember", "SetPassword"] {
      #expect(acts.contains(method), "\(method)")
    }
    for method in [
      "GetService", "ListAgents", "ProcessTicket", "SimulateTriggers", "CreateBatch", "SignIn", "ResendMailMessage",
    ] {
      #expect(!acts.contains(method), "\(method)")
    }
  }

  @Test("the documents describe every scope")
  func documents() throws {
    let document = try CoverageTests.document()
    for scope in Scope.allCases { #expect(document.contains("| `\(scope.rawValue)` | \(scope.summary) |"), "\(scope)") }
  }
}
