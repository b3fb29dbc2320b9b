import EventLoop
import Glibc
import HandoffAPI
import MessageJSON
import Protobuf
import RPC
import RPCProtos
import ServiceKit

/// Reading and changing single tickets.
extension Client {
  private static let pageSizeMax: Int32 = 200

  func me() async throws {
    let me = try await connection.sessions.getMe(GetMeRequest(), connection.options())
    if arguments.isJSON { return try print(json: me) }
    print([
      ("name", me.name), ("who", me.displayName), ("email", me.email), ("cluster", session.url),
      ("organization", me.organizationAdministrator ? "administrator" : ""),
    ])
    print(
      ["SERVICE", "ROLE", "RIGHTS", "GROUPS"],
      me.memberships.map { member in
        let rights = [
          (member.ticketRight, "tickets"), (member.forwardRight, "forward"), (member.unmaskRight, "unmask"),
          (member.assignable, "assignable"),
        ].filter(\.0).map(\.1)
        return [
          Self.last(member.service), member.role.protoName?.lowercased() ?? "", rights.joined(separator: " "),
          member.groups.map(Self.last).joined(separator: " "),
        ]
      })
  }

  func services() async throws {
    let answer = try await connection.api.listServices(
      ListServicesRequest(pageSize: Self.pageSizeMax), connection.options())
    if arguments.isJSON { return try print(json: answer) }
    print(
      ["CODE", "KIND", "NAME"],
      answer.services.map { [Self.last($0.name), $0.kind.description.lowercased(), $0.displayName] })
  }

  func list() async throws {
    var left = Int(try arguments.number(.limit, 1...100_000) ?? 50)
    var request = ListTicketsRequest(
      parent: service, menu: try value(.menu) ?? .unspecified, state: try value(.state) ?? .unspecified)
    var tickets: [Ticket] = []
    repeat {
      request.pageSize = Int32(min(left, Int(Self.pageSizeMax)))
      let page = try await connection.api.listTickets(request, connection.options())
      tickets += page.tickets
      left -= page.tickets.count
      request.pageToken = page.nextPageToken
    } while left > 0 && !request.pageToken.isEmpty
    if arguments.isJSON {
      for ticket in tickets { try print(json: ticket) }
      return
    }
    print(
      ["NUMBER", "STATE", "PRIORITY", "RECEIVED", "HELD BY", "TITLE"],
      tickets.map { ticket in
        [
          Self.last(ticket.name), ticket.state.description.lowercased(), ticket.priority.description.lowercased(),
          Self.time(ticket.createTime), ticket.agent.isEmpty ? "-" : Self.last(ticket.agent), ticket.title,
        ]
      })
  }

  func get() async throws {
    let name = try ticket(arguments.words[0])
    let ticket = try await connection.api.getTicket(GetTicketRequest(name: name), connection.options())
    if arguments.isJSON { return try print(json: ticket) }
    show(ticket)
    var request = ListEntriesRequest(parent: name, pageSize: Self.pageSizeMax)
    repeat {
      let page = try await connection.api.listEntries(request, connection.options())
      for entry in page.entries {
        let who = entry.author?.displayName ?? ""
        console.line("\n\(Self.time(entry.createTime))  \(entry.kind.description.lowercased())  \(who)")
        for line in entry.text.split(separator: "\n", omittingEmptySubsequences: false) {
          console.line("  " + Self.plain(line))
        }
      }
      request.pageToken = page.nextPageToken
    } while !request.pageToken.isEmpty
  }

  func create() async throws {
    guard let title = arguments[.title] else {
      throw OperatorError.usage("--title is missing", advice: "For example: --title \"Where is my parcel?\"")
    }
    guard let text = try text() else {
      throw OperatorError.usage("--text is missing", advice: "Say it with --text, or on standard input.")
    }
    let type: String
    if let number = try arguments.number(.type, 1 ... .max) {
      type = "\(service)/submissionTypes/\(number)"
    } else {
      let types = try await connection.api.listSubmissionTypes(
        ListSubmissionTypesRequest(parent: service), connection.options()
      ).submissionTypes
      type = types.first?.name ?? ""
    }
    let (name, email, phone) = (arguments[.customer], arguments[.customerEmail], arguments[.customerPhone])
    let code = arguments[.customerCode]
    let customer =
      name == nil && email == nil && phone == nil && code == nil
      ? nil : TicketCustomer(displayName: name ?? "", email: email ?? "", phone: phone ?? "", userCode: code ?? "")
    let request = CreateTicketRequest(
      parent: service, title: title, text: text, customer: customer, channel: try value(.channel) ?? .unspecified,
      priority: try value(.priority) ?? .unspecified, submissionType: type,
      agent: try arguments.number(.agent, 1 ... .max).map { "agents/\($0)" } ?? "", requestId: Self.requestID())
    let made = try await connection.api.createTicket(request, connection.options())
    if arguments.isJSON { try print(json: made) } else { console.line(made.name) }
  }

  func keep() async throws {
    let name = try ticket(arguments.words[0])
    let request = KeepTicketRequest(name: name, group: try group(for: name) ?? "", requestId: Self.requestID())
    let kept = try await connection.api.keepTicket(request, connection.options())
    if arguments.isJSON { try print(json: kept) } else { show(kept) }
  }

  func forward() async throws {
    let name = try ticket(arguments.words[0])
    guard let group = try group(for: name), let agent = try arguments.number(.agent, 1 ... .max) else {
      throw OperatorError.usage(
        "--group and --agent say who is to have the ticket",
        advice: "Both are numbers; see: handoff forward --help")
    }
    let request = ForwardTicketRequest(
      name: name, group: group, agent: "agents/\(agent)", version: try arguments.number(.version, 0 ... .max) ?? 0,
      requestId: Self.requestID())
    let forwarded = try await connection.api.forwardTicket(request, connection.options())
    if arguments.isJSON { try print(json: forwarded) } else { show(forwarded) }
  }

  func process() async throws {
    guard let act: ProcessTicketRequest.Act = try value(.act) else {
      throw OperatorError.usage("--act is missing", advice: "It takes: \(ClientOption.act.summary).")
    }
    let request = ProcessTicketRequest(
      name: try ticket(arguments.words[0]), act: act, text: try text() ?? "",
      internalReason: try value(.reason) ?? .unspecified, version: try arguments.number(.version, 0 ... .max) ?? 0,
      requestId: Self.requestID())
    let processed = try await connection.api.processTicket(request, connection.options())
    if arguments.isJSON { try print(json: processed) } else { show(processed) }
  }

  /// What changes, a line each, until the person at the terminal has enough.
  func watch() async throws {
    var request = WatchTicketsRequest(
      parent: service, ticket: try arguments.words.first.map { word throws(OperatorError) in try ticket(word) } ?? "")
    if !request.ticket.isEmpty { request.parent = Self.service(of: request.ticket) }
    while true {
      do {
        for try await piece in try await connection.api.watchTickets(request, connection.options(limit: nil)) {
          switch piece.update {
          case .heartbeat(let heartbeat): request.resumeAfter = heartbeat.id
          case .change(let change):
            request.resumeAfter = change.id
            try show(change)
          default: break
          }
        }
      } catch let error as RPCError {
        // A server that ends is to be resumed elsewhere; what the stream has brought says from where.
        guard [.backendUnavailable, .readerTooSlow].contains(ServiceError(error).reason), !request.resumeAfter.isEmpty
        else { throw error }
        try await EventLoop.current?.sleep(for: .seconds(1))
      }
    }
  }

  private func show(_ change: LiveChange) throws {
    if arguments.isJSON { return try print(json: change) }
    let codes = change.events.map { $0.code.lowercased() }.joined(separator: ", ")
    let state = change.ticket?.state.description.lowercased() ?? "deleted"
    console.line(
      "\(Self.time(change.events.last?.createTime))  \(Self.last(change.name))  \(state)  \(codes)  "
        + Self.plain(change.ticket?.title ?? ""))
  }

  private func show(_ ticket: Ticket) {
    print([
      ("name", ticket.name), ("title", Self.plain(ticket.title)), ("state", ticket.state.description.lowercased()),
      ("priority", ticket.priority.description.lowercased()), ("held by", ticket.agent), ("group", ticket.group),
      ("customer", Self.plain(ticket.customer?.displayName ?? "")), ("email", ticket.customer?.email ?? ""),
      ("user code", Self.plain(ticket.customer?.userCode ?? "")),
      ("received", Self.time(ticket.createTime)), ("changed", Self.time(ticket.updateTime)),
      ("version", String(ticket.version)),
    ])
  }

  /// The group that `--group` names in the service of a ticket; nil when it is left out.
  private func group(for ticket: String) throws(OperatorError) -> String? {
    try arguments.number(.group, 1 ... .max).map { "\(Self.service(of: ticket))/groups/\($0)" }
  }

  /// The service that a ticket's resource name begins with.
  private static func service(of ticket: String) -> String {
    ticket.split(separator: "/").prefix(2).joined(separator: "/")
  }

  /// The id at the end of a resource name.
  static func last(_ name: String) -> String { String(name.split(separator: "/").last ?? "") }

  /// A moment as RFC 3339 has it, to the second.
  static func time(_ time: Timestamp?) -> String {
    guard let time, let message = try? DynamicMessage(Timestamp(seconds: time.seconds), in: Arena()) else { return "-" }
    return String(decoding: MessageWriter.json(message).dropFirst().dropLast(), as: UTF8.self)
  }

  /// A customer's words without what would move a terminal's cursor.
  static func plain(_ text: some StringProtocol) -> String {
    String(
      String.UnicodeScalarView(
        text.unicodeScalars.map { $0.value < 0x20 && $0 != "\t" || (0x7F...0x9F).contains($0.value) ? "\u{FFFD}" : $0 })
    )
  }
}
