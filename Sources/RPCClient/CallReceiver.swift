import ProtobufRuntime
import RPCTransport
import RPCWire

/// What hears how calls end, on their connection's reactor; of each call once, never from inside
/// the function that starts or cancels it.
protocol CallReceiver: AnyObject, Sendable {
  /// The call with that tag was answered; the payload stays until this returns.
  func replied(_ tag: UInt64, _ payload: UnsafeRawBufferPointer, _ scratch: ClientScratch)
  /// The call with that tag failed.
  func failed(_ tag: UInt64, _ error: RPCError)
  /// One message of a stream came; it stays until this returns.
  func received(_ message: UnsafeRawBufferPointer)
}

extension CallReceiver {
  func received(_ message: UnsafeRawBufferPointer) {}
}

/// What the connections of a client's reactor share: memory that one call after another uses.
///
/// Touched only on the reactor.
final class ClientScratch {
  /// Where replies are decoded: reset before each.
  let replies = Arena()
  /// When the bytes that are being read came, in nanoseconds of the monotonic clock.
  var now: Int64 = 0
  private let requests = Arena()
  private var isBuilding = false

  /// An arena to build a request in; a fresh one for a request that is built inside another's
  /// building.
  func takeRequestArena() -> Arena {
    guard !isBuilding else { return Arena(initialBytes: 1024) }
    isBuilding = true
    return requests
  }

  /// Takes an arena back once its request is encoded.
  func give(_ arena: Arena) {
    guard arena === requests else { return }
    arena.reset()
    isBuilding = false
  }

  /// The one of this reactor.
  static func shared(on reactor: isolated Reactor) -> ClientScratch {
    if let scratch = reactor.attachment as? ClientScratch { return scratch }
    let scratch = ClientScratch()
    reactor.attachment = scratch
    return scratch
  }
}

/// Hands the outcome of one call to a closure.
final class CompletionReceiver: CallReceiver {
  private let completion: RPCConnection.Completion

  init(_ completion: @escaping RPCConnection.Completion) {
    self.completion = completion
  }

  func replied(_ tag: UInt64, _ payload: UnsafeRawBufferPointer, _ scratch: ClientScratch) {
    completion(.success(unsafe Array(payload)))
  }

  func failed(_ tag: UInt64, _ error: RPCError) {
    completion(.failure(error))
  }
}

/// Resumes the task that waits for a call.
///
/// Safe, because a receiver hears of a call once.
@safe
final class AsyncReceiver: CallReceiver {
  typealias Continuation = UnsafeContinuation<Result<[UInt8], RPCError>, Never>

  private let continuation: Continuation

  init(_ continuation: Continuation) {
    unsafe self.continuation = unsafe continuation
  }

  func replied(_ tag: UInt64, _ payload: UnsafeRawBufferPointer, _ scratch: ClientScratch) {
    unsafe continuation.resume(returning: .success(Array(payload)))
  }

  func failed(_ tag: UInt64, _ error: RPCError) {
    unsafe continuation.resume(returning: .failure(error))
  }
}
