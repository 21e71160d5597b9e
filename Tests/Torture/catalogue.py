"""All harnesses, in the order in which they run: importing one registers it."""
import fuzz  # noqa: F401
import kill  # noqa: F401
