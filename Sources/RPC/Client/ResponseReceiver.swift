import EventLoop
import Synchronization

/// The caller's end of a call, whatever brings the parts: resumes the caller with the answer or the stream of answers.
///
/// Of what arrives after the end everything is dropped.
// @unchecked: loop-confined; a continuation is set before the receiver is handed to its loop.
final class ResponseReceiver: @unchecked Sendable {
  /// Who waits, and for what.
  enum Waiter: Sendable {
    case single(UnsafeContinuation<RawResponse, any Error>)
    case stream(UnsafeContinuation<RawResponseStream, any Error>)
  }

  let loop: EventLoop
  private(set) var isOver = false
  /// Messages of a stream of answers.
  private(set) lazy var inbox = MessageInbox(loop)
  private var waiter: Waiter?
  private let isStream: Bool
  private var initialMetadata = Metadata()
  private weak var source: ResponseSource?
  private var message: [UInt8]?
  private var messageWasCompressed = false
  private let cancel: @Sendable () -> Void

  /// - Parameter cancel: called when the reader of a stream is gone before its end.
  init(_ waiter: Waiter, on loop: EventLoop, cancel: @escaping @Sendable () -> Void) {
    self.waiter = waiter
    self.loop = loop
    self.cancel = cancel
    if case .stream = waiter { isStream = true } else { isStream = false }
  }

  /// Nothing waits for the caller to read it.
  var inboxIsEmpty: Bool { !isStream || inbox.isEmpty }

  /// Gives a waiter for a stream its stream before the server has begun to answer.
  func beginEarly() { begin(Metadata()) }

  /// The response headers.
  func begin(_ metadata: Metadata) {
    guard !isOver else { return }
    initialMetadata = metadata
    source?.initialMetadata.withLock { $0 = metadata }
    guard case .stream(let continuation) = waiter else { return }
    waiter = nil
    inbox.readerCancelled = cancel
    let source = ResponseSource(inbox, initialMetadata: metadata, cancel: cancel)
    self.source = source
    continuation.resume(returning: RawResponseStream(source))
  }

  /// One message.
  ///
  /// - Throws: UNIMPLEMENTED for one too many; the call, which has more to end than this, then ends with it.
  func receive(_ bytes: [UInt8], wasCompressed: Bool = false) throws(RPCError) {
    guard !isOver else { return }
    if isStream { return inbox.put(bytes, wasCompressed: wasCompressed) }
    guard message == nil else {
      throw RPCError(.unimplemented, "more than one message came in answer to a call that has one")
    }
    message = bytes
    messageWasCompressed = wasCompressed
  }

  /// The end; `error` is nil for OK.
  func finish(_ error: RPCError?, _ trailers: Metadata, dropping: Bool = false) {
    guard !isOver else { return }
    if isStream, error == nil { begin(initialMetadata) }
    isOver = true
    let waiter = self.waiter
    self.waiter = nil
    switch waiter {
    case .single(let continuation):
      if let error {
        continuation.resume(throwing: error)
      } else if let message {
        let response = RawResponse(
          message: message, wasCompressed: messageWasCompressed, initialMetadata: initialMetadata,
          trailers: trailers)
        continuation.resume(returning: response)
      } else {
        continuation.resume(throwing: RPCError(.unimplemented, "OK came without the message that the call must have"))
      }
    case .stream(let continuation):
      continuation.resume(throwing: error ?? RPCError(.internal, "the stream ended before it began"))
    case nil:
      source?.trailers.withLock { $0 = trailers }
      if isStream { inbox.finish(error.map { .failure($0) } ?? .success(()), dropping: dropping) }
    }
  }
}
