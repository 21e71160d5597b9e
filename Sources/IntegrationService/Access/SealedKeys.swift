import Credentials
import IntegrationStore

extension IntegrationService {
  /// Says in the log how many live keys the sealing key does not open: it is another one than they
  /// were sealed with, as behind a restore into a new data directory.
  ///
  /// Said with each start: people learn of it otherwise when they need to see a key.
  func warnOfSealedKeys() {
    guard let sealingKey = configuration.sealingKey else { return }
    let now = ServerClock.now
    let closed = catalogue.keys(of: nil).filter { key in
      guard key.isLive(at: now), !key.sealedSecret.isEmpty else { return false }
      guard var secret = try? sealingKey.open(key.sealedSecret, context: key.id) else {
        return true
      }
      Cryptography.wipe(&secret)
      return false
    }.count
    guard closed > 0 else { return }
    configuration.log(
      "level=warning event=sealing_key_other keys=\(closed) directory="
        + "\"\(configuration.dataDirectory)\" hint=\"these keys work but cannot be shown; put "
        + "back the \(SealingKeyFile.name) that was beside this database, or rotate them\"")
  }
}
