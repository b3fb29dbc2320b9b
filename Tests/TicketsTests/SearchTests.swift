import EventLoop
import HandoffAPI
import HandoffTestKit
import Postgres
import RPC
import RPCProtos
import ServiceKit
import Testing
import TicketLedger

@testable import Tickets

@Suite("search") struct SearchTests {
  private func search(
    _ world: TicketWorld, by agent: AgentID = TicketWorld.kim, _ build: (inout SearchTicketsRequest) -> Void
  ) async throws -> SearchTicketsResponse {
    var request = SearchTicketsRequest(parent: "services/care")
    build(&request)
    return try await world.client.searchTickets(request, world.by(agent))
  }

  @Test("a ticket that was written is found by the next call, by any substring of its texts")
  func words() async throws {
    let world = try await TicketWorld()
    let ticket = try await world.ticket(.init(title: "Ｈａｎｄｏｆｆ 택배가 오지 않아요", text: "주문한 세탁기를 환불해 주세요. 번호 A-1042"))
    let name = world.name(ticket)
    _ = try await world.ticket(.init(title: "다른 문의", text: "안녕하세요"))
    let rows: [(String, Bool, (inout SearchTicketsRequest) -> Void)] = [
      ("title, one syllable", true, { $0.title = "택" }), ("title, inside", true, { $0.title = "배가 오" }),
      ("title, width and case", true, { $0.title = "HANDOFF" }), ("title, initials", true, { $0.title = "ㅌㅂ" }),
      ("not of the title", false, { $0.title = "환불" }), ("text", true, { $0.text = "환불" }),
      ("text, initials", true, { $0.text = "ㅎㅂ" }), ("text, one consonant", true, { $0.text = "ㅅㅌㄱ" }),
      ("text, mixed", true, { $0.text = "ㅎ불해" }), ("text, number", true, { $0.text = "1042" }),
      ("text, not one word", false, { $0.text = "세탁 기" }), ("absent", false, { $0.text = "냉장고" }),
      (
        "name", true,
        {
          $0.customerName = "길동"
          $0.title = "택배"
        }
      ), ("words of an entry", true, { $0.words = "세탁기를 환" }),
      ("words of a title", true, { $0.words = "오지" }), ("two conditions", true, { ($0.title, $0.text) = ("택배", "환불") }),
      ("one of two", false, { ($0.title, $0.text) = ("택배", "냉장") }),
      ("one of two, exact", false, { ($0.title, $0.text) = ("택배가 오", "주문한 세탁소") }),
      ("decomposed", true, { $0.text = "\u{1112}\u{116A}\u{11AB}\u{1107}\u{116E}\u{11AF}" }),
      ("only the name", true, { $0.words = "홍길동" }), ("name, one syllable", true, { $0.customerName = "길" }),
      ("name, initials", true, { $0.customerName = "ㅎㄱㄷ" }), ("not of the name", false, { $0.customerName = "택" }),
    ]
    for (label, isFound, build) in rows {
      let found = try await search(world, build).tickets.map(\.name)
      #expect(found.contains(name) == isFound, "\(label): \(found)")
    }
    _ = try await world.client.processTicket(
      ProcessTicketRequest(name: name, act: .comment, text: "퀵서비스로 보냈습니다"), world.by(TicketWorld.kim))
    #expect(try await search(world) { $0.text = "퀵" }.tickets.map(\.name) == [name])
    _ = try await world.client.updateTicket(
      UpdateTicketRequest(ticket: Ticket(name: name, title: "냉장고 문의"), updateMask: FieldMask(paths: ["title"])),
      world.by(TicketWorld.kim))
    #expect(try await search(world) { $0.title = "냉장고" }.tickets.map(\.name) == [name])
    #expect(try await search(world) { $0.title = "택배" }.tickets.isEmpty)
  }

  @Test("what cannot be looked for is refused with its field, whatever it is")
  func hostile() async throws {
    let world = try await TicketWorld()
    _ = try await world.ticket()
    let refused = ["%", "%%%", "*", "\u{200B}", "' -- \""]
    for text in refused {
      let error = await refusal { try await search(world) { $0.title = text } }
      #expect(error?.violations == [FieldViolation("title", "must hold a letter or a digit")], "\(text)")
    }
    let long = await refusal { try await search(world) { $0.text = String(repeating: "가", count: 3_500) } }
    #expect(long?.violations.map(\.field) == ["text"])
    let control = await refusal { try await search(world) { $0.words = "a\u{1}b" } }
    #expect(control?.violations.map(\.field) == ["words"])
    let answered = [
      "'a' & !b:*", "ㅎㅏㄴ", "ㅏ", "가\u{200D}나", "')) | ('x", "ㅄ", "T1.0가", String(repeating: "가", count: 100),
    ]
    for text in answered {
      let page = try await search(world) { $0.text = text }
      #expect(page.tickets.isEmpty, "\(text)")
    }
    let wrong = await refusal {
      try await search(world) {
        ($0.menu, $0.priorities, $0.groups, $0.agents) = (.init(rawValue: 99), [.init(rawValue: 77)], ["x"], ["y"])
        ($0.email, $0.phone, $0.customerNumber, $0.pageSize) = ("ab*", "12", -1, -1)
        ($0.anyTime, $0.receivedFrom) = (true, Timestamp(seconds: 1_700_000_000))
      }
    }
    #expect(
      wrong?.violations.map(\.field) == [
        "menu", "any_time", "email", "phone", "priorities[0]", "groups[0]", "agents[0]", "customer_number", "page_size",
      ])
    let ofIssues = await refusal {
      try await search(world) { ($0.parent, $0.languages, $0.customerNumber) = ("services/bugs", ["ko"], 3) }
    }
    #expect(ofIssues?.violations.map(\.field) == ["customer_number", "languages"])
  }

  @Test("nobody finds what belongs to another service, and spam is found in its box alone")
  func reach() async throws {
    let world = try await TicketWorld()
    let ours = try await world.ticket(.init(text: "비밀번호를 잊었어요"))
    _ = try await world.ticket(.init(service: "bugs", group: nil, text: "비밀번호 오류"))
    let spam = try await world.ticket(.init(text: "비밀번호 광고", isSpam: true))
    #expect(try await search(world) { $0.text = "비밀번호" }.tickets.map(\.name) == [world.name(ours)])
    let box = try await search(world) { ($0.text, $0.menu) = ("비밀번호", .spam) }
    #expect(box.tickets.map(\.name) == [world.name(spam)])
    let strange = await refusal { try await search(world, by: TicketWorld.stranger) { $0.text = "비밀번호" } }
    #expect(strange?.reason == .serviceNotFound)
    let guest = await refusal { try await search(world, by: TicketWorld.guest) { $0.text = "비밀번호" } }
    #expect(guest?.reason == .permissionDenied)
    let group = await refusal { try await search(world) { $0.groups = ["services/other/groups/3"] } }
    #expect(group?.reason == .groupNotFound)
    let type = await refusal { try await search(world) { $0.submissionTypes = ["services/care/submissionTypes/9"] } }
    #expect(type?.reason == .typeNotFound)
  }

  @Test("every other condition narrows a search, alone and with words")
  func conditions() async throws {
    let world = try await TicketWorld()
    try await world.run(
      """
      INSERT INTO customer (organization_id, id, display_name, email, phone) VALUES (1, 77, '홍길동', NULL, '01012345678')
      """)
    let match = try await world.ticket(.init(state: .pending, group: GroupID(2), email: "found@example.com"))
    let other = try await world.ticket(.init(state: .processing, agent: TicketWorld.lee, group: GroupID(1)))
    try await world.run(
      """
      UPDATE ticket SET priority = 'HIGH', channel = 'PHONE', language = 'en', customer_id = 77,
        customer_phone = '01012345678', submission_type_id = 2, processing_type_id = 2
      WHERE id = \(match.id)
      """)
    let name = world.name(match)
    let kim = AgentName(id: TicketWorld.kim).description
    let now = match.createTime.microsecondsSinceEpoch / 1_000_000
    let rows: [(String, (inout SearchTicketsRequest) -> Void)] = [
      ("priority", { $0.priorities = [.high, .urgent] }), ("state", { $0.states = [.pending] }),
      ("channel", { $0.channels = [.phone] }), ("language", { $0.languages = ["en"] }),
      ("group", { $0.groups = ["services/care/groups/2"] }), ("agent", { $0.agents = [kim] }),
      ("agent and state", { ($0.agents, $0.states) = ([kim], [.pending]) }), ("menu", { $0.menu = .myPending }),
      ("type above", { $0.submissionTypes = ["services/care/submissionTypes/1"] }),
      ("processing type", { $0.processingTypes = ["services/care/processingTypes/1"] }),
      ("customer", { $0.customerNumber = 77 }), ("email", { $0.email = "Found@Example.com" }),
      ("beginning of the email", { $0.email = "found*" }), ("phone", { $0.phone = "010-1234-5678" }),
      ("beginning of the phone", { $0.phone = "010-1*" }), ("id", { $0.ticketId = match.id.rawValue }),
      ("id and period", { ($0.ticketId, $0.anyTime) = (match.id.rawValue, true) }),
      (
        "period",
        { request in
          request.receivedFrom = Timestamp(seconds: now - 3_600)
          request.receivedBefore = Timestamp(seconds: now + 3_600)
          request.states = [.pending]
        }
      ),
    ]
    for (label, build) in rows {
      let found = try await search(world, build).tickets.map(\.name)
      #expect(found == [name], "\(label)")
      let worded = try await search(world) {
        build(&$0)
        $0.words = "택배가 오"
      }
      #expect(worded.tickets.map(\.name) == [name], "\(label) with words")
      let absent = try await search(world) {
        build(&$0)
        $0.title = "냉장고"
      }
      #expect(absent.tickets.isEmpty, "\(label) with absent words")
    }
    let all = try await search(world) { _ in }.tickets.map(\.name)
    #expect(all == [world.name(other), name])
    for build: (inout SearchTicketsRequest) -> Void in [
      { $0.receivedBefore = Timestamp(seconds: now - 3_600) }, { $0.starred = true },
      { ($0.receivedBefore, $0.words) = (Timestamp(seconds: now - 3_600), "택배") },
    ] {
      #expect(try await search(world, build).tickets.isEmpty)
    }
    _ = try await world.client.starTicket(StarTicketRequest(name: name), world.by(TicketWorld.kim))
    #expect(try await search(world) { ($0.starred, $0.words) = (true, "택배") }.tickets.map(\.name) == [name])
    #expect(try await search(world) { $0.starred = true }.tickets.first?.starred == true)
  }

  @Test("a group, agent or type that is named twice finds each ticket once")
  func namedTwice() async throws {
    let world = try await TicketWorld()
    let names = [
      world.name(try await world.ticket(.init(group: GroupID(2)))),
      world.name(try await world.ticket(.init(agent: TicketWorld.lee))),
    ]
    try await world.run("UPDATE ticket SET submission_type_id = 2, processing_type_id = 2")
    let newest = Array(names.reversed())
    let groups = ["services/care/groups/1", "services/care/groups/2", "services/care/groups/1"]
    let agents = ["agents/1", "agents/2", "agents/2"]
    let rows: [(String, (inout SearchTicketsRequest) -> Void)] = [
      ("groups", { $0.groups = groups }), ("agents", { $0.agents = agents }),
      ("both", { ($0.groups, $0.agents) = (groups, agents) }),
      ("types", { $0.submissionTypes = Array(repeating: "services/care/submissionTypes/1", count: 2) }),
      ("processing types", { $0.processingTypes = Array(repeating: "services/care/processingTypes/2", count: 2) }),
    ]
    for (label, build) in rows {
      #expect(try await search(world, build).tickets.map(\.name) == newest, "\(label)")
      let worded = try await search(world) {
        build(&$0)
        $0.words = "택배"
      }
      #expect(worded.tickets.map(\.name) == newest, "\(label) with words")
    }
    let page = try await search(world) { ($0.groups, $0.pageSize) = (groups, 1) }
    #expect(page.tickets.map(\.name) == [names[1]])
    let next = try await search(world) {
      ($0.groups, $0.pageSize, $0.pageToken) = (groups, 1, page.nextPageToken)
    }
    #expect(next.tickets.map(\.name) == [names[0]] && next.nextPageToken.isEmpty)
  }

  @Test("a group or agent that is not there is refused, and an agent who left the service is still asked for")
  func unknownNames() async throws {
    let world = try await TicketWorld()
    try await world.run("INSERT INTO organization (id, code, display_name) VALUES (2, 'rival', 'Rival')")
    try await world.run(
      "INSERT INTO agent (id, organization_id, email, display_name) VALUES (50, 2, 'x@example.com', 'X')")
    let rows: [(String, (inout SearchTicketsRequest) -> Void, Reason)] = [
      ("no group", { $0.groups = ["services/care/groups/1", "services/care/groups/99999"] }, .groupNotFound),
      ("another service's", { $0.groups = ["services/care/groups/3"] }, .groupNotFound),
      ("no agent", { $0.agents = ["agents/1", "agents/99999"] }, .agentNotFound),
      ("another organization's", { $0.agents = ["agents/50"] }, .agentNotFound),
      ("in a menu without any", { ($0.menu, $0.agents) = (.myGroups, ["agents/99999"]) }, .agentNotFound),
      ("type in a menu without any", { ($0.menu, $0.processingTypes) = (.myGroups, Self.noType) }, .typeNotFound),
    ]
    for (label, build, reason) in rows {
      for agent in [TicketWorld.kim, TicketWorld.boss] {
        #expect(await refusal { try await search(world, by: agent, build) }?.reason == reason, "\(label)")
      }
    }
    let ticket = world.name(try await world.ticket(.init(agent: TicketWorld.lee, group: nil)))
    try await world.run("DELETE FROM group_member WHERE agent_id = 2")
    try await world.run("DELETE FROM service_member WHERE agent_id = 2")
    #expect(try await search(world) { $0.agents = ["agents/2"] }.tickets.map(\.name) == [ticket])
    // Active in the organization or not, and a member of other services alone.
    #expect(try await search(world) { $0.agents = ["agents/4", "agents/7"] }.tickets.isEmpty)
  }

  private static let noType = ["services/care/processingTypes/99999"]

  @Test("a search goes back six months unless it says otherwise")
  func period() async throws {
    let world = try await TicketWorld()
    let service = try await world.service("care")
    var names: [String] = []
    for days in [1, 100, 400, 800] {
      var draft = TicketDraft(
        service: service, state: .unassigned, title: "예전 문의", channel: .email, by: .service("mail"))
      draft.time = try await world.rows("SELECT now() - \(Int64(days)) * interval '1 day'")[0].instant(0)
      names.append(world.name(try await world.ledger.create(draft, deadline: TestDatabase.deadline).ticket))
    }
    #expect(try await search(world) { $0.title = "예전" }.tickets.map(\.name) == Array(names.prefix(2)))
    #expect(try await search(world) { _ in }.tickets.map(\.name).sorted() == names.prefix(2).sorted())
    #expect(try await search(world) { ($0.title, $0.anyTime) = ("예전", true) }.tickets.map(\.name) == names)
    let old = try await world.rows("SELECT extract(epoch FROM now() - interval '500 days')::bigint")[0].int64(0)
    let page = try await search(world) { ($0.title, $0.receivedBefore) = ("예전", Timestamp(seconds: old)) }
    #expect(page.tickets.map(\.name) == [names[3]])
  }

  @Test("pages of a search follow one another without gap or repetition, and tokens are good for it alone")
  func pages() async throws {
    let world = try await TicketWorld()
    var made: [String] = []
    for index in 0..<7 {
      made.insert(world.name(try await world.ticket(.init(title: "문의 \(index)", text: "세탁기 세탁소"))), at: 0)
      if index % 2 == 0 { _ = try await world.ticket(.init(title: "세탁 기계", text: "없음")) }
    }
    for build: (inout SearchTicketsRequest) -> Void in [
      { $0.text = "세탁" }, { $0.text = "세탁기 세" }, { $0.words = "ㅅㅌㅅ" }, { ($0.title, $0.text) = ("문의", "세탁") },
    ] {
      var seen: [String] = []
      var token = ""
      repeat {
        let page = try await search(world) {
          build(&$0)
          ($0.pageSize, $0.pageToken) = (3, token)
        }
        #expect(page.tickets.count <= 3)
        seen += page.tickets.map(\.name)
        token = page.nextPageToken
      } while !token.isEmpty && seen.count < 20
      #expect(seen == made)
    }
    let token = try await search(world) { ($0.text, $0.pageSize) = ("세탁", 1) }.nextPageToken
    #expect(!token.isEmpty)
    let strange: [(inout SearchTicketsRequest) -> Void] = [
      { ($0.text, $0.pageToken) = ("세탁기", token) }, { ($0.title, $0.pageToken) = ("세탁", token) },
      { ($0.text, $0.pageToken, $0.states) = ("세탁", token, [.pending]) }, { $0.pageToken = "nonsense" },
    ]
    for build in strange {
      #expect(await refusal { try await search(world, build) }?.reason == .pageTokenInvalid)
    }
    let others = await refusal {
      try await search(world, by: TicketWorld.lee) { ($0.text, $0.pageToken) = ("세탁", token) }
    }
    #expect(others?.reason == .pageTokenInvalid)
  }
}
