import HandoffAPI
import Protobuf
import RPC
import ServiceKit

extension HTTPGateway {
  /// Largest body of a request, which is a file.
  package static let bodyBytesMax = 10 << 20
  /// Largest body of any other request.
  static let jsonBytesMax = 1 << 20

  /// Takes the body as a file or a mail. A file's name is in the query, its type is found by its content; a mail needs
  /// neither.
  ///
  /// - Returns: the serialized resource that was made.
  func upload(
    _ route: Route, _ request: HTTPRequest, parent: String, query: Substring, _ call: CallContext
  ) async throws -> [UInt8] {
    guard let pairs = QueryString.pairs(query) else {
      throw ServiceError.invalid("query", "cannot be read; check its percent escapes")
    }
    let kind: GatewayService.UploadKind
    if route.method == "IngestMessage" {
      guard pairs.isEmpty else { throw ServiceError.invalid("query", "must be empty; the mail is the body") }
      kind = .mail(IngestMessageRequest.Header(parent: parent))
    } else {
      guard pairs.count == 1, pairs[0].name == "fileName" || pairs[0].name == "file_name" else {
        throw ServiceError.invalid("query", "must be fileName and nothing else; the file is the body")
      }
      kind = .file(UploadHeader(parent: parent, fileName: pairs[0].value))
    }
    return try await service.upload(
      route, kind, request.body, authorization: request.header("authorization"), call)
  }

  /// Sends a file. It is always to be saved, never to be shown: whatever it is, it runs in nobody's browser.
  func download(
    _ route: Route, _ request: HTTPRequest, name: String, _ writer: HTTPResponseWriter, _ call: CallContext
  ) async throws {
    let message = try DownloadAttachmentRequest(name: name).serialized()
    try await service.download(
      route, message, authorization: request.header("authorization"), call
    ) { bytes in
      switch try DownloadAttachmentResponse(serialized: bytes).part {
      case .attachment(let attachment):
        await writer.begin(
          status: 200,
          headers: [
            ("content-type", attachment.contentType), ("content-length", String(attachment.sizeBytes)),
            ("content-disposition", Self.disposition(attachment.fileName)), ("x-content-type-options", "nosniff"),
            ("cache-control", "private, no-store"), ("x-request-id", call.requestID),
          ])
      case .chunk(let bytes): try await writer.write(bytes)
      default: break
      }
    }
  }

  /// `attachment` with the file's name, by RFC 6266: in ASCII for old clients, and as it is.
  static func disposition(_ fileName: String) -> String {
    let plain = String(
      fileName.unicodeScalars.map { scalar in
        scalar.isASCII && scalar.value >= 0x20 && scalar != "\"" && scalar != "\\" && scalar != "%"
          ? Character(scalar) : "_"
      })
    let digits = Array("0123456789ABCDEF")
    let escaped = fileName.utf8.map { byte -> String in
      let isPlain =
        (0x30...0x39).contains(byte) || (0x41...0x5A).contains(byte) || (0x61...0x7A).contains(byte)
        || [0x2D, 0x2E, 0x5F, 0x7E].contains(byte)
      return isPlain
        ? String(UnicodeScalar(byte)) : "%\(digits[Int(byte >> 4)])\(digits[Int(byte & 15)])"
    }.joined()
    return "attachment; filename=\"\(plain)\"; filename*=UTF-8''\(escaped)"
  }
}
