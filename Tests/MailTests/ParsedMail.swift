import Foundation
import HandoffTestKit

/// A mail as Python's `email` package reads it.
struct ParsedMail: Decodable, Equatable {
  var headers: [[String]]
  var rawHeaders: String
  var parts: [Part]
  var defects: [String]

  struct Part: Decodable, Equatable {
    var type: String
    var charset: String
    var text: String
  }

  init(_ bytes: [UInt8]) throws {
    self = try JSONDecoder().decode(ParsedMail.self, from: TestPython.run(Self.script, input: bytes))
  }

  subscript(header: String) -> String? { headers.first { $0[0].lowercased() == header.lowercased() }?[1] }

  private static let script = """
    import email, email.policy, json, sys
    data = sys.stdin.buffer.read()
    message = email.message_from_bytes(data, policy=email.policy.SMTP)
    defects = [str(d) for part in message.walk() for d in part.defects]
    defects += [str(d) for part in message.walk() for v in part.values() for d in v.defects]
    print(json.dumps({
      "headers": [[k, str(v)] for k, v in message.items()],
      "rawHeaders": data.split(b"\\r\\n\\r\\n", 1)[0].decode("ascii"),
      "parts": [{"type": p.get_content_type(), "charset": p.get_content_charset(), "text": p.get_content()}
                for p in message.walk() if not p.is_multipart()],
      "defects": defects,
    }))
    """
}
