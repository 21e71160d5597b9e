import Credentials
import IntegrationAPI
import ProtobufRuntime
import RPCServer
import RPCWire

extension ServerCall {
  /// Answers with a message that lies in an arena; it is packed straight into the connection's
  /// output.
  @inline(__always)
  func answer(_ view: Response.View) where Response: ProtobufMessage {
    handle.reply(view.reference)
  }

  /// Answers with a message.
  func answer(_ message: Response) where Response: ProtobufMessage {
    if Response.self is any SecretBearing.Type, let secret = message as? any SecretBearing {
      return answer(withSecret: secret)
    }
    handle.reply(bytes: message.serializedBytes())
  }

  private func answer(withSecret message: any SecretBearing) {
    var message = message
    message.reply(to: handle)
    Cryptography.wipe(&message.secret)
  }
}

/// A response with a secret that is shown once; it is wiped behind the answer.
protocol SecretBearing: ProtobufMessage {
  var secret: String { get set }
}

extension CreateIntegrationResponse: SecretBearing {}
extension CreateKeyResponse: SecretBearing {}
extension RevealKeyResponse: SecretBearing {}
extension RotateKeyResponse: SecretBearing {}
extension CreateTokenResponse: SecretBearing {}

extension SecretBearing {
  fileprivate func reply(to handle: CallHandle) {
    let arena = Arena(initialBytes: 1024)
    let view = View(in: arena)
    view.assign(self)
    handle.replyWithSecret(view.reference)
    arena.wipe()
  }
}

/// Collects the answers that one commit or one wake-up of the timer brings, each built in an arena
/// that is used again for the next.
struct ReplyWriter {
  private let arena = Arena()
  private var batch = ReplyBatch()

  /// Answers one call with the message that `fill` sets.
  mutating func answer<View: ProtobufView>(
    _ token: CallToken, as _: View.Type, _ fill: (View) -> Void
  ) {
    arena.reset()
    let view = View(in: arena)
    fill(view)
    batch.reply(token, view.reference)
  }

  /// Ends one call with an error.
  mutating func fail(_ token: CallToken, _ error: RPCError) {
    batch.fail(token, error)
  }

  /// Hands everything over, with one hop for each reactor.
  mutating func flush() {
    batch.flush()
  }
}
