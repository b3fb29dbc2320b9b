import EventLoop
import Foundation
import HandoffTestKit
import Testing
import TicketLedger

@testable import Mail

/// How mail programs write replies, times what gets lost on the way: where each reply ends up.
@Suite("replies of all kinds of mail programs")
struct ThreadingMatrixTests {
  /// How a program writes a reply to a mail of ours.
  struct Client: Sendable {
    let name: String
    /// Puts its prefix before the subject.
    let subject: String
    /// The fields by which it refers to the mails before: the customer's first one, then ours.
    let fields: [Field]
    var extra: [String] = []
    var body = "아직 안 왔어요.\r\n\r\n> 곧 도착합니다."
  }

  enum Field: Sendable, Equatable {
    /// `In-Reply-To` with our Message-ID.
    case inReplyTo
    /// `References` with all, one a line.
    case referencesFolded
    /// `References` with all in one line.
    case references
    /// `References` with ours alone.
    case referencesLast
    /// `In-Reply-To` with words around the Message-ID, as old programs wrote it.
    case inReplyToWithWords

    var isReferences: Bool { self == .references || self == .referencesFolded || self == .referencesLast }

    func text(_ first: String, _ ours: String) -> String {
      switch self {
      case .inReplyTo: "In-Reply-To: <\(ours)>"
      case .inReplyToWithWords: "In-Reply-To: Your message of \"Thu, 1 Jan 2026\" <\(ours)>"
      case .references: "References: <\(first)> <\(ours)>"
      case .referencesFolded: "References: <\(first)>\r\n <\(ours)>"
      case .referencesLast: "References: <\(ours)>"
      }
    }
  }

  static let clients: [Client] = [
    Client(name: "Gmail", subject: "Re: ", fields: [.references, .inReplyTo]),
    Client(name: "Gmail on a phone", subject: "Re: ", fields: [.inReplyTo, .references]),
    Client(
      name: "Outlook, desktop", subject: "RE: ", fields: [.referencesFolded, .inReplyTo],
      extra: ["Thread-Topic: 배송 문의", "Thread-Index: AQHbXyz0"],
      body: "아직요.\r\n\r\n-----Original Message-----\r\nFrom: Care\r\nSubject: x\r\n\r\n곧 도착합니다."),
    Client(
      name: "Outlook on the web", subject: "Re: ", fields: [.referencesFolded, .inReplyTo],
      extra: ["Thread-Index: AQHbXyz0", "X-MS-Has-Attach:"]),
    Client(name: "Outlook, German", subject: "AW: ", fields: [.referencesFolded, .inReplyTo]),
    Client(name: "Outlook, Swedish", subject: "SV: ", fields: [.referencesFolded, .inReplyTo]),
    Client(name: "Outlook, Korean", subject: "회신: ", fields: [.referencesFolded, .inReplyTo]),
    Client(name: "Apple Mail", subject: "Re: ", fields: [.inReplyTo, .references]),
    Client(name: "iPhone", subject: "Re: ", fields: [.references, .inReplyTo], extra: ["X-Mailer: iPhone Mail (22A)"]),
    Client(
      name: "Thunderbird", subject: "Re: ", fields: [.references, .inReplyTo],
      extra: ["User-Agent: Mozilla Thunderbird"]),
    Client(name: "Naver", subject: "RE: ", fields: [.inReplyTo, .references], extra: ["X-Mailer: NaverMail"]),
    Client(name: "Daum", subject: "답장: ", fields: [.referencesLast]),
    Client(name: "a phone that keeps In-Reply-To alone", subject: "Re: ", fields: [.inReplyTo]),
    Client(name: "a phone that keeps nothing", subject: "RE: ", fields: []),
    Client(name: "an old program", subject: "Re: Re: ", fields: [.inReplyToWithWords]),
    Client(
      name: "forwarded to us by the customer", subject: "Fwd: ", fields: [.references],
      body: "보세요.\r\n\r\n---------- Forwarded message ---------\r\nFrom: Care\r\n\r\n곧 도착합니다."),
    Client(name: "forwarded, Korean, without references", subject: "전달: ", fields: []),
  ]

  /// What gets lost between the program and us.
  enum Loss: String, CaseIterable {
    case nothing = "nothing"
    /// A gateway takes `+…` off, or the reply goes to the sender's own address.
    case address = "the signed address"
    case references = "References"
    case inReplyTo = "In-Reply-To"
    case bothFields = "both fields"
    case allMarks = "all but [#n]"
    case everything = "everything"
  }

  private func letter(
    _ client: Client, _ loss: Loss, from: String, first: String, ours: String, address: String, ticket: TicketID
  ) -> InboundWorld.Letter {
    let fields = client.fields.filter { field in
      switch loss {
      case .nothing, .address: true
      case .references: !field.isReferences
      case .inReplyTo: field.isReferences
      case .bothFields, .allMarks, .everything: false
      }
    }
    let keepsAddress = [.nothing, .references, .inReplyTo, .bothFields].contains(loss)
    let tag = loss == .everything ? "" : "[#\(ticket)] "
    var letter = InboundWorld.Letter(from: from, subject: "\(client.subject)\(tag)배송 문의", body: client.body)
    letter.to = keepsAddress ? address : "care@shop.example"
    letter.headers = fields.map { $0.text(first, ours) } + client.extra
    return letter
  }

  @Test("a reply finds its ticket as long as one mark is left, by one who takes part; a stranger needs a signed one")
  func matrix() async throws {
    let world = try await InboundWorld()
    let care = try #require(MailAddress("care@shop.example"))
    var lines = [
      "From the customer / from somebody else:", "",
      "| lost: | " + Loss.allCases.map(\.rawValue).joined(separator: " | ") + " |",
      "|---|" + String(repeating: "---|", count: Loss.allCases.count),
    ]
    for (row, client) in Self.clients.enumerated() {
      var cells: [String] = []
      for (column, loss) in Loss.allCases.enumerated() {
        var outcomes: [String] = []
        for isCustomer in [true, false] {
          let customer = "c\(row)x\(column)x\(isCustomer)@example.com"
          let first = InboundWorld.Letter(from: customer)
          let ticket = try #require(try await world.take(first).ticketID)
          let link = TicketLink(serviceID: ServiceID(1), ticketID: ticket)
          let ours = world.tokens.messageID(for: link, nonce: "00\(row)\(column)", domain: care.domain)
          let address = world.tokens.replyAddress(care, for: link).address
          let sender = isCustomer ? customer : "s\(row)x\(column)@else.example"
          let reply = letter(
            client, loss, from: sender, first: first.id, ours: ours, address: address, ticket: ticket)
          let taken = try await world.take(reply)
          let isSigned = reply.to == address || reply.headers.contains { $0.contains(ours) }
          let isNumbered = reply.subject?.contains("[#") ?? false
          let wanted: InboundState = isSigned ? .reply : isNumbered ? (isCustomer ? .reply : .quarantined) : .ticket
          let place = "\(client.name), \(loss.rawValue) lost, \(sender)"
          #expect(taken.state == wanted, "\(place)")
          #expect((taken.ticketID == ticket) == (wanted != .ticket), "\(place)")
          #expect(try await world.texts(ticket).count == (wanted == .reply ? 2 : 1), "\(place)")
          outcomes.append(taken.state == .ticket ? "new" : taken.state.rawValue.lowercased())
        }
        cells.append(outcomes.joined(separator: " / "))
      }
      lines.append("| \(client.name) | " + cells.joined(separator: " | ") + " |")
    }
    let text = lines.joined(separator: "\n") + "\n"
    print(text)
    let file = MailTableTests.snapshot.deletingLastPathComponent().appending(path: "threading_matrix.md")
    if ProcessInfo.processInfo.environment["HANDOFF_UPDATE_SNAPSHOTS"] == "1" { try Data(text.utf8).write(to: file) }
    #expect(try String(contentsOf: file, encoding: .utf8) == text, "see what changed, then HANDOFF_UPDATE_SNAPSHOTS=1")
  }
}
