"""What verification raises. Malformed keys and signatures are `DecodeError` instead."""

from catenula.base.errors import ProtocolError


class SignatureInvalid(ProtocolError):
    """A well-formed signature is not one of ``signer`` over the value.

    ``signer`` should have signed: a public key or, for EVM signatures, a 20-byte address.
    """

    def __init__(self, scheme: str, signer: bytes) -> None:
        super().__init__("InvalidSignature", scheme=scheme, signer=signer)
