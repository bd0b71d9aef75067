"""The meaning of an error of boto3 for an upload: ask again, give up, or begin the upload again. Pure."""

from enum import Enum

from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    ConnectionError,  # noqa: A004
    CredentialRetrievalError,
    HTTPClientError,
    IncompleteReadError,
    LoginError,
    MetadataRetrievalError,
    NoAuthTokenError,
    NoCredentialsError,
    PartialCredentialsError,
    SSOError,
    TokenRetrievalError,
)
from botocore.parsers import ResponseParserError

from ..errors import Refused


class LostUpload(Refused):
    """S3 no longer has a multipart upload, nor the object; the rows of its earlier parts are gone with it."""


class Verdict(Enum):
    """The way to go on after an error."""

    RETRY = "retry"
    """Send the request again."""
    RENEW = "renew"
    """Read the credentials again, and send the request again."""
    LOST = "lost"
    """The multipart upload, or a part of it, is gone."""
    FATAL = "fatal"
    """Somebody has to act first."""


# https://docs.aws.amazon.com/AmazonS3/latest/API/ErrorResponses.html, and the names of other services that speak S3.
# A code says more than the status: S3 sends RequestTimeout and ExpiredToken with 400, and errors within a 200.
_CODES = {
    Verdict.RETRY: (
        "BadDigest BandwidthLimitExceeded Busy ConditionalRequestConflict EC2ThrottledException IDPCommunicationError "
        "IncompleteBody InternalError InternalFailure InternalServerError LimitExceededException OperationAborted "
        "PriorRequestNotComplete ReducedRedundancyLostObject RequestExpired RequestLimitExceeded RequestThrottled "
        "RequestThrottledException RequestTimeTooSkewed RequestTimeout RequestTimeoutException ServerBusy "
        "ServiceUnavailable ServiceUnavailableException SlowDown SlowDownRead SlowDownWrite TemporaryRedirect "
        "ThrottledException Throttling ThrottlingException TooManyRequests TooManyRequestsException "
        "XAmzContentChecksumMismatch XAmzContentSHA256Mismatch"
    ),
    Verdict.RENEW: "ExpiredToken ExpiredTokenException TokenRefreshRequired",
    Verdict.LOST: "404 InvalidPart NoSuchKey NoSuchUpload NotFound",
    Verdict.FATAL: (
        "AccessDenied AccessDeniedException AccountProblem AllAccessDisabled AuthorizationHeaderMalformed "
        "DisabledException EntityTooLarge EntityTooSmall Forbidden InvalidAccessKeyId InvalidArgument "
        "InvalidBucketName InvalidDigest InvalidEncryptionAlgorithmError InvalidPartOrder InvalidRequest "
        "InvalidStorageClass InvalidTag InvalidToken KMSInvalidStateException KeyTooLongError MalformedXML "
        "MethodNotAllowed NoSuchBucket NotFoundException NotImplemented PermanentRedirect SignatureDoesNotMatch"
    ),
}
_VERDICTS = {code: verdict for verdict, codes in _CODES.items() for code in codes.split()}

_PASSING_STATUSES = frozenset({307, 408, 409, 425, 429})
_NOT_IMPLEMENTED = 501

_PASSING = (ConnectionError, HTTPClientError, IncompleteReadError, ResponseParserError)
"""The request did not reach S3, or its answer did not reach us, or something else answered."""
_CREDENTIALS = (
    CredentialRetrievalError,
    LoginError,
    MetadataRetrievalError,
    NoAuthTokenError,
    NoCredentialsError,
    PartialCredentialsError,
    SSOError,
    TokenRetrievalError,
)
"""There are no credentials at the moment: their service is away, or their file is being written."""


def classify(error: Exception) -> Verdict:
    """The meaning of an error of a request.

    Errors that boto3 raises before it sends a request (it refuses a parameter or a setting) are fatal, as are errors
    that are not of boto3.
    """
    if isinstance(error, ClientError):
        return _of_answer(code(error), status(error))
    if isinstance(error, _PASSING):
        return Verdict.RETRY
    return Verdict.RENEW if isinstance(error, _CREDENTIALS) else Verdict.FATAL


def code(error: ClientError) -> str:
    """S3's name of the error; the status where the answer has no body, as to HEAD."""
    return str(error.response.get("Error", {}).get("Code", ""))


def status(error: ClientError) -> int:
    """The HTTP status of the answer; 0 where there is none."""
    return int(error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0))


def describe(error: Exception) -> str:
    """An error in one line."""
    if isinstance(error, BotoCoreError | ClientError):
        return " ".join(str(error).split())
    return " ".join(f"{type(error).__name__}: {error}".split())


def _of_answer(name: str, number: int) -> Verdict:
    # Errors of KMS have a prefix, as in KMS.ThrottlingException.
    known = _VERDICTS.get(name.rpartition(".")[2])
    if known is not None:
        return known
    if number in _PASSING_STATUSES or (number >= 500 and number != _NOT_IMPLEMENTED) or number < 300:
        return Verdict.RETRY
    return Verdict.FATAL
