"""The one exception people are meant to read."""


class GraftError(ValueError):
    """Input that cannot be used.

    The message is one sentence that names the file or option at fault and says what to do about it; the command line
    prints it alone and exits with code 2.
    """
