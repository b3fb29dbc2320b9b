import EventLoop
import Outbound

/// Where the demo reads the mails that the cluster has sent.
enum DemoMails: Sendable, CustomStringConvertible {
  /// A directory with one `.eml` file each.
  case directory(String)
  /// The web inbox of `scripts/inbox`, a URL without a path.
  case inbox(String)

  /// A URL is that of an inbox, anything else a directory.
  init(_ place: String) { self = place.hasPrefix("http://") ? .inbox(place) : .directory(place) }

  var description: String {
    switch self {
    case .directory(let path): path
    case .inbox(let url): url
    }
  }

  /// The text of the mail with this Message-ID; nil while it is not there.
  func mail(_ messageID: String, _ http: HTTPClient) async throws -> String? {
    switch self {
    case .directory(let path): return try MailScan.mail(messageID, in: path)
    case .inbox(let url):
      let request = HTTPRequest("GET", "\(url)/mails?message-id=\(messageID)")
      let reply = try await http.send(request, deadline: .after(.seconds(10)))
      return reply.status == 200 ? String(decoding: reply.body, as: UTF8.self) : nil
    }
  }
}
