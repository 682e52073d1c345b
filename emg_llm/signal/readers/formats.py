"""The formats of recordings: adding one is a module with a reader, and a line here."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Format:
    """endings: of files. reader: module and function of this package, (path) -> Raw. words: what
    such a file is. signatures: the first bytes of some; text has none. apart: whether a C library
    reads it, which a damaged file may crash: it then runs in a process of its own.
    """

    endings: tuple[str, ...]
    reader: str
    words: str
    signatures: tuple[bytes, ...] = ()
    apart: bool = False


ZIP = b"PK\x03\x04"
FORMATS = (
    Format((".npy",), "arrays.read_npy", "a NumPy array (.npy)", (b"\x93NUMPY",)),
    Format((".npz",), "arrays.read_npz", "a ZIP file, such as .npz or an Excel workbook", (ZIP,)),
    Format((".csv", ".tsv", ".txt"), "text.read_text", "text"),
    Format((".mat",), "matlab.read_mat", "a MATLAB file (.mat)", (b"MATLAB 5.0",)),
    Format(
        (".h5", ".hdf5", ".mat"),
        "hdf5.read_hdf5",
        "an HDF5 or MATLAB v7.3 file",
        (b"\x89HDF\r\n\x1a\n", b"MATLAB 7.3"),
        apart=True,
    ),
    Format((".edf",), "edf.read_edf", "an EDF recording", (b"0       ",)),
    Format((".bdf",), "edf.read_bdf", "a BDF recording", (b"\xffBIOSEMI",)),
    Format((".xlsx", ".ods"), "sheets.read_sheets", "a spreadsheet", (ZIP,), apart=True),
    Format((".parquet",), "arrow.read_parquet", "a Parquet table", (b"PAR1",), apart=True),
    Format((".feather",), "arrow.read_feather", "a Feather table", (b"ARROW1",), apart=True),
    Format((".wav",), "sound.read_wav", "a WAV recording", (b"RIFF",)),
)
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
COMMON = ".csv, .tsv, .txt, .npy, .npz, .mat, .edf or .xlsx"


def found(head: bytes) -> tuple[Format | None, str]:
    """(the format that a file's first bytes are of, its words); (None, words) for other kinds."""
    for start, words in FOREIGN:
        if head.startswith(start):
            return None, words
    for each in FORMATS:
        if each.endings == (".edf",) and b"\n" in head:
            continue  # a padded table may begin as an EDF's version does; no EDF has lines
        if each.signatures and head.startswith(each.signatures):
            return each, each.words
    if head[124:128] in (b"\x00\x01IM", b"\x01\x00MI"):
        return next(f for f in FORMATS if f.endings == (".mat",)), "a MATLAB file (.mat)"
    return next(f for f in FORMATS if not f.signatures), "text"


def expected(ending: str, head: bytes) -> Format | None:
    """The format of a file with an ending, if its first bytes agree."""
    content, _ = found(head)
    for each in FORMATS:
        said = bool(each.signatures) and head.startswith(each.signatures)
        if ending in each.endings and (said or each is content):
            return each
    return None
