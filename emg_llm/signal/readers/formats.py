"""The formats of recordings: adding one is a module with a reader, and a line here."""

from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True)
class Format:
    """endings: of files. reader: module and function of this package, (path) -> Raw. words: what
    such a file is. signatures: the first bytes of some; text has none. looks: whether the first
    bytes are of this format, where no fixed ones are. apart: whether its library may crash or hang
    on a damaged file: it then runs in a process of its own. libraries: modules that the reader
    imports. optional: whether the first of them is in the extra `formats`. companions: endings of
    files that belong to one of `endings`, such as the samples of a header.
    """

    endings: tuple[str, ...]
    reader: str
    words: str
    signatures: tuple[bytes, ...] = ()
    looks: Callable[[bytes], bool] | None = None
    apart: bool = False
    libraries: tuple[str, ...] = ()
    optional: bool = False
    companions: tuple[str, ...] = ()

    def begins(self, head: bytes) -> bool:
        """Whether a file's first 128 bytes are of this format; False for all kinds of text."""
        signed = bool(self.signatures) and head.startswith(self.signatures)
        return signed or (self.looks is not None and self.looks(head))


def _mat(head):
    return head[124:128] in (b"\x00\x01IM", b"\x01\x00MI") and not head.startswith(b"MATLAB 7.3")


def _c3d(head):
    """The block of the parameters, then 80 (The C3D File Format, "The Header Section")."""
    return head[1:2] == b"P" and 2 <= head[0] <= 8


def _acq(head):
    """A version between AcqKnowledge 2 and the next, the header's length, some channels."""
    for order in ("little", "big"):
        version, length = (int.from_bytes(head[i : i + 4], order) for i in (2, 6))
        channels = int.from_bytes(head[10:12], order)
        if 30 <= version <= 300 and 200 <= length < 2**16 and 0 < channels < 1000:
            return True
    return False


ZIP = b"PK\x03\x04"
FORMATS = (
    Format((".npy",), "arrays.read_npy", "a NumPy array (.npy)", (b"\x93NUMPY",)),
    Format((".npz",), "arrays.read_npz", "a ZIP file, such as .npz or an Excel workbook", (ZIP,)),
    Format((".csv", ".tsv", ".txt"), "text.read_text", "text"),
    Format((".mat",), "matlab.read_mat", "a MATLAB file (.mat)", (b"MATLAB 5.0",), looks=_mat),
    Format(
        (".h5", ".hdf5", ".mat"),
        "hdf5.read_hdf5",
        "an HDF5 or MATLAB v7.3 file",
        (b"\x89HDF\r\n\x1a\n", b"MATLAB 7.3"),
        apart=True,
        libraries=("h5py",),
    ),
    Format((".edf",), "edf.read_edf", "an EDF recording", (b"0       ",), libraries=("edfio",)),
    Format((".bdf",), "edf.read_bdf", "a BDF recording", (b"\xffBIOSEMI",), libraries=("edfio",)),
    Format(
        (".xlsx", ".ods"),
        "sheets.read_sheets",
        "a spreadsheet",
        (ZIP,),
        apart=True,
        libraries=("python_calamine", "pandas"),
    ),
    Format(
        (".parquet",),
        "arrow.read_parquet",
        "a Parquet table",
        (b"PAR1",),
        apart=True,
        libraries=("pyarrow", "pandas"),
    ),
    Format(
        (".feather",),
        "arrow.read_feather",
        "a Feather table",
        (b"ARROW1",),
        apart=True,
        libraries=("pyarrow", "pandas"),
    ),
    Format((".wav",), "sound.read_wav", "a WAV recording", (b"RIFF",)),
    Format(
        (".xdf",),
        "xdf.read_xdf",
        "an XDF recording",
        (b"XDF:",),
        apart=True,
        libraries=("pyxdf",),
        optional=True,
    ),
    Format(
        (".c3d",),
        "motion.read_c3d",
        "a C3D recording",
        looks=_c3d,
        apart=True,
        libraries=("c3d",),
        optional=True,
    ),
    Format(
        (".acq",),
        "biopac.read_acq",
        "a BIOPAC recording (.acq)",
        looks=_acq,
        apart=True,
        libraries=("bioread",),
        optional=True,
    ),
    Format((".hea",), "wfdb.read_wfdb", "a WFDB header (.hea)", companions=(".dat",)),
)
TEXT = next(f for f in FORMATS if f.reader == "text.read_text")
# Other first bytes, and what they are.
FOREIGN = (
    (b"PK\x05\x06", "an empty ZIP file"),
    (b"\x89PNG", "a PNG picture"),
    (b"\xff\xd8\xff", "a JPEG picture"),
    (b"GIF8", "a GIF picture"),
    (b"%PDF", "a PDF document"),
    (b"\x1f\x8b", "a gzip archive"),
    (b"\xd0\xcf\x11\xe0", "an old Excel file"),
    *((b"\x80" + bytes([n]), "a Python pickle, which is never opened") for n in range(2, 6)),
)
EXTENSIONS = tuple(dict.fromkeys(ending for each in FORMATS for ending in each.endings))
# Of files that are no recording alone, but belong to one.
COMPANIONS = tuple(dict.fromkeys(ending for each in FORMATS for ending in each.companions))
COMMON = ".csv, .tsv, .txt, .npy, .npz, .mat, .edf or .xlsx"


def found(head: bytes) -> tuple[Format | None, str]:
    """(the format that a file's first bytes are of, its words); (None, words) for other kinds."""
    for start, words in FOREIGN:
        if head.startswith(start):
            return None, words
    for each in FORMATS:
        if each.endings == (".edf",) and b"\n" in head:
            continue  # a padded table may begin as an EDF's version does; no EDF has lines
        if each.begins(head):
            return each, each.words
    return TEXT, TEXT.words


def expected(ending: str, head: bytes) -> Format | None:
    """The format of a file with an ending, if its first bytes agree."""
    content, _ = found(head)
    for each in FORMATS:
        of_text = content is TEXT and not each.signatures and each.looks is None
        if ending in each.endings and (each.begins(head) or of_text):
            return each
    return None
