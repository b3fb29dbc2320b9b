import CCurl
import Glibc
import Synchronization

/// One easy handle of libcurl with the connections it keeps open between transfers.
///
/// Between transfers it may be handed from thread to thread; during one it belongs to the thread that runs it.
// @unchecked: libcurl allows any thread to use a handle as long as one at a time does, which the owner assures by
// taking the handle out of its list of idle ones.
final class CurlHandle: @unchecked Sendable {
  private let easy: UnsafeMutableRawPointer
  private var list: UnsafeMutablePointer<curl_slist>?
  private var errorText = [CChar](repeating: 0, count: Int(CURL_ERROR_SIZE))

  /// libcurl's own initialisation, which must happen once, before any handle.
  private static let isInitialised = curl_global_init(Int(CURL_GLOBAL_DEFAULT)) == CURLE_OK

  /// Nil when the system is out of memory.
  init?() {
    guard Self.isInitialised, let easy = curl_easy_init() else { return nil }
    self.easy = easy
  }

  deinit {
    curl_easy_cleanup(easy)
    curl_slist_free_all(list)
  }

  /// Forgets the options of the last transfer; open connections stay.
  func reset() {
    curl_easy_reset(easy)
    curl_slist_free_all(list)
    list = nil
    // Nothing but our own configuration decides where a transfer goes: no proxy of the environment, no signals.
    set(CURLOPT_PROXY, "")
    set(CURLOPT_NOSIGNAL, 1)
    set(CURLOPT_SSLVERSION, Int(CURL_SSLVERSION_TLSv1_2))
    set(CURLOPT_SSL_VERIFYPEER, 1)
    set(CURLOPT_SSL_VERIFYHOST, 2)
  }

  func set(_ option: CURLoption, _ value: Int) {
    check(handoff_curl_set_long(easy, option, value), option)
  }

  func set(_ option: CURLoption, offset value: Int64) {
    check(handoff_curl_set_offset(easy, option, curl_off_t(value)), option)
  }

  /// libcurl copies the text.
  func set(_ option: CURLoption, _ value: String) {
    check(value.withCString { handoff_curl_set_pointer(easy, option, $0) }, option)
  }

  /// The list lives until the next `reset`.
  func set(_ option: CURLoption, list values: [String]) {
    for value in values {
      guard let longer = curl_slist_append(list, value) else { break }
      list = longer
    }
    check(handoff_curl_set_pointer(easy, option, list), option)
  }

  /// Runs the transfer on the calling thread, feeding and reading `exchange`; returns libcurl's result and its words.
  func perform(_ exchange: CurlExchange) -> (CURLcode, String) {
    Self.blockPipeSignal()
    let context = Unmanaged.passUnretained(exchange).toOpaque()
    for option in [CURLOPT_READDATA, CURLOPT_WRITEDATA, CURLOPT_HEADERDATA, CURLOPT_XFERINFODATA] {
      check(handoff_curl_set_pointer(easy, option, context), option)
    }
    check(handoff_curl_set_transfer(easy, CURLOPT_READFUNCTION, readUpload), CURLOPT_READFUNCTION)
    check(handoff_curl_set_transfer(easy, CURLOPT_HEADERFUNCTION, takeLine), CURLOPT_HEADERFUNCTION)
    check(handoff_curl_set_transfer(easy, CURLOPT_WRITEFUNCTION, takeBody), CURLOPT_WRITEFUNCTION)
    check(handoff_curl_set_progress(easy, checkCancellation), CURLOPT_XFERINFOFUNCTION)
    set(CURLOPT_NOPROGRESS, 0)
    if exchange.policy != nil {
      check(handoff_curl_set_pointer(easy, CURLOPT_OPENSOCKETDATA, context), CURLOPT_OPENSOCKETDATA)
      check(handoff_curl_set_opensocket(easy, openSocket), CURLOPT_OPENSOCKETFUNCTION)
    }
    errorText[0] = 0
    return errorText.withUnsafeMutableBufferPointer { text in
      check(handoff_curl_set_pointer(easy, CURLOPT_ERRORBUFFER, text.baseAddress), CURLOPT_ERRORBUFFER)
      let code = withExtendedLifetime(exchange) { curl_easy_perform(easy) }
      // The buffer is only lent for the transfer.
      check(handoff_curl_set_pointer(easy, CURLOPT_ERRORBUFFER, nil), CURLOPT_ERRORBUFFER)
      let words = text.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }
      return (code, words.isEmpty ? String(cString: curl_easy_strerror(code)) : String(decoding: words, as: UTF8.self))
    }
  }

  /// Lets a write to a connection that the peer has closed fail instead of ending the process: with CURLOPT_NOSIGNAL
  /// libcurl leaves that to us. The threads of a blocking pool keep the signal blocked.
  private static func blockPipeSignal() {
    var signals = sigset_t()
    sigemptyset(&signals)
    sigaddset(&signals, SIGPIPE)
    pthread_sigmask(SIG_BLOCK, &signals, nil)
  }

  /// Whether the last transfer ran over a connection that was open before.
  var reusedConnection: Bool {
    var count = 1
    check(handoff_curl_get_long(easy, CURLINFO_NUM_CONNECTS, &count), CURLOPT_LASTENTRY)
    return count == 0
  }

  /// The status of the last HTTP answer, 0 when there was none.
  var responseStatus: Int {
    var status = 0
    check(handoff_curl_get_long(easy, CURLINFO_RESPONSE_CODE, &status), CURLOPT_LASTENTRY)
    return status
  }

  private func check(_ code: CURLcode, _ option: CURLoption) {
    precondition(code == CURLE_OK, "libcurl refuses option \(option.rawValue): \(code.rawValue)")
  }
}

/// What one transfer sends and receives.
// @unchecked: only the thread that runs the transfer touches it, save the flag, which is atomic.
final class CurlExchange: @unchecked Sendable {
  private let upload: [UInt8]
  private var sent = 0
  /// Response lines or header lines, without line ends, of at most 1000 bytes.
  private(set) var lines: [String] = []
  private let linesMax: Int
  private let isCancelled: CancelFlag

  /// The answer's body, kept when a size was allowed for it.
  private(set) var body: [UInt8] = []
  /// Whether the body was longer than allowed, which has ended the transfer.
  private(set) var isBodyTooLong = false
  private let bodyBytesMax: Int?
  /// The addresses that may be connected to; nil: all.
  fileprivate let policy: AddressPolicy?
  /// Why the last address that was found for the host must not be connected to.
  private(set) var addressRefusal: String?

  /// - Parameters:
  ///   - bodyBytesMax: a longer body ends the transfer; nil: the body is not wanted and thrown away.
  ///   - linesMax: so many lines are kept, the first ones; a mail to many recipients brings one for each.
  init(
    upload: [UInt8], bodyBytesMax: Int? = nil, linesMax: Int = 200, policy: AddressPolicy? = nil,
    isCancelled: CancelFlag
  ) {
    self.upload = upload
    self.bodyBytesMax = bodyBytesMax
    self.linesMax = linesMax
    self.policy = policy
    self.isCancelled = isCancelled
  }

  /// Whether libcurl has asked for the first byte of the upload.
  private(set) var hasBegunUpload = false

  fileprivate func read(into room: UnsafeMutableRawBufferPointer) -> Int {
    hasBegunUpload = true
    let count = min(room.count, upload.count - sent)
    room.copyBytes(from: upload[sent..<(sent + count)])
    sent += count
    return count
  }

  fileprivate func take(line bytes: UnsafeRawBufferPointer) {
    guard lines.count < linesMax else { return }
    // Control characters have no business in a line that ends up in logs and on screens.
    lines.append(String(decoding: bytes.prefix(1000).filter { $0 >= 0x20 && $0 != 0x7f }, as: UTF8.self))
  }

  fileprivate func take(body bytes: UnsafeRawBufferPointer) -> Bool {
    guard let bodyBytesMax else { return true }
    guard body.count + bytes.count <= bodyBytesMax else {
      isBodyTooLong = true
      return false
    }
    body.append(contentsOf: bytes)
    return true
  }

  fileprivate var mustStop: Bool { isCancelled.isSet }

  fileprivate func allows(_ address: [UInt8]) -> Bool {
    addressRefusal = policy?.refusal(of: address)
    return addressRefusal == nil
  }
}

/// Set once by whoever no longer wants the result.
final class CancelFlag: Sendable {
  private let flag = Atomic<Bool>(false)
  var isSet: Bool { flag.load(ordering: .relaxed) }
  func set() { flag.store(true, ordering: .relaxed) }
}

private let readUpload: curl_read_callback = { room, size, count, context in
  guard let room, let context else { return 0 }
  let exchange = Unmanaged<CurlExchange>.fromOpaque(context).takeUnretainedValue()
  return exchange.read(into: UnsafeMutableRawBufferPointer(start: room, count: size * count))
}

private let takeLine: curl_read_callback = { line, size, count, context in
  guard let line, let context else { return 0 }
  let exchange = Unmanaged<CurlExchange>.fromOpaque(context).takeUnretainedValue()
  exchange.take(line: UnsafeRawBufferPointer(start: line, count: size * count))
  return size * count
}

private let takeBody: curl_read_callback = { room, size, count, context in
  guard let room, let context else { return 0 }
  let exchange = Unmanaged<CurlExchange>.fromOpaque(context).takeUnretainedValue()
  return exchange.take(body: UnsafeRawBufferPointer(start: room, count: size * count)) ? size * count : 0
}

/// libcurl has resolved the host and is about to connect: what is looked at here is the very address that is called.
private let openSocket: curl_opensocket_callback = { context, purpose, address in
  guard let context, let address, purpose == CURLSOCKTYPE_IPCXN else { return CURL_SOCKET_BAD }
  let exchange = Unmanaged<CurlExchange>.fromOpaque(context).takeUnretainedValue()
  let target = address.pointee
  // The address proper may be longer than the structure's last member, which only marks where it begins.
  guard let offset = MemoryLayout<curl_sockaddr>.offset(of: \.addr) else { return CURL_SOCKET_BAD }
  let start = UnsafeRawPointer(address) + offset
  let bytes: [UInt8]
  switch target.family {
  case AF_INET:
    let ip = start.loadUnaligned(as: sockaddr_in.self).sin_addr
    bytes = withUnsafeBytes(of: ip) { Array($0) }
  case AF_INET6:
    let ip = start.loadUnaligned(as: sockaddr_in6.self).sin6_addr
    bytes = withUnsafeBytes(of: ip) { Array($0) }
  default: return CURL_SOCKET_BAD
  }
  guard exchange.allows(bytes) else { return CURL_SOCKET_BAD }
  return socket(target.family, target.socktype | Int32(SOCK_CLOEXEC.rawValue), target.protocol)
}

/// libcurl asks about once a second even while it waits; anything but zero ends the transfer.
private let checkCancellation: curl_xferinfo_callback = { context, _, _, _, _ in
  guard let context else { return 0 }
  return Unmanaged<CurlExchange>.fromOpaque(context).takeUnretainedValue().mustStop ? 1 : 0
}
