import HandoffAPI
import Protobuf
import RPC
import ServiceKit

extension HTTPGateway {
  /// Largest body of a request, which is a file.
  package static let bodyBytesMax = 10 << 20

  /// Takes the body as a file or a mail. A file's name is in the query, its type is found by its content; a mail needs
  /// neither.
  ///
  /// - Returns: the serialized resource that was made.
  func upload(
    _ found: Found, _ admission: GatewayService.Admission, _ exchange: HTTPExchange
  ) async throws -> [UInt8] {
    let kind: GatewayService.UploadKind
    if found.route.method == "IngestMessage" {
      guard found.query.isEmpty else { throw ServiceError.invalid("query", "must be empty; the mail is the body") }
      kind = .mail(IngestMessageRequest.Header(parent: found.value))
    } else {
      guard found.query.count == 1, ["fileName", "file_name"].contains(found.query[0].name) else {
        throw ServiceError.invalid("query", "must be fileName and nothing else; the file is the body")
      }
      kind = .file(UploadHeader(parent: found.value, fileName: found.query[0].value))
    }
    return try await service.upload(
      found.route, kind, try exchange.body(bytesMax: Self.bodyBytesMax), admission, exchange.call)
  }

  /// Sends a file. It is always to be saved, never to be shown: whatever it is, it runs in nobody's browser.
  func download(
    _ found: Found, _ admission: GatewayService.Admission, _ exchange: HTTPExchange
  ) async throws {
    let message = try DownloadAttachmentRequest(name: found.value).serialized()
    try await service.download(found.route, message, admission, exchange.call) { bytes in
      switch try DownloadAttachmentResponse(serialized: bytes).part {
      case .attachment(let attachment):
        await exchange.begin(
          status: 200,
          headers: [
            ("content-type", attachment.contentType), ("content-length", String(attachment.sizeBytes)),
            ("content-disposition", Self.disposition(attachment.fileName)), ("cache-control", "private, no-store"),
          ])
      case .chunk(let bytes): try await exchange.write(bytes)
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
    return "attachment; filename=\"\(plain)\"; filename*=UTF-8''\(PercentEncoding.encode(fileName))"
  }
}
