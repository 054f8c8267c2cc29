"""What a server accepts at most, and how it joins requests."""

import dataclasses

from clipbench_tf.data.images.picture_headers import pixels_in_memory, stated_size
from clipbench_tf.serving.errors import RequestError

MEBIBYTE = 1 << 20
MEGAPIXEL = 10**6


@dataclasses.dataclass(frozen=True)
class Limits:
    """Each has a default that suits one process on a small machine.

    Attributes:
        body_bytes: of one request.
        held_bytes: of all requests that are being read or answered, together.
        picture_bytes: of one encoded picture.
        picture_pixels: of one picture, of all frames of a GIF, as its header states them.
        rows: pictures or texts of one request.
        prompts: different class names times templates of one request; prompts of one request.
        queue: requests that wait for the model.
        seconds: from a request's first byte to its answer.
        batch_rows: rows of requests that are joined to one call of the model; 1 joins none.
        batch_wait: seconds that a request waits at most for others to join it.
        threads: calls of the model at once; of joined requests, one for each signature.

    Raises:
        ValueError: for a limit that nothing can meet.
    """

    body_bytes: int = 32 * MEBIBYTE
    held_bytes: int = 512 * MEBIBYTE
    picture_bytes: int = 16 * MEBIBYTE
    picture_pixels: int = 64 * MEGAPIXEL
    rows: int = 1024
    prompts: int = 10_000
    queue: int = 256
    seconds: float = 60.0
    batch_rows: int = 64
    batch_wait: float = 0.002
    threads: int = 2

    def __post_init__(self) -> None:
        for field in dataclasses.fields(self):
            value = getattr(self, field.name)
            if value < 0 or (value == 0 and field.name != "batch_wait"):
                raise ValueError(f"The limit {field.name} is {value}; it must be above 0.")

    def check_pictures(self, name: str, pictures: list[bytes]) -> None:
        """Refuses what is too large to decode; bytes that are no picture are left to the model.

        Args:
            name: of the input, for the message.
            pictures: encoded.

        Raises:
            RequestError: 413, for too many bytes or pixels; names the row.
        """
        for row, encoded in enumerate(pictures):
            if len(encoded) > self.picture_bytes:
                raise RequestError(
                    413,
                    f"Picture {row} of input {name!r} has {len(encoded)} bytes, more than "
                    f"{self.picture_bytes}; send it smaller.",
                )
            size = stated_size(encoded)
            if size and pixels_in_memory(encoded, size) > self.picture_pixels:
                raise RequestError(
                    413,
                    f"Picture {row} of input {name!r} has {size[0]} x {size[1]} pixels by its "
                    f"header, more than {self.picture_pixels} in all; send it smaller.",
                )
