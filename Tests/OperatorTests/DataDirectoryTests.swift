import Foundation
import Testing

@testable import Operator

@Suite("The data directory")
struct DataDirectoryTests {
  private let isRoot = geteuid() == 0

  @Test("a new one has its parts, which only the processes' user may enter")
  func layout() throws {
    let scratch = try Scratch()
    let directory = try DataDirectory.prepare("\(scratch.path)/data", sudoUser: nil)
    #expect(directory.path == directory.requested)
    #expect(directory.user.uid != 0)
    for path in [directory.path, directory.secrets, directory.keys, directory.logs, directory.mail] {
      #expect(scratch.mode(of: path) == 0o700)
      #expect(PrivateFile.owner(of: path) == directory.user.uid)
    }
    #expect(try DataDirectory.existing("\(scratch.path)/data") == directory)
    #expect(try DataDirectory.existing("\(scratch.path)/other") == nil)
  }

  @Test("a private file has mode 0600, is the processes' user's, and is replaced whole")
  func privateFiles() throws {
    let scratch = try Scratch()
    let directory = try DataDirectory.prepare("\(scratch.path)/data", sudoUser: nil)
    let path = "\(directory.secrets)/token"
    try PrivateFile.write("first and longer\n", to: path, owner: directory.user)
    try PrivateFile.write("second\n", to: path, owner: directory.user)
    #expect(try PrivateFile.read(path) == "second\n")
    #expect(scratch.mode(of: path) == 0o600)
    #expect(PrivateFile.owner(of: path) == directory.user.uid)
    #expect(try PrivateFile.read("\(path).new") == nil)
  }

  @Test("a link in the place of a secret is replaced, never followed")
  func links() throws {
    let scratch = try Scratch()
    let victim = "\(scratch.path)/victim"
    try PrivateFile.write("untouched\n", to: victim, owner: .current)
    symlink(victim, "\(scratch.path)/secret")
    try PrivateFile.write("new\n", to: "\(scratch.path)/secret", owner: .current)
    #expect(try PrivateFile.read(victim) == "untouched\n")
    #expect(try PrivateFile.read("\(scratch.path)/secret") == "new\n")
  }

  @Test(
    "data goes to a place the processes' user can reach when the one asked for is private, and is found there again",
    .enabled(if: geteuid() == 0, "only root runs processes as somebody else"))
  func privateHome() throws {
    let scratch = try Scratch()
    let home = "\(scratch.path)/home"
    mkdir(home, 0o700)
    mkdir("\(scratch.path)/lib", 0o755)
    let elsewhere = ["\(home)/unreachable", "\(scratch.path)/lib/handoff"]
    let first = try DataDirectory.prepare("\(home)/clone/.handoff", sudoUser: nil, elsewhere: elsewhere)
    #expect(first.path.hasPrefix("\(scratch.path)/lib/handoff/clone-handoff-"))
    #expect(first.user.canAccess(first.secrets, W_OK))
    try PrivateFile.write("a b\n", to: first.signIns, owner: first.user)
    #expect(try PrivateFile.read("\(home)/clone/.handoff/sign-ins.txt") == "a b\n")
    // A second run keeps to it even if nothing is offered any more.
    let second = try DataDirectory.prepare("\(home)/clone/.handoff", sudoUser: nil, elsewhere: [])
    #expect(second == first)
    #expect(try DataDirectory.existing("\(home)/clone/.handoff") == first)
  }

  @Test("with no reachable place the error names the user and the places", .enabled(if: geteuid() == 0))
  func noPlace() throws {
    let scratch = try Scratch()
    mkdir("\(scratch.path)/home", 0o700)
    let error = #expect(throws: OperatorError.self) {
      try DataDirectory.prepare("\(scratch.path)/home/data", sudoUser: nil, elsewhere: ["\(scratch.path)/home/x"])
    }
    #expect(error?.message.contains("\(scratch.path)/home/data") == true)
    #expect(error?.advice.contains("--data DIR") == true)
  }

  @Test("a directory is held by one handoff at a time, and the second is told by whom")
  func lock() throws {
    let scratch = try Scratch()
    let directory = try DataDirectory.prepare("\(scratch.path)/data", sudoUser: nil)
    #expect(InstanceLock.runningProcess(directory) == nil)
    do {
      let lock = try InstanceLock(directory)
      #expect(InstanceLock.runningProcess(directory) == "\(getpid())")
      let error = #expect(throws: OperatorError.self) { _ = try InstanceLock(directory) }
      #expect(error?.message.contains("process \(getpid())") == true)
      _ = consume lock
    }
    #expect(InstanceLock.runningProcess(directory) == nil)
    _ = try InstanceLock(directory)
  }

  @Test(
    "paths are made absolute",
    arguments: [("/a/./b//c/", "/a/b/c"), ("/a/../b", "/b"), ("/..", "/"), ("/", "/")])
  func absolutePaths(path: String, absolute: String) {
    #expect(DataDirectory.absolutePath(path) == absolute)
  }
}
