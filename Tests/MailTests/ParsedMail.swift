import Foundation
import HandoffTestKit

/// A mail as Python's `email` package reads it.
struct ParsedMail: Decodable, Equatable {
  var headers: [[String]]
  var rawHeaders: String
  var parts: [Part]
  var files: [File]
  var defects: [String]

  struct Part: Decodable, Equatable {
    var type: String
    var charset: String
    var text: String
  }

  /// A part that is a file.
  struct File: Decodable, Equatable {
    var name: String
    var type: String
    var content: Data
    /// The fields of its header, as they stand.
    var header: String
  }

  init(_ bytes: [UInt8]) throws {
    self = try JSONDecoder().decode(ParsedMail.self, from: TestPython.run(Self.script, input: bytes))
  }

  subscript(header: String) -> String? { headers.first { $0[0].lowercased() == header.lowercased() }?[1] }

  private static let script = """
    import base64, email, email.policy, json, sys
    data = sys.stdin.buffer.read()
    message = email.message_from_bytes(data, policy=email.policy.SMTP)
    defects = [d for part in message.walk() for d in part.defects]
    defects += [d for part in message.walk() for v in part.values() for d in v.defects]
    print(json.dumps({
      "headers": [[k, str(v)] for k, v in message.items()],
      "rawHeaders": data.split(b"\\r\\n\\r\\n", 1)[0].decode("ascii"),
      "parts": [{"type": p.get_content_type(), "charset": p.get_content_charset(), "text": p.get_content()}
                for p in message.walk() if not p.is_multipart() and not p.is_attachment()],
      "files": [{"name": p.get_filename(), "type": p.get_content_type(),
                 "content": base64.b64encode(p.get_payload(decode=True)).decode(),
                 "header": p.as_bytes().split(b"\\r\\n\\r\\n", 1)[0].decode("ascii")}
                for p in message.walk() if p.is_attachment()],
      "defects": [f"{type(d).__name__} {d}".strip() for d in defects],
    }))
    """
}
