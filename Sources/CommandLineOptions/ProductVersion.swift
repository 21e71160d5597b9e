/// The version that all programs of the package share.
public enum ProductVersion {
  /// As `--version` prints it.
  public static let text = "0.1.0"
}
