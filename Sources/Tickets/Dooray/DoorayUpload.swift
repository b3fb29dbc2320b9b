import Crypto

/// A file as the form that Dooray! takes (RFC 7578).
struct DoorayUpload: Sendable {
  /// The header line that goes with the body.
  let contentType: String
  let body: [UInt8]

  /// Makes the form of a file.
  ///
  /// - Parameter type: its media type.
  init(fileName: String, type: String, content: [UInt8]) {
    let boundary = "handoff-\(Hex.encode(SecureRandom.bytes(16)))"
    contentType = "content-type: multipart/form-data; boundary=\(boundary)"
    let head =
      "--\(boundary)\r\ncontent-disposition: form-data; name=\"file\"; filename=\"\(Self.escaped(fileName))\"\r\n"
      + "content-type: \(type)\r\n\r\n"
    body = Array(head.utf8) + content + Array("\r\n--\(boundary)--\r\n".utf8)
  }

  /// A file's name as browsers write it: what would end the header or its value is escaped.
  static func escaped(_ fileName: String) -> String {
    fileName.unicodeScalars.map { scalar in
      switch scalar {
      case "\"": "%22"
      case "\r": "%0D"
      case "\n": "%0A"
      default: String(scalar)
      }
    }.joined()
  }
}
