import CommandLineOptions
import IntegrationAPI
import ProtobufRuntime
import RPCClient
import RPCWire
import Synchronization

@testable import integrationctl

/// A channel that answers calls from a table and remembers what was asked.
final class ScriptedServer: RPCChannel {
  /// One call as it arrived.
  struct Call: Sendable {
    let method: String
    let payload: [UInt8]
  }

  private struct State {
    var answers: [UInt16: [Result<[UInt8], RPCError>]] = [:]
    var calls: [Call] = []
  }

  private let state = Mutex(State())

  /// Answers the method's next call with the message; the last answer is given again and again.
  func answer(_ method: MethodDescriptor, _ message: some ProtobufMessage) {
    state.withLock {
      $0.answers[method.id, default: []].append(.success(message.serializedBytes()))
    }
  }

  /// Refuses the method's next call.
  func refuse(_ method: MethodDescriptor, _ error: RPCError) {
    state.withLock { $0.answers[method.id, default: []].append(.failure(error)) }
  }

  var calls: [Call] { state.withLock { $0.calls } }

  /// The requests of one method, decoded.
  func requests<Message: ProtobufMessage>(_ method: MethodDescriptor) throws -> [Message] {
    try calls.filter { $0.method == method.name }.map { try Message(serializedBytes: $0.payload) }
  }

  func call(
    _ method: MethodDescriptor, payload: [UInt8], options: CallOptions
  ) async throws(RPCError) -> [UInt8] {
    let answer = state.withLock { state -> Result<[UInt8], RPCError>? in
      state.calls.append(Call(method: method.name, payload: payload))
      guard var answers = state.answers[method.id], let first = answers.first else { return nil }
      if answers.count > 1 { answers.removeFirst() }
      state.answers[method.id] = answers
      return first
    }
    guard let answer else {
      throw RPCError(.unimplemented, "no answer to \(method.name)", reason: "METHOD_UNKNOWN")
    }
    return try answer.get()
  }

  func stream(
    _ method: MethodDescriptor, payload: [UInt8], options: CallOptions
  ) -> RawStream {
    RawStream { () throws(RPCError) in
      throw RPCError(.unimplemented, "no answer to \(method.name)", reason: "METHOD_UNKNOWN")
    }
  }
}

/// What one run of the program said.
struct Outcome {
  let code: ExitCode
  let output: String
  let errors: String
  let questions: [String]
}

/// Runs the program against a scripted server.
struct Desk {
  /// 2026-11-24T08:30:00Z.
  static let now = WallTime(milliseconds: 1_795_509_000_000)

  let server = ScriptedServer()
  var environment: [String: String] = [:]
  /// What a person answers; nil: nobody is there.
  var answer: Bool?
  var width: Int?
  var refusal: RPCError?
  var outputIsClosed = false

  func run(_ line: String...) async -> Outcome { await run(line) }

  func run(_ line: [String]) async -> Outcome {
    let texts = Texts()
    let (closed, refusal, server, answer) = (outputIsClosed, refusal, server, answer)
    var ask: (@Sendable (String) -> Bool)?
    if let answer {
      ask = { question in
        texts.add(question: question)
        return answer
      }
    }
    let console = Console(
      write: { (text) throws(Failure) in
        if closed { throw .outputClosed }
        texts.add(output: text)
      },
      warn: { texts.add(errors: $0) },
      ask: ask,
      width: width, hasColour: false, now: { Self.now })
    let program = OperatorProgram(environment: Environment(environment), console: console) {
      (_, _) async throws(RPCError) in
      if let refusal { throw refusal }
      return server
    }
    let code = await program.run(line)
    return texts.outcome(code)
  }
}

/// What the console was told, from whichever thread.
final class Texts: Sendable {
  private struct State {
    var output = ""
    var errors = ""
    var questions: [String] = []
  }

  private let state = Mutex(State())

  func add(output text: String) { state.withLock { $0.output += text } }
  func add(errors text: String) { state.withLock { $0.errors += text } }
  func add(question: String) { state.withLock { $0.questions.append(question) } }

  var output: String { state.withLock { $0.output } }

  func outcome(_ code: ExitCode) -> Outcome {
    state.withLock {
      Outcome(code: code, output: $0.output, errors: $0.errors, questions: $0.questions)
    }
  }
}
