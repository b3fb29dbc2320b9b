import CNghttp2

/// What must hold of the installed libnghttp2.
package enum HTTP2Library {
  /// The lowest version whose interface this module uses.
  package static let versionMin = "1.52.0"

  /// For start-up messages and the operator's `doctor`.
  ///
  /// A patch level of the distribution cannot be seen at run time, so the text has to say what the check cannot.
  package static let requirement = """
    libnghttp2 \(versionMin) or newer is required. On Debian 12 the package libnghttp2-14 must be at least \
    1.52.0-1+deb12u3 (CVE-2023-44487, CVE-2024-28182, CVE-2026-27135 fixed): check with `dpkg -s libnghttp2-14`. \
    A libnghttp2 built from source must be at least 1.67.
    """

  /// The version of the library this process runs with.
  package static var version: String {
    guard let info = nghttp2_version(0), let text = info.pointee.version_str else { return "unknown" }
    return String(cString: text)
  }

  /// Checks the version at start, before the first session.
  ///
  /// - Throws: `HTTP2Error` with the reason `libraryTooOld`.
  package static func check() throws(HTTP2Error) {
    // The argument is 0xMMmmpp of `versionMin`; the function answers nil for an older library.
    guard nghttp2_version(0x01_34_00) != nil else { throw HTTP2Error(.libraryTooOld, .internalError) }
  }

  static func text(ofError code: Int32) -> String {
    guard let text = nghttp2_strerror(code) else { return "unknown error" }
    return String(cString: text)
  }
}
